"""Plan, run, resume, merge: the whole build, from a recipe to a shard set with its manifest.

`build_shards` plans from a corpus. `run_build` makes the shards of any plan, and is all that resuming takes:
what is finished is what the markers say.
"""

import contextlib
import dataclasses
import functools
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from animate import executor
from animate.careful import build_carefully
from animate.data import ShardPlan, ShardRecord
from animate.executor import AUTOMATIC, Workforce
from animate.journal import OnEvent, unheard
from animate.leeway import check_leeway
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.render import check_device
from animate.shard import Assignment, build_shard
from animate.shards.examples import Example, rejection_examples
from animate.shards.finished import checked, finished_records, versions, write_manifest
from animate.shards.lease import StillOurs, locked
from animate.shards.origin import check_source, first_change
from animate.shards.place import ATTEMPTS, LENGTH, MANIFEST, OURS, PLAN, BuildRefused, Place
from animate.shards.plan import Plan, check_ours, cut, open_plan, totals
from animate.shards.repeated_stills import repeated_stills, without_stills
from animate.shards.retry import plan_again, without_overtaken
from animate.sources import open_source, seconds_waited
from animate.stores import shown

log = logging.getLogger(__name__)

#: Fewer samples than this are filmed before a Ray cluster has started.
TOO_FEW_FOR_RAY = 500
#: Makes one shard, on any worker; the second argument hears how many clips and rejections it has so far.
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


OnProgress = Callable[[Progress], None]


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
    alone. `inputs` = `clips` + the sum of `rejected` (status to count). Of the `shots` in the clips,
    `shots_held_back` show little of what was drawn (`ShardRecord`); shards of before these were counted are
    left out of both. `examples` has an input of each status of `rejected`. Where images were downloaded,
    `filming_share` is the share of the workers' time that was not spent waiting for them; otherwise None.
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
    shots: int = 0
    shots_held_back: int = 0
    filming_share: float | None = None
    examples: Mapping[str, Example] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every planned shard is finished, and the manifest says so."""
        return self.shards_finished == self.shards_planned

    @property
    def clips_per_second(self) -> float:
        return self.clips_made / self.seconds if self.seconds > 0 else 0.0


def build_shards(
    recipe: BuildRecipe,
    out: str | Path,
    workforce: Workforce = AUTOMATIC,
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
    on_event: OnEvent = unheard,
    make_shard: MakeShard = build_shard,
) -> BuildReport:
    """Make `out` (a folder or an fsspec URL) hold the shards of `recipe`; the report says how far that went.

    Goes on where an earlier run into `out` stopped; `overwrite` deletes what that made. The clips do not
    depend on any of the settings after `out`. With `retry_failed`, a finished set gets further shards from
    the addresses that gave no image; one that is not finished is finished first.

    Raises `BuildRefused` if `out` holds something else, `RecipeError` if the recipe contradicts itself,
    `SourceError` if the corpus cannot be read, `NoDevice` or `NoGpu` if the device is not there.
    """
    check_leeway(recipe)
    recipe = _found_from_anywhere(recipe)
    source = open_source(recipe.source)
    rows_per_shard = samples_per_shard(recipe)

    def freeze(folder: Path) -> tuple[Sequence[ShardPlan], Columns]:
        frozen = source.freeze(folder, rows_per_shard)
        shards = tuple(cut(frozen.parts, rows_per_shard))
        if not shards:
            raise BuildRefused(f"source {recipe.source.name!r} at {recipe.source.path!r}: holds no samples")
        return shards, frozen.columns

    def make_plan(place: Place) -> tuple[Plan, dict[str, ShardRecord]]:
        fresh = overwrite or place.read_text(PLAN) is None
        plan = open_plan(
            place,
            recipe.content(),
            source.fingerprint(),
            freeze,
            overwrite=overwrite,
            first_change=lambda plan: first_change(plan, place, source, freeze),
        )
        if not fresh:
            check_source(plan, place, source)
        finished = finished_records(plan, place, recipe.takes)
        plan = without_overtaken(plan, finished, place)
        planned = {shard.name for shard in plan.shards}
        finished = {name: record for name, record in finished.items() if name in planned}
        if retry_failed and len(finished) == len(plan.shards):
            plan = plan_again(plan, place, rows_per_shard, recipe.takes)
        return plan, finished

    return run_build(
        out, recipe, make_plan, make_shard, workforce=workforce, on_progress=on_progress, on_event=on_event
    )


def run_build(
    out: str | Path,
    recipe: BuildRecipe,
    make_plan: Callable[[Place], tuple[Plan, dict[str, ShardRecord]]],
    make_shard: MakeShard,
    *,
    workforce: Workforce,
    on_progress: OnProgress | None,
    on_event: OnEvent = unheard,
) -> BuildReport:
    """Plan, make the shards that have no marker yet, merge: so is every shard set made.

    `make_plan` gives the plan and the records of the shards that are finished. `on_event` hears what
    `animate.journal` lists.
    """
    try:
        report, retries = _run_build(out, recipe, make_plan, make_shard, workforce, on_progress, on_event)
    except BaseException as error:
        on_event("stopped", message=shown(str(error)) or type(error).__name__)
        raise
    on_event(
        "ended",
        complete=report.complete,
        shards=report.shards_finished,
        inputs=report.inputs,
        clips=report.clips,
        rejected=dict(report.rejected),
        clips_made=report.clips_made,
        retries=retries,
        seconds=round(report.seconds, 3),
    )
    return report


def _run_build(
    out: str | Path,
    recipe: BuildRecipe,
    make_plan: Callable[[Place], tuple[Plan, dict[str, ShardRecord]]],
    make_shard: MakeShard,
    workforce: Workforce,
    on_progress: OnProgress | None,
    on_event: OnEvent,
) -> tuple[BuildReport, int]:
    """The report, and how many attempts at shards failed."""
    started = time.monotonic()
    check_device(workforce.device, here=workforce.address is None)
    with open_shard_set(out) as (place, cut_off, still_ours):
        plan, finished = make_plan(place)
        build = _Build(
            plan=plan,
            records=finished,
            place=place,
            recipe=recipe,
            workforce=workforce.after(time.monotonic() - started),
            on_progress=on_progress,
            cut_off=cut_off,
            still_ours=still_ours,
            on_event=on_event,
        )
        build.tell_began()
        earlier = set(finished)
        build.make(make_shard)
        build.merge()
    made = [record for name, record in build.records.items() if name not in earlier]
    counts = totals(build.plan, build.records)
    report = BuildReport(
        out=place.location,
        shards_planned=len(build.plan.shards),
        shards_finished=len(build.records),
        shards_made=len(made),
        inputs=counts["inputs"],
        clips=counts["clips"],
        clips_made=sum(record.clips for record in made),
        rejected=counts["rejected"],
        size_bytes=counts["bytes"],
        seconds=time.monotonic() - started,
        failures=tuple(build.failures),
        shots=sum(record.shots for record in build.records.values()),
        shots_held_back=sum(record.shots_held_back for record in build.records.values()),
        filming_share=1 - build.waited / build.worked if build.downloads and build.worked else None,
        examples=rejection_examples(place, build.plan, build.records),
    )
    return report, build.retries


@contextlib.contextmanager
def open_shard_set(out: str | Path) -> Iterator[tuple[Place, frozenset[str], StillOurs]]:
    """The place of a shard set, ours alone inside the block; no leftovers of attempts before or after.

    With it come the shards in whose midst an earlier run was cut off, without a word: by a crash, maybe.
    """
    place = Place.at(out)
    check_ours(place)
    with locked(place) as still_ours:
        cut_off = frozenset(name.partition("-")[0] for name in place.names(ATTEMPTS))
        place.remove(ATTEMPTS)
        try:
            yield place, cut_off, still_ours
        finally:
            still_ours()  # or else the attempts there are another's
            place.remove(ATTEMPTS)


def samples_per_shard(recipe: BuildRecipe) -> int:
    """As many as give no more than `clips_per_shard` clips, in whole montage groups: these are cut by row."""
    group = recipe.shot.edit.stills
    return max(1, recipe.shards.clips_per_shard // recipe.takes // group) * group


class _Timed(NamedTuple):
    """A shard that was made, the seconds that its worker had for it, and how many it waited for downloads."""

    record: ShardRecord
    worked: float
    waited: float


def _timed(make_shard: MakeShard, assignment: Assignment, *report: Any) -> _Timed:
    began, waited = time.monotonic(), seconds_waited()
    record = (build_carefully if assignment.careful else make_shard)(assignment, *report)
    return _Timed(record, time.monotonic() - began, seconds_waited() - waited)


def _carefully(task: tuple[Assignment]) -> tuple[Assignment]:
    return (dataclasses.replace(task[0], careful=True),)


class _Build:
    """A planned set while its shards are made: `records` of those that are finished, `failures` so far."""

    def __init__(
        self,
        *,
        plan: Plan,
        records: dict[str, ShardRecord],
        place: Place,
        recipe: BuildRecipe,
        workforce: Workforce,
        on_progress: OnProgress | None,
        cut_off: Collection[str],
        still_ours: StillOurs,
        on_event: OnEvent,
    ) -> None:
        self.plan, self.place, self.recipe, self.workforce = plan, place, recipe, workforce
        self.cut_off, self.still_ours, self.on_event = cut_off, still_ours, on_event
        #: Attempts at shards that failed.
        self.retries = 0
        self.on_progress = on_progress
        self.records = records
        self.rows = plan.rows
        #: Of all `records`, kept beside them: adding up a hundred thousand for each would take as many times.
        self.clips = sum(record.clips for record in records.values())
        self.rejected = sum(record.inputs - record.clips for record in records.values())
        self.failures: list[ShardFailure] = []
        self.downloads = all(shard.part.downloaded for shard in plan.shards)
        #: Seconds of all workers together, in this run.
        self.worked, self.waited = 0.0, 0.0
        #: (clips, rejected) so far of shards that are being made.
        self.in_hand: dict[int, tuple[int, int]] = {}

    def tell_began(self) -> None:
        """Says what was planned, and what is there of it."""
        counts, rows = totals(self.plan, self.records), self.plan.rows
        self.on_event(
            "began",
            out=shown(self.place.location),
            digest=self.recipe.digest(),
            versions=versions(),
            planned_shards=len(self.plan.shards),
            planned_inputs=None if rows is None else rows * self.recipe.takes,
            finished_shards=len(self.records),
            clips=counts["clips"],
            rejected=counts["rejected"],
        )

    def make(self, make_shard: MakeShard) -> None:
        """Makes every shard that is not finished."""
        self._tell()
        todo = [shard for shard in self.plan.shards if shard.name not in self.records]
        if not todo:
            return
        for name in (MANIFEST, LENGTH):  # of a set that has lost a shard since: they come last again
            self.place.remove(name)

        attempts: dict[int, int] = {}

        def on_done(index: int, made: _Timed) -> None:
            self.still_ours()
            record = made.record
            self.worked, self.waited = self.worked + made.worked, self.waited + made.waited
            self.records[record.name] = checked(record, todo[index], self.recipe.takes)
            self.clips += record.clips
            self.rejected += record.inputs - record.clips
            self.in_hand.pop(index, None)
            self.on_event(
                "shard_finished",
                shard=record.name,
                attempts=attempts[index],
                inputs=record.inputs,
                clips=record.clips,
                rejected=dict(record.rejected),
                seconds=round(made.worked, 3),
            )
            self._tell()

        def on_attempt(index: int, attempt: int, how: executor.AttemptState, message: str) -> None:
            name, attempts[index] = todo[index].name, attempt
            if how == "started":
                self.on_event("shard_begun", shard=name, attempt=attempt)
                return
            self.retries += 1
            event = "worker_lost" if how == "lost" else "attempt_failed"
            log.warning("shard %s, attempt %d: %s", name, attempt, shown(message))
            self.on_event(event, shard=name, attempt=attempt, message=shown(message))

        def on_report(running: Mapping[int, tuple[int, int]]) -> None:
            self.in_hand = dict(running)
            self._tell()

        # Whatever else makes shards reads what has been filmed: it has no samples to be careful with.
        careful = make_shard is build_shard
        samples = sum(TOO_FEW_FOR_RAY if x.stop is None else x.stop - x.start for x in todo)
        small = samples < TOO_FEW_FOR_RAY
        workforce = self.workforce.sized(len(todo), small=small, waiting=self.downloads)
        tasks = [
            (self._assignment(shard, workforce, careful=careful and shard.name in self.cut_off),)
            for shard in todo
        ]
        failed = executor.run_tasks(
            functools.partial(_timed, make_shard),
            tasks,
            workforce,
            on_done=on_done,
            on_report=on_report if self.on_progress is not None else None,
            after_loss=_carefully if careful else None,
            on_attempt=on_attempt,
        )
        self.failures += _named(failed, [shard.name for shard in todo])

    def merge(self) -> None:
        """Writes `__len__` and the manifest, if every shard is finished and the set has none yet."""
        self.still_ours()
        finished = len(self.records) == len(self.plan.shards)
        if not finished or Path(MANIFEST).name in self.place.names(OURS):
            return
        if self.recipe.source.filters.duplicates == "sha256":
            self._drop_repeated_stills()
        if not self.failures:
            write_manifest(self.plan, self.place, self.records)

    def _drop_repeated_stills(self) -> None:
        """Shards with a still that the set has already are written anew; those that cannot be are out."""
        location, columns = self.place.location, self.plan.columns
        tasks = [(location, name, columns, stills) for name, stills in repeated_stills(self.plan, self.place)]
        left = {name for _, name, _, _ in tasks}

        def on_done(index: int, record: ShardRecord) -> None:
            self.records[record.name] = record
            left.remove(record.name)

        # Copying is not worth a cluster of its own, and what is begun here is ended.
        copying = dataclasses.replace(self.workforce.sized(len(tasks), small=True), time_limit=None)
        failed = executor.run_tasks(without_stills, tasks, copying, on_done=on_done)
        for name in left:
            del self.records[name]
        self.failures += _named(failed, [name for _, name, _, _ in tasks])

    def _assignment(self, shard: ShardPlan, workforce: Workforce, *, careful: bool) -> Assignment:
        return Assignment(
            shard=shard,
            recipe=self.recipe,
            out=self.place.location,
            frozen=self.plan.frozen,
            columns=self.plan.columns,
            device=workforce.device,
            watched=bool(workforce.workers or workforce.address),
            careful=careful,
        )

    def _tell(self) -> None:
        if self.on_progress is None:
            return
        clips = self.clips + sum(clips for clips, _ in self.in_hand.values())
        rejected = self.rejected + sum(lost for _, lost in self.in_hand.values())
        self.on_event("progress", clips=clips)
        self.on_progress(
            Progress(
                shards_planned=len(self.plan.shards),
                shards_finished=len(self.records),
                inputs_planned=None if self.rows is None else self.rows * self.recipe.takes,
                inputs=clips + rejected,
                clips=clips,
                rejected=rejected,
            )
        )


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


def _found_from_anywhere(recipe: BuildRecipe) -> BuildRecipe:
    """The same recipe, with the corpus named so that it is found from any working directory."""
    path = recipe.source.path
    if not path or "://" in path or path.startswith("pipe:"):
        return recipe
    return dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, path=os.path.abspath(path)))
