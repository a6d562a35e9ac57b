"""One piece of a corpus in, one finished shard out: the composition of everything else."""

import faulthandler
import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from animate.arrivals import in_groups, in_order
from animate.codec import UndecodableImage
from animate.data import Clip, Fault, Rejected, Sample, ShardPlan, ShardRecord, Take
from animate.film import Setup, Still, film_together
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.shards.plan import frozen_folder
from animate.shards.write import OnRow, ShardWriter
from animate.sources import read_arrivals

#: Takes that are filmed together.
BATCH = 32

#: Pixels of stills with which a batch on a CPU ends, if it has no more takes: all may be in memory at once.
CPU_BATCH_PIXELS = 1 << 23

#: What became of a take: the clip, or why there is none.
Outcome = Clip | tuple[Take, Rejected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One shard to make, and what a worker anywhere must know for it.

    `out` is the shard set and `frozen` names the frozen files of its plan; its corpus carries `columns`.
    `device` renders: "cpu", or whatever torch takes. `lost` says which groups of rows, by number, are not
    filmed, and why not. A worker that is `watched` is ended when a group takes longer than the recipe's
    limit. With `careful` the shard is made in a process of its own (`animate.careful`).
    """

    shard: ShardPlan
    recipe: BuildRecipe
    out: str
    frozen: str
    columns: Columns
    device: str = "cpu"
    lost: Mapping[int, Fault] = field(default_factory=dict)
    watched: bool = False
    careful: bool = False

    def plan_folder(self) -> Path:
        """A local folder with the frozen files of the plan."""
        return frozen_folder(self.out, self.frozen)

    def writer(self, on_row: OnRow | None) -> ShardWriter:
        """An attempt at the shard."""
        whole_fps = self.recipe.video.whole_fps
        return ShardWriter(self.out, self.shard.name, self.columns, whole_fps=whole_fps, on_row=on_row)


#: Told at which group of rows a worker is, and None when it is past it.
OnGroup = Callable[[int | None], None]


def build_shard(
    assignment: Assignment, on_row: OnRow | None = None, *, on_group: OnGroup | None = None
) -> ShardRecord:
    """Films the rows of the shard's plan, and counts every one of them.

    With `on_group` one group is filmed at a time, so that it is known which.
    """
    plan, recipe = assignment.shard, assignment.recipe
    one_by_one = on_group is not None
    if on_group is None and assignment.watched:
        on_group = _ended_after(recipe.limits.seconds)
    folder = assignment.plan_folder()
    rows = read_arrivals(plan.part, plan.start, plan.stop, recipe.source, folder, assignment.columns)
    groups = _told(in_groups(rows, recipe.shot.edit.stills), assignment.lost, on_group)
    with assignment.writer(on_row) as writer:
        filmed = film_groups(groups, recipe, assignment.device, on_group=on_group, one_by_one=one_by_one)
        for outcome in in_order(filmed):
            if isinstance(outcome, Clip):
                writer.add(outcome)
            else:
                writer.reject(*outcome)
        return writer.finish()


def _told(
    groups: Iterable[tuple[int, Sequence[Sample | Rejected]]],
    lost: Mapping[int, Fault],
    on_group: OnGroup | None,
) -> Iterator[tuple[int, Sequence[Sample | Rejected]]]:
    """The groups, those that are `lost` as rejections; `on_group` hears which is being filmed."""
    for number, group in groups:
        if number in lost:
            group = [Rejected.of(row, lost[number]) if isinstance(row, Sample) else row for row in group]
        if on_group is not None:
            on_group(number)
        yield number, group
        if on_group is not None:
            on_group(None)


def _ended_after(seconds: float) -> OnGroup:
    """Ends the process when it is at one group for so long, even in native code that never returns."""

    def watch(group: int | None) -> None:
        if group is None:
            faulthandler.cancel_dump_traceback_later()
        else:
            faulthandler.dump_traceback_later(seconds, exit=True, file=_nowhere())

    return watch


@functools.cache
def _nowhere() -> int:
    """A file that keeps nothing: with care the shard is made again, and then it is said where it was."""
    return os.open(os.devnull, os.O_WRONLY)


def film_groups(
    groups: Iterable[tuple[int, Sequence[Sample | Rejected]]],
    recipe: BuildRecipe,
    device: str = "cpu",
    *,
    on_group: OnGroup | None = None,
    one_by_one: bool = False,
) -> Iterator[tuple[int, Outcome]]:
    """Every take of every row of every montage group (of one row, without montage), as the groups come.

    They are filmed in batches, unless they are wanted `one_by_one`; `on_group` hears the last group of each.
    Each has its place, as if the groups had come in order.
    """
    for batch in _batches(groups, recipe, device, one_by_one=one_by_one):
        if on_group is not None:
            on_group(batch[-1].group)
        clips = iter(
            film_together([one.take for one in batch if isinstance(one.take, Setup)], recipe, device)
        )
        if on_group is not None:
            on_group(None)
        for one in batch:
            if isinstance(one.take, Setup):
                clip = next(clips)
                yield one.place, clip if isinstance(clip, Clip) else (one.take.take, clip)
            else:
                yield one.place, one.take


class _Placed(NamedTuple):
    """A take to film, or one that is rejected already, of a `group`, and its `place` among all."""

    group: int
    place: int
    take: Setup | tuple[Take, Rejected]


def _batches(
    groups: Iterable[tuple[int, Sequence[Sample | Rejected]]],
    recipe: BuildRecipe,
    device: str,
    *,
    one_by_one: bool,
) -> Iterator[list[_Placed]]:
    """The takes of all groups in batches, none of them empty."""
    most = 1 if one_by_one else BATCH
    takes = recipe.takes * recipe.shot.edit.stills
    batch, pixels = list[_Placed](), 0
    for number, group in groups:
        for place, take in enumerate(_setups(group, recipe), number * takes):
            batch.append(_Placed(number, place, take))
            if isinstance(take, Setup) and device == "cpu":
                pixels += sum(math.prod(still.size) for still in take.stills)
            if len(batch) >= most or pixels >= CPU_BATCH_PIXELS:
                yield batch
                batch, pixels = [], 0
    if batch:
        yield batch


def _setups(
    group: Sequence[Sample | Rejected], recipe: BuildRecipe
) -> Iterator[Setup | tuple[Take, Rejected]]:
    """The takes of a montage group. A row's montage begins with its own still and goes on through the
    group's others, around."""
    opened: list[tuple[Sample, Still] | Rejected] = [_open(row, recipe) for row in group]
    for i, entry in enumerate(opened):
        key = entry.key if isinstance(entry, Rejected) else entry[0].key
        for index in range(recipe.takes):
            take = Take(source_key=key, index=index)
            if isinstance(entry, Rejected):
                yield take, entry
                continue
            scenes = [other for other in (*opened[i:], *opened[:i]) if not isinstance(other, Rejected)]
            yield Setup(samples=tuple(s for s, _ in scenes), stills=tuple(s for _, s in scenes), take=take)


def _open(row: Sample | Rejected, recipe: BuildRecipe) -> tuple[Sample, Still] | Rejected:
    if isinstance(row, Rejected):
        return row
    try:
        still = Still(row.image, recipe.source)
        if recipe.shot.edit.stills > 1:
            # The other clips of the group lean on this still: it must be known to decode before they do.
            still.pixels(0)
    except UndecodableImage as error:
        return Rejected.of(row, error.fault)
    return row, still
