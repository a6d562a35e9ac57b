"""Peak memory of a build over corpora of growing length, and what the virtual format costs beside copying.

Each build is a process of its own with `--workers 0`, so that its peak is one worker's: 200, 2,000 and 20,000
samples (the photographs over again). Virtual shards are measured in bytes against the corpus, and in clips a
second against a loop that reads, hashes and writes the same bytes to a tar.

    python benchmarks/memory.py --photos FOLDER [--quick]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.shard import Assignment, build_shard
from animate.shards.plan import cut
from animate.sources import open_source
from benchmarks import measure
from benchmarks.corpus import lay_out, recipe_for
from benchmarks.measure import Spread
from benchmarks.peers import floor

#: Small frames: memory is about the number of samples, and 20,000 of them should take minutes, not an hour.
_SMALL = {
    "frames": ("video.format=frames", "video.size=64", "video.num_frames=4"),
    "virtual": ("video.format=virtual",),
}

_BUILD = """
import json, resource, sys
from animate.build import build_shards
from animate.recipe import read_recipe
recipe = read_recipe(None, json.loads(sys.argv[1]))
report = build_shards(recipe, sys.argv[2], workers=0)
assert report.complete and report.clips == int(sys.argv[3]), report
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    options = measure.arguments(__doc__)
    photographs = measure.photographs(options.photos, 200)
    numbers = (200, 2000) if options.quick else (200, 2000, 20000)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        peaks = {
            format: {number: _peak_megabytes(photographs, number, format, folder) for number in numbers}
            for format in _SMALL
        }
        virtual = _virtual(photographs, folder, rounds=3 if options.quick else 7)
    growth = {format: peak[numbers[-1]] / peak[numbers[0]] for format, peak in peaks.items()}
    measure.table(
        "Peak memory of a worker, MB",
        ("format", *(f"{number:,} samples" for number in numbers), "growth"),
        [(format, *peak.values(), growth[format]) for format, peak in peaks.items()],
    )
    rates = virtual["clips_per_second"]
    measure.table(
        "Virtual shards beside a copy loop, clips a second",
        ("case", "clips/s"),
        [(name, spread) for name, spread in rates.items()],
    )
    targets = [
        measure.target(
            f"{format}: peak memory at {numbers[-1]:,} samples over 200", value, 1.25, at_most=True
        )
        for format, value in growth.items()
    ]
    targets.append(
        measure.target("virtual: bytes over the corpus", virtual["bytes_ratio"], 1.1, at_most=True)
    )
    measure.print_targets(targets)
    measure.write(
        options.results,
        "memory",
        {
            **measure.machine(),
            "peak_megabytes": peaks,
            "virtual_bytes_over_corpus": round(virtual["bytes_ratio"], 4),
            "virtual_clips_per_second": {name: spread.to_json() for name, spread in rates.items()},
            "targets": targets,
        },
    )


def _peak_megabytes(photographs: Sequence[Path], number: int, format: str, folder: Path) -> float:
    corpus, out = folder / "listing.jsonl", folder / "peak"
    with corpus.open("w", encoding="utf-8") as file:
        for i in range(number):
            row = {
                "image": str(photographs[i % len(photographs)].resolve()),
                "caption": f"Photograph {i}.",
                "key": f"{i:09d}",
            }
            file.write(json.dumps(row) + "\n")
    overrides = (
        'source.name="table"', f'source.path="{corpus}"', 'source.image_column="image"',
        'source.caption_column="caption"', 'source.key_column="key"', *_SMALL[format],
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(measure.ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", _BUILD, json.dumps(overrides), str(out), str(number)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise SystemExit(f"the build of {number} samples failed:\n{run.stderr}")
    shutil.rmtree(out)
    return round(float(run.stdout.split()[-1]), 1)


def _virtual(photographs: Sequence[Path], folder: Path, rounds: int) -> dict:
    corpus = folder / "photographs"
    files = lay_out(photographs, corpus)
    recipe = recipe_for(corpus, "video.format=virtual")
    out = folder / "virtual"
    listing = out / "_animate"
    listing.mkdir(parents=True)
    frozen = open_source(recipe.source).freeze(listing, len(files))
    [plan] = cut(frozen.parts, len(files))
    assignment = Assignment(shard=plan, recipe=recipe, out=str(out), frozen="", columns=frozen.columns)

    def rate(seconds: float) -> float:
        return len(files) / seconds

    answers = measure.interleaved(
        {
            "build_shard": lambda: rate(measure.seconds_of(lambda: build_shard(assignment))),
            "copy loop": lambda: rate(
                measure.seconds_of(lambda: floor.copy_loop(files, folder / "copy.tar"))
            ),
        },
        rounds,
    )
    tar_bytes = (out / f"{plan.name}.tar").stat().st_size
    return {
        "bytes_ratio": tar_bytes / sum(file.stat().st_size for file in files),
        "clips_per_second": {name: Spread.of(values) for name, values in answers.items()},
    }


if __name__ == "__main__":
    main()
