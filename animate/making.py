"""A planned shard set while its shards are made: who makes them, what was made, what is told of it."""

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from animate import executor
from animate.careful import build_carefully
from animate.data import ShardPlan, ShardRecord
from animate.executor import Workforce
from animate.journal import OnEvent
from animate.recipe import BuildRecipe
from animate.report import OnProgress, Progress, ShardFailure
from animate.shard import Assignment, build_shard
from animate.shards.finished import checked, versions, write_manifest
from animate.shards.lease import StillOurs
from animate.shards.place import MANIFEST, ONLY_FINISHED, OURS, Place
from animate.shards.plan import Plan, totals
from animate.shards.repeated_stills import repeated_stills, without_stills
from animate.sources import seconds_waited
from animate.stores import shown

log = logging.getLogger(__name__)

#: Fewer samples than this are filmed before a Ray cluster has started.
TOO_FEW_FOR_RAY = 500
#: Makes one shard, on any worker; the second argument hears how many clips and rejections it has so far.
MakeShard = Callable[..., ShardRecord]


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


class Making:
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
        for name in ONLY_FINISHED:  # of a set that has lost a shard since: they come last again
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
        """Writes `__len__`, card and manifest, if every shard is finished and the set has none yet."""
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
        whole_fps, repeated = self.recipe.video.whole_fps, list(repeated_stills(self.plan, self.place))
        tasks = [(location, name, columns, whole_fps, stills) for name, stills in repeated]
        left = {name for name, _ in repeated}

        def on_done(index: int, record: ShardRecord) -> None:
            self.records[record.name] = record
            left.remove(record.name)

        # Copying is not worth a cluster of its own, and what is begun here is ended.
        copying = dataclasses.replace(self.workforce.sized(len(tasks), small=True), time_limit=None)
        failed = executor.run_tasks(
            without_stills, tasks, copying, on_done=on_done, names=[f"shard {name}" for name, _ in repeated]
        )
        for name in left:
            del self.records[name]
        self.failures += _named(failed, [name for name, _ in repeated])

    def _assignment(self, shard: ShardPlan, workforce: Workforce, *, careful: bool) -> Assignment:
        return Assignment(
            shard=shard,
            recipe=self.recipe,
            out=self.place.location,
            frozen=self.plan.frozen,
            columns=self.plan.columns,
            device=workforce.device,
            watched=bool(workforce.workers or workforce.address or workforce.apart),
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
