"""How far the build of a shard set is, as its folder tells whoever looks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from animate.data import STATS
from animate.shards.finished import whole_shards
from animate.shards.place import ATTEMPTS, MANIFEST, PLAN, BuildRefused, Place
from animate.shards.plan import read_plan, totals
from animate.shards.read import read_markers

#: The speed is that of the shards that were finished last.
LATEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStatus:
    """A shard set while it is made, or afterwards.

    `complete`: the manifest is there, and every shard. `in_hand` counts the attempts at shards that are being
    made, where the set lies on this machine; a run that was killed leaves its own. `damaged` are shards whose
    marker cannot be read. `seconds_a_shard` is the time from one of the latest markers to the next (None for
    fewer than two, or where files have no times), and `seconds_since` that since the last.
    """

    complete: bool
    shards_planned: int
    shards_finished: int
    in_hand: int
    damaged: tuple[str, ...]
    inputs_planned: int | None
    inputs: int
    clips: int
    rejected: Mapping[str, int]
    size_bytes: int
    seconds_a_shard: float | None
    seconds_since: float | None

    @property
    def seconds_left(self) -> float | None:
        """At the speed of late."""
        if self.seconds_a_shard is None:
            return None
        return self.seconds_a_shard * (self.shards_planned - self.shards_finished)


def status(out: str) -> SetStatus:
    """How far the set at `out` (a folder or an fsspec URL) is; nothing is locked, written or waited for.

    Raises `BuildRefused` where no build was planned.
    """
    place = Place.at(out)
    plan = read_plan(place)
    if plan is None:
        raise BuildRefused(f"{place.root}: holds no shard set ({PLAN} is missing)")
    records, damaged = {}, []
    for name, record in read_markers(place, [shard.name for shard in whole_shards(plan, place)]):
        if isinstance(record, ValueError):
            damaged.append(name)
        else:
            records[name] = record
    counts = totals(plan, records)
    # Of a set with retries the names say in which order; a build makes shards about in that order, too.
    times = sorted(filter(None, (place.modified(name + STATS) for name in sorted(records)[-10 * LATEST :])))
    latest = times[-LATEST:]
    rows, takes = plan.rows, plan.recipe["takes"]
    return SetStatus(
        complete=len(records) == len(plan.shards) and place.has(MANIFEST),
        shards_planned=len(plan.shards),
        shards_finished=len(records),
        in_hand=len(place.names(ATTEMPTS)),
        damaged=tuple(damaged),
        inputs_planned=None if rows is None else takes * rows,
        inputs=counts["inputs"],
        clips=counts["clips"],
        rejected=counts["rejected"],
        size_bytes=counts["bytes"],
        seconds_a_shard=(latest[-1] - latest[0]) / (len(latest) - 1) if len(latest) > 1 else None,
        seconds_since=max(0.0, time.time() - latest[-1]) if latest else None,
    )
