"""Whole builds from a list of addresses on a local server: every row accounted for, the same after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.hostile_site import OUTCOMES, HostileSite
from tests.support.serving import served

ROOT = Path(__file__).parents[2]
FLICKR = ROOT.parent / "shared" / "data" / "flickr8k-native"
ANIMATE = (sys.executable, "-c", "from cli.animate.main import main; main()")
SMALL = ("--size", "64", "--frames", "2", "--set", "shards.clips_per_shard=16", "--workers", "0")
LIMITS = ("--set", "source.fetch.seconds=1.5", "--set", "source.fetch.retries=0")


def photographs() -> list[Path]:
    folder = FLICKR / "images" if FLICKR.is_dir() else ROOT / "animate" / "demo"
    return sorted(folder.glob("*.jpg"))[:36]


class Photographs(HostileSite):
    """The photographs by number, and all that may go wrong by name."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        if name.isdigit() and int(name) < 400:
            self.answer(200, photographs()[int(name) % len(photographs())].read_bytes())
        else:
            super().do_GET()


@pytest.fixture(scope="module")
def list_file(tmp_path_factory) -> Iterator[Path]:
    names = [str(i) for i in range(36)]
    for i, name in enumerate(OUTCOMES):
        names.insert(3 * i, name)
    path = tmp_path_factory.mktemp("list") / "cc3m.tsv"
    with served(Photographs) as address:
        path.write_text("".join(f"caption {i}\t{address}/{name}\n" for i, name in enumerate(names)))
        yield path


def command(list_file: Path, out: Path) -> list[str]:
    urls = ("--src", "cc3m", "--urls", str(list_file), "--allow-private")
    return [*ANIMATE, "build", *urls, "--out", str(out), *SMALL, *LIMITS]


def run(list_file: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(list_file, out), cwd=ROOT, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def reference(list_file, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "shards"
    done = run(list_file, out)
    assert done.returncode == 0, done.stderr
    return out


def test_every_row_of_the_list_is_one_row_of_the_shards(list_file, reference):
    rows = [row for path in sorted(reference.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    lines = list_file.read_text().splitlines()
    assert [row["source_key"] for row in rows] == [f"{i:09d}" for i in range(len(lines))]
    assert [row["url"] for row in rows] == [line.partition("\t")[2] for line in lines]
    # The page instead of an image is downloaded well, and then it is no image.
    expected = {**OUTCOMES, "html": "not_an_image"}
    wanted = Counter(expected.get(url.rpartition("/")[2], "ok") for url in (row["url"] for row in rows))
    wanted["success"] = wanted.pop("ok")
    assert Counter(row["status"] for row in rows) == wanted
    assert all(len(row["sha256"]) == 64 for row in rows if row["status"] == "success")
    totals = json.loads((reference / "_animate/manifest.json").read_text())["totals"]
    assert totals["inputs"] == len(lines)
    assert totals["clips"] == wanted["success"]


def test_a_killed_build_goes_on_to_the_same_shards(list_file, reference, tmp_path):
    out = tmp_path / "shards"
    first = subprocess.Popen(
        command(list_file, out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (out / "00000_stats.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (out / "_animate/manifest.json").exists()
    done = run(list_file, out)
    assert done.returncode == 0, done.stderr
    for path in reference.glob("*.tar"):
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_a_corpus_that_is_not_here_ends_with_2_and_says_what_to_get(tmp_path):
    done = subprocess.run(
        [*ANIMATE, "build", "--src", "cc12m", "--out", str(tmp_path / "s")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "ANIMATE_DATA": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "conceptual-12m" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sources_command_lists_and_explains():
    listed = subprocess.run([*ANIMATE, "sources"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0
    assert "cc3m" in listed.stdout
    explained = subprocess.run(
        [*ANIMATE, "sources", "cc3m"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "40%" in explained.stdout
    unknown = subprocess.run([*ANIMATE, "sources", "x"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert unknown.returncode == 2
