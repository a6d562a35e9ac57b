"""Plan, run, resume, merge: the whole build, from a recipe to a shard set with its manifest.

`build` plans from a corpus. `run_plan` makes the shards of any plan, and is all that resuming takes: what is
finished is what the markers say.
"""

import contextlib
import dataclasses
import functools
import importlib.metadata
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from animate import executor
from animate.data import ShardPlan, ShardRecord
from animate.recipe import BuildRecipe
from animate.render import check_device
from animate.shard import build_shard
from animate.shards.place import ATTEMPTS, BuildRefused, Place
from animate.shards.plan import (
    LENGTH,
    MANIFEST,
    SHARD_SUFFIXES,
    Plan,
    check_ours,
    cut,
    frozen_folder,
    open_plan,
    totals,
)
from animate.shards.repeated_stills import repeated_stills, without_stills
from animate.shards.retry import plan_again, without_overtaken
from animate.shards.write import read_stats
from animate.sources import open_source

log = logging.getLogger(__name__)

#: Fewer samples than this are filmed before a Ray cluster has started.
TOO_FEW_FOR_RAY = 500
#: What decides the bytes of a clip beside recipe and source: named in the manifest.
LIBRARIES = (
    "animate",
    "av",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pillow-simd",
    "pyarrow",
    "simplejpeg",
)

#: Makes one shard: (what, under which recipe, where, folder with the frozen files of the plan) to its record.
#: Runs on any worker.
MakeShard = Callable[..., ShardRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a build is, with what earlier runs made and what shards in hand have so far.

    `inputs_planned` is None if some part of the corpus must be read to be counted.
    """

    shards_planned: int
    shards_finished: int
    inputs_planned: int | None
    inputs: int
    clips: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFailure:
    """A shard that raised on every attempt: `message` is one line, `details` the traceback."""

    name: str
    attempts: int
    message: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build came to.

    Counts and `size_bytes` cover the whole shard set; `clips_made`, `shards_made` and `seconds` this run
    alone. `inputs` = `clips` + the sum of `rejected` (status to count).
    """

    out: str
    shards_planned: int
    shards_finished: int
    shards_made: int
    inputs: int
    clips: int
    clips_made: int
    rejected: Mapping[str, int]
    size_bytes: int
    seconds: float
    failures: tuple[ShardFailure, ...]

    @property
    def complete(self) -> bool:
        """Every planned shard is finished, and the manifest says so."""
        return self.shards_finished == self.shards_planned

    @property
    def clips_per_second(self) -> float:
        return self.clips_made / self.seconds if self.seconds > 0 else 0.0


def build(
    recipe: BuildRecipe,
    out: str | Path,
    *,
    workers: int | None = None,
    address: str | None = None,
    overwrite: bool = False,
    retry_failed: bool = False,
    time_limit: float | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    make_shard: MakeShard = build_shard,
) -> BuildReport:
    """Make `out` (a folder or an fsspec URL) hold the shards of `recipe`; the report says how far that went.

    Goes on where an earlier run into `out` stopped. `workers` = 0 works in this process, n on n Ray workers;
    None takes what suits the machine and the amount of work. The clips do not depend on any of the settings
    after `out`. After `time_limit` seconds no shard is started. With `retry_failed`, a finished set gets
    further shards from the addresses that gave no image; one that is not finished is finished first.
    `device` is "cpu" or whatever torch takes ("cuda"): frames differ from the CPU's by rounding.

    Raises `BuildRefused` if `out` holds something else, `SourceError` if the corpus cannot be read,
    `NoDevice` or `NoGpu` if the device is not there.
    """
    started = time.monotonic()
    recipe = _anywhere(recipe)
    check_device(device, here=address is None)
    if device != "cpu":
        make_shard = functools.partial(make_shard, device=device)
    source = open_source(recipe.source)
    samples_per_shard = _samples_per_shard(recipe)

    def freeze(folder: Path) -> Iterator[ShardPlan]:
        shards = cut(source.freeze(folder, samples_per_shard), samples_per_shard)
        first = next(shards, None)
        if first is None:
            raise BuildRefused(f"source {recipe.source.name!r} at {recipe.source.path!r}: holds no samples")
        yield first
        yield from shards

    with open_shard_set(out) as place:
        plan = open_plan(place, recipe.content(), source.fingerprint(), freeze, overwrite=overwrite)
        finished = _finished(plan, place, recipe.takes)
        plan = without_overtaken(plan, finished, place)
        if retry_failed and len(finished) == len(plan.shards):
            plan = plan_again(plan, place, _location(place), samples_per_shard, recipe.takes)
        return run_plan(
            plan,
            place,
            recipe,
            make_shard,
            workers=workers,
            address=address,
            time_limit=time_limit,
            started=started,
            on_gpus=device.startswith("cuda"),
            on_progress=on_progress,
        )


@contextlib.contextmanager
def open_shard_set(out: str | Path) -> Iterator[Place]:
    """The place of a shard set, ours alone inside the block; no leftovers of attempts before or after."""
    place = Place.at(out)
    check_ours(place)
    with place.locked():
        place.remove(ATTEMPTS)
        try:
            yield place
        finally:
            place.remove(ATTEMPTS)


def run_plan(
    plan: Plan,
    place: Place,
    recipe: BuildRecipe,
    make_shard: MakeShard,
    *,
    workers: int | None = None,
    address: str | None = None,
    time_limit: float | None = None,
    started: float | None = None,
    on_gpus: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> BuildReport:
    """Make the shards of `plan` that have no marker yet, then merge; see `build` for the settings.

    `started` (monotonic seconds) is when the clock of `time_limit` began; now if None.
    """
    started = time.monotonic() if started is None else started
    records = _finished(plan, place, recipe.takes)
    todo = [shard for shard in plan.shards if shard.name not in records]
    earlier = set(records)

    in_hand: dict[int, tuple[int, int]] = {}

    def tell() -> None:
        if on_progress is not None:
            on_progress(_progress(plan, records, in_hand, recipe.takes))

    def on_count(running: Mapping[int, tuple[int, int]]) -> None:
        in_hand.clear()
        in_hand.update(running)
        tell()

    def on_done(index: int, record: ShardRecord) -> None:
        records[record.name] = _checked(record, todo[index], recipe.takes)
        in_hand.pop(index, None)
        tell()

    tell()
    failures: list[ShardFailure] = []
    if todo:
        for name in (MANIFEST, LENGTH):  # of a set that has lost a shard since: they come last again
            place.remove(name)
        failed = executor.run_tasks(
            _make_on_worker,
            [(make_shard, shard, recipe, _location(place), plan.frozen) for shard in todo],
            workers=_workers(todo, workers, address),
            address=address,
            time_limit=None if time_limit is None else time_limit - (time.monotonic() - started),
            on_gpus=on_gpus,
            on_done=on_done,
            on_count=on_count if on_progress is not None else None,
        )
        failures = _named(failed, [shard.name for shard in todo])
    if len(records) == len(plan.shards) and MANIFEST.rpartition("/")[2] not in place.names("_animate"):
        if recipe.source.filters.duplicates == "sha256":
            failures += _drop_duplicates(plan, place, records, workers, address)
        if not failures:
            _merge(plan, place, records)
    made = [record for name, record in records.items() if name not in earlier]
    counts = totals(plan, records)
    return BuildReport(
        out=_location(place),
        shards_planned=len(plan.shards),
        shards_finished=len(records),
        shards_made=len(made),
        inputs=counts["inputs"],
        clips=counts["clips"],
        clips_made=sum(record.clips for record in made),
        rejected=counts["rejected"],
        size_bytes=counts["bytes"],
        seconds=time.monotonic() - started,
        failures=tuple(failures),
    )


def _drop_duplicates(
    plan: Plan, place: Place, records: dict[str, ShardRecord], workers: int | None, address: str | None
) -> list[ShardFailure]:
    """Shards with a still that the set has already are written anew, and `records` says so; those that
    could not be are no longer in it."""
    tasks = [(_location(place), name, stills) for name, stills in repeated_stills(plan, place)]
    if not tasks:
        return []
    left = {name for _, name, _ in tasks}

    def on_done(index: int, record: ShardRecord) -> None:
        records[record.name] = record
        left.remove(record.name)

    width = workers if workers is not None else 0  # copying: not worth a cluster of its own
    failed = executor.run_tasks(without_stills, tasks, workers=width, address=address, on_done=on_done)
    for name in left:
        del records[name]
    return _named(failed, [name for _, name, _ in tasks])


def _named(failures: Sequence[executor.Failure], shards: Sequence[str]) -> list[ShardFailure]:
    return [
        ShardFailure(
            name=shards[failure.task],
            attempts=failure.attempts,
            message=failure.message,
            details=failure.details,
        )
        for failure in failures
    ]


def _make_on_worker(
    make_shard: MakeShard, shard: ShardPlan, recipe: BuildRecipe, out: str, frozen: str
) -> ShardRecord:
    return make_shard(shard, recipe, out, str(frozen_folder(out, frozen)))


def _samples_per_shard(recipe: BuildRecipe) -> int:
    """As many as give no more than `clips_per_shard` clips, in whole montage groups: these are cut by row."""
    group = recipe.shot.edit.stills
    return max(1, recipe.shards.clips_per_shard // recipe.takes // group) * group


def _anywhere(recipe: BuildRecipe) -> BuildRecipe:
    """The same recipe, with the corpus named so that it is found from any working directory."""
    path = recipe.source.path
    if not path or "://" in path or path.startswith("pipe:"):
        return recipe
    return dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, path=os.path.abspath(path)))


def _location(place: Place) -> str:
    return place.root if place.local is not None else place.filesystem.unstrip_protocol(place.root)


def _workers(todo: list[ShardPlan], workers: int | None, address: str | None) -> int:
    """How many Ray workers to use; 0 for this process (or, with an address, for all that the cluster has)."""
    if workers is not None:
        return workers
    if address is not None:
        return 0
    useful = min(executor.available_cpus(), len(todo))
    samples = sum(TOO_FEW_FOR_RAY if shard.stop is None else shard.stop - shard.start for shard in todo)
    return useful if useful > 1 and samples >= TOO_FEW_FOR_RAY else 0


def _finished(plan: Plan, place: Place, takes: int) -> dict[str, ShardRecord]:
    """The records of the shards whose three files are there."""
    names = place.names()
    whole = [shard for shard in plan.shards if all(shard.name + suffix in names for suffix in SHARD_SUFFIXES)]
    read = ((shard, read_stats(_location(place), shard.name)) for shard in whole)
    return {shard.name: _checked(record, shard, takes) for shard, record in read if record is not None}


def _checked(record: ShardRecord, shard: ShardPlan, takes: int) -> ShardRecord:
    assert record.name == shard.name, f"shard {shard.name} answers as {record.name}"
    lost = record.inputs - record.clips - sum(record.rejected.values())
    assert lost == 0, f"shard {shard.name}: {lost} of {record.inputs} inputs are neither clip nor rejected"
    if shard.stop is not None:
        planned = (shard.stop - shard.start) * takes
        assert record.inputs == planned, f"shard {shard.name}: {record.inputs} inputs of {planned} planned"
    return record


def _progress(
    plan: Plan,
    records: Mapping[str, ShardRecord],
    in_hand: Mapping[int, tuple[int, int]],
    takes: int,
) -> Progress:
    """`in_hand` is (clips, rejected) of each shard that is being made."""
    clips = sum(record.clips for record in records.values()) + sum(made for made, _ in in_hand.values())
    rejected = sum(record.inputs - record.clips for record in records.values())
    rejected += sum(lost for _, lost in in_hand.values())
    return Progress(
        shards_planned=len(plan.shards),
        shards_finished=len(records),
        inputs_planned=None if plan.rows is None else plan.rows * takes,
        inputs=clips + rejected,
        clips=clips,
        rejected=rejected,
    )


def _merge(plan: Plan, place: Place, records: Mapping[str, ShardRecord]) -> None:
    """`__len__`, then the manifest, the last file of a build. No clock: equal builds, equal files."""
    counts = totals(plan, records)
    place.write_text(LENGTH, str(counts["clips"]))
    manifest = {
        "name": plan.recipe.get("name", ""),
        "digest": plan.digest,
        "totals": counts,
        "recipe": plan.recipe,
        "source": plan.source,
        "versions": versions(),
        "shards": [dataclasses.asdict(records[shard.name]) for shard in plan.shards],
    }
    place.write_json(MANIFEST, manifest)


def versions() -> dict[str, str]:
    """Release of Python and of each library that has a say in a clip's bytes, where installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
