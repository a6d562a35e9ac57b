"""The bytes of the demo's shards in all three formats, pinned; where they may differ, by whom and how.

A clip's bytes depend on the recipe, the corpus, the libraries of `animate.build` and, in the last
bit of a pixel, on what the processor offers them. So the sums are kept for each kind of machine; on another
one the test skips and says so. After a change that is meant to change bytes, or on a new kind of machine, add
its sums with

    python -m tests.animate.test_golden_shards
"""

import hashlib
import json
import tempfile
from pathlib import Path

import cv2
import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
from animate.shards.finished import versions

GOLDEN = Path(__file__).parent / "golden" / "demo_shards.json"
FORMATS = ("mp4", "frames", "virtual")
FILES = ("00000.tar", "00000.parquet", "00000_stats.json")


def machine() -> str:
    """Releases that decide bytes, and what OpenCV uses of the processor."""
    releases = {name: release for name, release in versions().items() if name not in ("animate", "python")}
    text = ", ".join(f"{name} {release}" for name, release in sorted(releases.items()))
    return f"{text}; {' '.join(cv2.getCPUFeaturesLine().split())}"


def sums(out: Path, format: str) -> dict[str, str]:
    """The sha256 of each file of a shard of the demo."""
    recipe = read_recipe(None, [f"video.format={format}"])
    assert build_shards(recipe, out, HERE).complete
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in FILES}


@pytest.mark.parametrize("format", FORMATS)
def test_the_demos_shards_have_the_bytes_that_they_had(tmp_path, format):
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")).get(machine())
    if golden is None:
        pytest.skip(f"no sums of this kind of machine: {machine()}")
    assert sums(tmp_path / "shards", format) == golden[format]


def remake() -> None:
    """Writes the sums of this machine into the golden file, beside those of others."""
    known = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        known[machine()] = {format: sums(Path(folder) / format, format) for format in FORMATS}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    remake()
