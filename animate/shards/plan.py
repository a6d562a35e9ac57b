"""The frozen plan of a build: made once from recipe and source, obeyed by later runs into the same folder.

`_animate/plan.json` holds what the clips depend on (the recipe's content and the source's fingerprint) and
the list of shards. A run that finds a plan either goes on with it, because both are equal to its own, or
is refused with the names of what differs.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from animate.data import SHARD_SUFFIXES, STATS, Part, ShardPlan, ShardRecord
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.shards.place import (
    ATTEMPTS,
    CARD,
    LEASE,
    MANIFEST,
    ONLY_FINISHED,
    OURS,
    PLAN,
    BuildRefused,
    Place,
)
from animate.stores import NO_ANSWER
from animate.strict_toml import differences, with_defaults

#: Raised when the layout of plan.json changes.
PLAN_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a shard set holds: `recipe` and `source` decide every clip, `shards` is the work to do.

    `recipe` is a plain table (`BuildRecipe.content`), `source` a fingerprint of the corpus, `columns`
    what its samples carry. `frozen_files` has the sha256 of each file that was frozen beside the plan; it is
    empty in plans of earlier releases.
    """

    recipe: Mapping[str, Any]
    source: Mapping[str, Any]
    shards: tuple[ShardPlan, ...]
    columns: Columns
    frozen_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """32 hex digits: equal exactly when recipe and source are."""
        canonical = json.dumps({"recipe": self.recipe, "source": self.source}, sort_keys=True)
        return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()

    @property
    def frozen(self) -> str:
        """Changes with the digest, and when a retry adds frozen files."""
        return f"{self.digest}-{len(self.shards)}"

    @property
    def of_virtual(self) -> bool:
        """Whether it was made of a set of virtual clips, and of no corpus."""
        return "virtual" in self.source

    @property
    def rows(self) -> int | None:
        """Samples in all shards; None if some shard ends where its part does, wherever that is."""
        total = 0
        for shard in self.shards:
            if shard.stop is None:
                return None
            total += shard.stop - shard.start
        return total


def cut(parts: Iterable[Part], samples_per_shard: int) -> Iterator[ShardPlan]:
    """Shards of at most so many samples, none across two parts; a part of unknown length is one shard."""
    index = 0
    for part in parts:
        starts = (0,) if part.rows is None else range(0, part.rows, samples_per_shard)
        for start in starts:
            stop = None if part.rows is None else min(start + samples_per_shard, part.rows)
            yield ShardPlan(index=index, part=part, start=start, stop=stop)
            index += 1


def totals(plan: Plan, records: Mapping[str, ShardRecord]) -> dict[str, Any]:
    """Counts of the finished shards (`records`, by name) together, each input once.

    A rejection that a later shard tried again is not counted: that shard's outcome is.
    """
    inputs, clips, size_bytes, rejected = 0, 0, 0, Counter[str]()
    for shard in plan.shards:
        record = records.get(shard.name)
        if record is not None:
            inputs += record.inputs - sum(shard.again.values())
            clips += record.clips
            size_bytes += record.bytes
            rejected.update(record.rejected)
            rejected.subtract(shard.again)
    left = {status: count for status, count in sorted(rejected.items()) if count}
    return {"inputs": inputs, "clips": clips, "rejected": left, "bytes": size_bytes}


def counts_fault(record: ShardRecord, shard: ShardPlan, takes: int) -> str:
    """How the counts of a finished shard break the law that every input is a clip or a rejection, or ""."""
    lost = record.inputs - record.clips - sum(record.rejected.values())
    if lost:
        return f"{lost} of {record.inputs} inputs are neither clip nor rejected"
    if shard.stop is not None:
        planned = (shard.stop - shard.start) * takes
        if record.inputs != planned:
            return f"{record.inputs} inputs of {planned} planned"
        if shard.again and sum(shard.again.values()) != planned:
            return f"{planned} inputs stand for {sum(shard.again.values())} rejected before"
    return ""


#: Lists shards and columns of a corpus, and may write what workers need (a listing) into a folder.
Freeze = Callable[[Path], tuple[Sequence[ShardPlan], Columns]]


def open_plan(
    place: Place,
    recipe: Mapping[str, Any],
    source: Mapping[str, Any],
    freeze: Freeze,
    *,
    overwrite: bool = False,
    first_change: Callable[[Plan], str] | None = None,
) -> Plan:
    """The plan of the shard set at `place`: what lies there, or a new one, frozen before this returns.

    `freeze` is called for a new plan only. `first_change` names the first file of another source that differs
    from that of the plan, or nothing. Raises `BuildRefused` if another recipe or
    source was used there before.
    """
    if overwrite:
        erase(place)
    found = read_plan(place)
    if found is None:
        return _make_plan(place, recipe, source, freeze)
    # Through JSON, so that tuples and lists compare equal as they do on disk.
    before = {"recipe": with_defaults(BuildRecipe, found.recipe), "source": found.source}
    before, now = json.loads(json.dumps([before, {"recipe": recipe, "source": source}]))
    changed = differences(before, now)
    if changed:
        if first_change is not None and before["recipe"] == now["recipe"]:
            changed += filter(None, [first_change(found)])
        raise BuildRefused(
            f"{place.root} was begun with another recipe or source:\n  "
            + "\n  ".join(changed)
            + "\ngive another --out, or --overwrite to start afresh"
        )
    _mend_frozen_files(place, found, freeze)
    return found


def damaged_files(place: Place, plan: Plan) -> list[str]:
    """Names of the frozen files that are gone, or hold something else than when they were written."""
    return [name for name, known in plan.frozen_files.items() if _sha256(place, name) != known]


def _mend_frozen_files(place: Place, plan: Plan, freeze: Freeze) -> None:
    """Frozen files that are damaged are written anew, from a corpus that is still the same.

    Raises `BuildRefused` where that does not give what they held.
    """
    damaged = damaged_files(place, plan)
    if not damaged:
        return
    with tempfile.TemporaryDirectory() as folder:
        freeze(Path(folder))
        for path in sorted(Path(folder).iterdir()):
            if path.name not in damaged or file_sha256(path) != plan.frozen_files[path.name]:
                path.unlink()
            else:
                damaged.remove(path.name)
        if damaged:
            raise BuildRefused(
                f"{place.root}/{OURS}/{damaged[0]}: is damaged, and the corpus no longer gives what it held; "
                "finished shards are sound, but no other can be made; --overwrite starts afresh"
            )
        place.upload(Path(folder), OURS)


def file_sha256(path: Path) -> str:
    """Hex digits of a local file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(place: Place, name: str) -> str | None:
    try:
        with place.open(f"{OURS}/{name}") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
    except FileNotFoundError:
        return None


def check_ours(place: Place) -> None:
    """`BuildRefused` if the folder holds things but no shard set: we neither mix with nor delete them."""
    names = place.names()
    if names and OURS not in names:
        raise BuildRefused(f"{place.root}: is not empty and holds no shard set ({OURS}/ is missing)")


def read_plan(place: Place) -> Plan | None:
    """The frozen plan at `place`; None if there is none."""
    try:
        table = place.read_json(PLAN)
        if table is None:
            return None
        if table["version"] != PLAN_VERSION:
            raise BuildRefused(
                f"{place.root}/{PLAN} has version {table['version']}, not {PLAN_VERSION}: another release "
                "of animate made it; give another --out, or --overwrite to start afresh"
            )
        return Plan(
            recipe=table["recipe"],
            source=table["source"],
            shards=tuple(_shards(table["parts"], table["again"])),
            columns=table["columns"],
            frozen_files=table.get("frozen_files", {}),
        )
    except (BuildRefused, *NO_ANSWER):
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise BuildRefused(f"{place.root}/{PLAN} is damaged ({error}); --overwrite starts afresh") from None


def erase(place: Place) -> None:
    """Nothing of a shard set is left at `place`; files that are not ours stay.

    Markers go first and the plan after every shard: cut off anywhere, what is left is refused or goes on as
    the old build, and is never taken for a new one's.
    """
    for name in ONLY_FINISHED:
        place.remove(name)
    names = place.names()
    for suffix in reversed(SHARD_SUFFIXES):
        for name in names:
            if name.endswith(suffix) and name.removesuffix(suffix).isdecimal():
                place.remove(name)
    place.remove(ATTEMPTS)
    place.remove(PLAN)
    _empty_ours(place)


def _empty_ours(place: Place) -> None:
    for name in place.names(OURS) - {Path(LEASE).name}:  # we hold that
        place.remove(f"{OURS}/{name}")


def frozen_folder(out: str, frozen: str) -> Path:
    """A local folder with the frozen files of the plan `frozen` (`Plan.frozen`) at `out`, for workers.

    For a local build it is `_animate` itself. A URL is fetched once a machine, into the user's cache.
    """
    place = Place.at(out)
    if place.local is not None:
        return place.local / OURS
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "animate"
    folder = cache / hashlib.blake2b(f"{out}\0{frozen}".encode(), digest_size=16).hexdigest()
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        attempt = Path(tempfile.mkdtemp(dir=cache, prefix="."))
        for name in place.names(OURS) - {Path(name).name for name in (PLAN, MANIFEST, CARD, LEASE)}:
            place.download(f"{OURS}/{name}", attempt / name)
        try:
            attempt.rename(folder)
        except OSError:  # another worker of this machine was first
            shutil.rmtree(attempt)
    return folder


def _make_plan(
    place: Place,
    recipe: Mapping[str, Any],
    source: Mapping[str, Any],
    freeze: Freeze,
) -> Plan:
    if any(name.endswith(STATS) for name in place.names()):
        raise BuildRefused(f"{place.root}: holds shards but no {PLAN}; --overwrite removes them")
    _empty_ours(place)  # of what a run left that was cut off while it planned
    if place.local is not None:
        folder = place.local / OURS
        folder.mkdir(parents=True, exist_ok=True)
        shards, columns = freeze(folder)
        files = _digests(folder, shards)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            shards, columns = freeze(Path(temporary))
            files = _digests(Path(temporary), shards)
            place.upload(Path(temporary), OURS)
    plan = Plan(recipe=recipe, source=source, shards=tuple(shards), columns=columns, frozen_files=files)
    write_plan(place, plan)
    return plan


def _digests(folder: Path, shards: Iterable[ShardPlan]) -> dict[str, str]:
    """By name, of the files in `folder` that the parts of shards lie in."""
    names = sorted({shard.part.path for shard in shards})
    return {name: file_sha256(folder / name) for name in names if (folder / name).is_file()}


def write_plan(place: Place, plan: Plan) -> None:
    """`place` holds `plan`, or what it held before if this is cut off."""
    content = {
        "version": PLAN_VERSION,
        "digest": plan.digest,
        "recipe": plan.recipe,
        "source": plan.source,
        "columns": plan.columns,
        "frozen_files": plan.frozen_files,
        "parts": _parts(plan.shards),
        "again": {shard.name: shard.again for shard in plan.shards if shard.again},
    }
    place.write_json(PLAN, content)


def _parts(shards: Sequence[ShardPlan]) -> list[dict[str, Any]]:
    """The parts that `shards` were cut from, and how: a thousand shards of a listing are one entry."""
    return [
        {**asdict(part), "rows_a_shard": None if first.stop is None else first.stop - first.start}
        for part, first in ((part, next(group)) for part, group in groupby(shards, lambda shard: shard.part))
    ]


def _shards(
    parts: Iterable[Mapping[str, Any]], again: Mapping[str, Mapping[str, int]]
) -> Iterator[ShardPlan]:
    """The shards of which `_parts` gave `parts`."""
    index = 0
    for row in parts:
        part = Part(reader=row["reader"], path=row["path"], rows=row["rows"])
        for shard in cut([part], row["rows_a_shard"]):
            shard = replace(shard, index=index)
            yield replace(shard, again=again[shard.name]) if shard.name in again else shard
            index += 1
