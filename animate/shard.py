"""One piece of a corpus in, one finished shard out: the composition of everything else."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from animate.arrivals import in_groups, in_order
from animate.codec import UndecodableImage
from animate.data import Clip, Rejected, Sample, ShardPlan, ShardRecord, Take
from animate.film import Scene, Still, develop, stage
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.render import render_jobs
from animate.shards.plan import frozen_folder
from animate.shards.write import OnRow, ShardWriter
from animate.sources import read_arrivals

#: Clips that a GPU renders at once; the CPU takes one after the other, which keeps memory small.
GPU_BATCH = 32

#: What became of a take: the clip, or why there is none.
Outcome = Clip | tuple[Take, Rejected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One shard to make, and what a worker anywhere must know for it.

    `out` is the shard set and `frozen` names the frozen files of its plan; its corpus carries `columns`.
    `device` renders: "cpu", or whatever torch takes.
    """

    shard: ShardPlan
    recipe: BuildRecipe
    out: str
    frozen: str
    columns: Columns
    device: str = "cpu"

    def plan_folder(self) -> Path:
        """A local folder with the frozen files of the plan."""
        return frozen_folder(self.out, self.frozen)

    def writer(self, on_row: OnRow | None) -> ShardWriter:
        """An attempt at the shard."""
        return ShardWriter(self.out, self.shard.name, self.columns, on_row=on_row)


def build_shard(assignment: Assignment, on_row: OnRow | None = None) -> ShardRecord:
    """Films the rows of the shard's plan, and counts every one of them."""
    plan, recipe = assignment.shard, assignment.recipe
    folder = assignment.plan_folder()
    rows = read_arrivals(plan.part, plan.start, plan.stop, recipe.source, folder, assignment.columns)
    groups = in_groups(rows, recipe.shot.edit.stills)
    with assignment.writer(on_row) as writer:
        for outcome in in_order(film_groups(groups, recipe, assignment.device)):
            if isinstance(outcome, Clip):
                writer.add(outcome)
            else:
                writer.reject(*outcome)
        return writer.finish()


def film_groups(
    groups: Iterable[tuple[int, Sequence[Sample | Rejected]]], recipe: BuildRecipe, device: str = "cpu"
) -> Iterator[tuple[int, Outcome]]:
    """Every take of every row of every montage group (of one row, without montage), as the groups come.

    Each has its place, as if the groups had come in order.
    """
    takes = recipe.takes * recipe.shot.edit.stills
    staged = (
        (place, scene)
        for number, group in groups
        for place, scene in enumerate(_stage_group(group, recipe), number * takes)
    )
    while batch := list(itertools.islice(staged, 1 if device == "cpu" else GPU_BATCH)):
        jobs = [scene.job for _, scene in batch if isinstance(scene, Scene) and scene.job]
        frames = iter(render_jobs(jobs, recipe.video, device))
        for place, scene in batch:
            if isinstance(scene, Scene):
                yield place, develop(scene, next(frames) if scene.job else None, recipe)
            else:
                yield place, scene


def _stage_group(
    group: Sequence[Sample | Rejected], recipe: BuildRecipe
) -> Iterator[Scene | tuple[Take, Rejected]]:
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
            scene = stage([s for s, _ in scenes], [s for _, s in scenes], take, recipe)
            yield scene if isinstance(scene, Scene) else (take, scene)


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
