"""What a very long build costs beside the filming: planning, the work around each shard, going on, checking.

Nothing is filmed: a stub gives every row the one clip that was filmed before, so that what is measured is the
work that grows with rows and shards.

    plan        a list of 100 million addresses in LAION's form, cut into 10,000 shards
    shards      100,000 shards of one row: planned, made in this process, gone on with, looked at
    ray         4,000 shards of one row on two workers
    verify      200 photographs filmed as JPEG frames, verified quickly and in full: processor time of each

Every step is a process of its own; its peak memory is that of the process.

    python benchmarks/scale.py --photos FOLDER [--quick] [--steps plan shards ray verify]
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.build import build_shards
from animate.data import Clip, ShardRecord
from animate.executor import HERE, Workforce
from animate.recipe import BuildRecipe, SourceRecipe, read_recipe
from animate.report import BuildReport
from animate.shard import Assignment, film_groups
from animate.shards.place import PLAN
from animate.shards.status import status
from animate.shards.verify import verify
from animate.shards.write import OnRow
from animate.sources import open_source
from animate.sources.demo import DEMO_FOLDER
from animate.sources.listing import Listed, listed_rows
from benchmarks import listing_speed, measure
from benchmarks.corpus import lay_out, recipe_for

ROWS, ROWS_A_SHARD, FILES = 100_000_000, 10_000, 10
SHARDS, SHARDS_ON_RAY = 100_000, 4_000
STEPS = ("plan", "shards", "ray", "verify")

#: The clip of the stub, filmed once a process.
_clips: list[Clip] = []


def stub(assignment: Assignment, on_row: OnRow | None = None) -> ShardRecord:
    """As `animate.shard.build_shard`, with the same clip for every row and no image."""
    shard = assignment.shard
    listing = assignment.plan_folder() / shard.part.path
    with assignment.writer(on_row) as writer:
        for row in listed_rows(listing, shard.start, shard.stop, assignment.columns):
            writer.add(_clip_of(row, assignment.recipe))
        return writer.finish()


def _clip_of(row: Listed, recipe: BuildRecipe) -> Clip:
    if not _clips:
        image = (Path(DEMO_FOLDER) / "coins.jpg").read_bytes()
        [(_, clip)] = film_groups([(0, [row.sample(image)])], recipe)
        assert isinstance(clip, Clip)
        _clips.append(clip)
    [clip] = _clips
    captions = row.captions or ("",)
    record = dataclasses.replace(
        clip.record, key=f"{row.key}_000", source_key=row.key, caption=captions[0], captions=captions
    )
    return dataclasses.replace(clip, record=record, carried={**clip.carried, **row.meta})


def plan(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Minutes to plan, and the peak of this process. The list is one file under ten names."""
    rows = ROWS // FILES // (100 if options.quick else 1)
    listing_speed.make("laion400m", folder / "0.parquet", rows)
    for number in range(1, FILES):
        os.link(folder / "0.parquet", folder / f"{number}.parquet")
    (folder / "plan").mkdir()
    source = open_source(SourceRecipe(name="laion400m", path=str(folder)))
    clock, processor = _timed(lambda: source.freeze(folder / "plan", ROWS_A_SHARD))
    size = sum(path.stat().st_size for path in (folder / "plan").iterdir())
    return {
        "rows": rows * FILES,
        "minutes": round(clock / 60, 2),
        "processor_minutes": round(processor / 60, 2),
        "listing_mb": round(size / 1e6),
    }


def shards(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One row a shard, in this process."""
    number = SHARDS // (100 if options.quick else 1)
    recipe, out = _one_row_a_shard(folder, number), folder / "out"
    told = []

    def build() -> BuildReport:
        return build_shards(recipe, out, HERE, make_shard=stub, on_progress=told.append)

    report, clock, processor = _answered(build)
    assert report.complete and report.clips_made == number
    again, resume, _ = _answered(build)
    assert again.complete and again.shards_made == 0
    looked, status_seconds, _ = _answered(lambda: status(str(out)))
    assert looked is not None
    faults, verify_seconds, _ = _answered(lambda: verify(str(out), quick=True))
    assert faults == []
    return {
        "shards": number,
        "ms_a_shard": round(1e3 * clock / number, 2),
        "processor_ms_a_shard": round(1e3 * processor / number, 2),
        "goes_on_after_seconds": round(resume, 1),
        "status_seconds": round(status_seconds, 1),
        "verify_quick_ms_a_shard": round(1e3 * verify_seconds / number, 2),
        "plan_kb": round((out / PLAN).stat().st_size / 1e3, 1),
    }


def ray(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One row a shard, on two workers of Ray."""
    number = SHARDS_ON_RAY // (10 if options.quick else 1)
    recipe = _one_row_a_shard(folder, number)
    began: list[float] = []

    def on_progress(progress: Any) -> None:
        if progress.shards_finished and not began:
            began.append(time.perf_counter())

    workforce = Workforce(workers=2)
    report = build_shards(recipe, folder / "out", workforce, make_shard=stub, on_progress=on_progress)
    seconds = time.perf_counter() - began[0]
    assert report.complete and report.clips_made == number
    return {"shards": number, "workers": 2, "ms_a_shard_after_the_first": round(1e3 * seconds / number, 2)}


def verified(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Processor seconds of a build, and of both ways to verify it, in this process."""
    photographs = measure.photographs(options.photos, 40 if options.quick else 200)
    recipe = recipe_for(lay_out(photographs, folder / "corpus")[0].parent, 'video.format="frames"')
    out = folder / "out"
    report, _, built = _answered(lambda: build_shards(recipe, out, HERE))
    assert report.clips == len(photographs)
    quick, _, quick_seconds = _answered(lambda: verify(str(out), quick=True))
    full, _, full_seconds = _answered(lambda: verify(str(out)))
    assert quick == full == []
    return {
        "clips": report.clips,
        "build_processor_seconds": round(built, 2),
        "quick_share": round(quick_seconds / built, 3),
        "full_share": round(full_seconds / built, 3),
    }


def _one_row_a_shard(folder: Path, rows: int) -> BuildRecipe:
    listing_speed.make("cc3m", folder / "list.tsv", rows)
    return read_recipe(
        None,
        [
            'source.name="cc3m"',
            f'source.path="{folder / "list.tsv"}"',
            'video.format="virtual"',
            "shards.clips_per_shard=1",
        ],
    )


def _timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor, of all threads of this process."""
    return _answered(function)[1:]


def _answered(function: Callable[[], Any]) -> tuple[Any, float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    answer = function()
    return answer, time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    options = _arguments()
    steps = dict(zip(STEPS, (plan, shards, ray, verified), strict=True))
    if options.step:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            found = steps[options.step](Path(folder), options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({**found, "peak_mb": peak}))
        return
    results = _earlier(options.results)
    for step in options.steps:
        machine = measure.machine()
        command = [sys.executable, __file__, "--step", step, "--photos", str(options.photos)]
        command += ["--quick"] if options.quick else []
        command += ["--scratch", str(options.scratch)] if options.scratch else []
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results[step] = {**json.loads(run.stdout.splitlines()[-1]), "machine": machine}
        print(step, results[step], flush=True)
    targets = _targets(results)
    measure.write(options.results, "scale", {"targets": targets, **results})
    measure.print_targets(targets)


def _earlier(folder: Path) -> dict[str, dict[str, Any]]:
    """Steps that were measured before, each with its own machine, load and commit."""
    path = folder / "scale.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {step: found[step] for step in STEPS if "machine" in found.get(step, {})}


def _targets(results: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = (
        ("minutes to plan 100 million rows in 10,000 shards", "plan", "minutes", 20),
        ("MB of memory that planning takes", "plan", "peak_mb", 1000),
        ("own work a shard of one row, ms, at 100,000 shards", "shards", "ms_a_shard", 5),
        ("seconds to go on where 100,000 shards are finished", "shards", "goes_on_after_seconds", 10),
        ("`verify --quick`, as a share of the build's processor time", "verify", "quick_share", 0.1),
    )
    return [
        measure.target(claim, results[step][name], limit, at_most=True)
        for claim, step, name, limit in wanted
        if step in results
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=Path, default=measure.default_photos())
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, for a first look")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help="where the lists and shards go: 10 GB")
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    options = parser.parse_args()
    if options.scratch:
        options.scratch.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
