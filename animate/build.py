"""Plan, run, resume, merge: the whole build, from a recipe to a shard set with its manifest.

`build_shards` plans from a corpus. `run_build` makes the shards of any plan, and is all that resuming takes:
what is finished is what the markers say.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from animate.data import ShardPlan, ShardRecord
from animate.executor import AUTOMATIC, Workforce
from animate.journal import OnEvent, unheard
from animate.leeway import check_leeway
from animate.making import MakeShard, Making
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.render import check_device
from animate.report import BuildReport, OnProgress
from animate.shard import build_shard
from animate.shards.examples import rejection_examples
from animate.shards.finished import finished_records
from animate.shards.lease import StillOurs, locked
from animate.shards.origin import check_source, first_change
from animate.shards.place import ATTEMPTS, PLAN, BuildRefused, Place
from animate.shards.plan import Plan, check_ours, cut, open_plan, totals
from animate.shards.retry import plan_again, without_overtaken
from animate.sources import open_source
from animate.stores import shown


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
            share = recipe.source.sample
            none = "holds no samples" if share == 1 else f"holds no samples, or none of a share of {share:g}"
            raise BuildRefused(f"source {recipe.source.name!r} at {recipe.source.path!r}: {none}")
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
        build = Making(
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


def _found_from_anywhere(recipe: BuildRecipe) -> BuildRecipe:
    """The same recipe, with the corpus named so that it is found from any working directory."""
    path = recipe.source.path
    if not path or "://" in path or path.startswith("pipe:"):
        return recipe
    return dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, path=os.path.abspath(path)))
