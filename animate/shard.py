"""One piece of a corpus in, one finished shard out: the composition of everything else."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from animate.codec import UndecodableImage
from animate.data import Clip, Rejected, Sample, ShardPlan, ShardRecord, Take
from animate.film import Scene, Still, develop, reject, stage
from animate.recipe import BuildRecipe
from animate.render import render_jobs
from animate.shards.write import ShardWriter
from animate.sources import read_part

#: Clips that a GPU renders at once; the CPU takes one after the other, which keeps memory small.
GPU_BATCH = 32

#: What became of a take: the clip, or why there is none.
Outcome = Clip | tuple[Take, Rejected]


def build_shard(
    plan: ShardPlan, recipe: BuildRecipe, out: str, plan_folder: str, device: str = "cpu"
) -> ShardRecord:
    """Films the rows of `plan` into shard `plan.name` of `out`, and counts every one of them.

    `plan_folder` holds the frozen listing of the source. `device` is "cpu" or whatever torch takes.
    """
    rows = read_part(plan.part, plan.start, plan.stop, recipe.source, Path(plan_folder))
    groups = _grouped(rows, recipe.shot.edit.stills)
    with ShardWriter(out, plan.name) as writer:
        for outcome in film_groups(groups, recipe, device):
            if isinstance(outcome, Clip):
                writer.add(outcome)
            else:
                writer.reject(*outcome)
        return writer.finish()


def film_groups(
    groups: Iterable[Sequence[Sample | Rejected]], recipe: BuildRecipe, device: str = "cpu"
) -> Iterator[Outcome]:
    """Every take of every row of every montage group (of one row, without montage), in order."""
    staged = (scene for group in groups for scene in _stage_group(group, recipe))
    while batch := list(itertools.islice(staged, 1 if device == "cpu" else GPU_BATCH)):
        jobs = [scene.job for scene in batch if isinstance(scene, Scene) and scene.job]
        frames = iter(render_jobs(jobs, recipe.video, device))
        for scene in batch:
            if isinstance(scene, Scene):
                yield develop(scene, next(frames) if scene.job else None, recipe)
            else:
                yield scene


def _grouped(rows: Iterator[Sample | Rejected], size: int) -> Iterator[list[Sample | Rejected]]:
    while group := list(itertools.islice(rows, size)):
        yield group


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
        return reject(row, error.status, str(error))
    return row, still
