"""Samples that end the process that films them: they alone are lost, on workers and without."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from animate.apart import can_be_apart
from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.recipe import BuildRecipe, read_recipe
from animate.shards.verify import verify
from tests.support.corpora import PHOTOGRAPH
from tests.support.shard_sets import all_files

ROWS = 7
#: A decoder that does what the comment of a JPEG says, in every Python that has this on its path.
DECODER = """
import ctypes, os, signal, simplejpeg, time

decode = simplejpeg.decode_jpeg

def do(data, *args, **options):
    if b"do: crash" in data[:200]:
        os.write(2, b"a native crash")
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"do: hang" in data[:200]:
        while True:
            pass
    if b"do: stick" in data[:200]:  # in native code that no signal gets it out of
        open(os.environ["STUCK"], "w").write(str(os.getpid()))
        mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
        lock(mutex), lock(mutex)
    if b"do: nap" in data[:200]:
        open(os.environ["STUCK"], "w").write(str(os.getpid()))
        time.sleep(1.5)
    if b"do: eat" in data[:200]:
        kept = []
        while True:
            kept.append(bytearray(50_000_000))
    return decode(data, *args, **options)

simplejpeg.decode_jpeg = do
"""


def photograph_that(does: str) -> bytes:
    comment = f"do: {does}".encode()
    return PHOTOGRAPH[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + PHOTOGRAPH[2:]


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Path:
    """Seven photographs with captions, and a decoder that obeys them."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(DECODER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(ROWS):
        (folder / f"{i}.jpg").write_bytes(PHOTOGRAPH)
        (folder / f"{i}.txt").write_text(f"photograph {i}")
    return folder


def recipe_of(corpus: Path, *settings: str) -> BuildRecipe:
    return read_recipe(
        None,
        [
            "source.name='folder'",
            f"source.path={json.dumps(str(corpus))}",
            "video.format='frames'",
            "video.size=32",
            "video.num_frames=2",
            "shards.clips_per_shard=4",
            *settings,
        ],
    )


def rows(out: Path) -> dict[str, tuple[str, str]]:
    """Status and message by key, of all shards."""
    tables = [pq.read_table(path).to_pylist() for path in sorted(out.glob("*.parquet"))]
    return {row["source_key"]: (row["status"], row["error_message"]) for rows in tables for row in rows}


def command(recipe: BuildRecipe, corpus: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """`animate build` in a process of its own, which may die."""
    return subprocess.run(
        command_line(recipe, corpus, out), capture_output=True, text=True, timeout=120, env=environment()
    )


def command_line(recipe: BuildRecipe, corpus: Path, out: Path) -> list[str]:
    return [
        *(sys.executable, "-c", "from cli.animate.main import main; main()", "build", "--workers", "0"),
        *("--src", str(corpus), "--out", str(out), "--format", "frames", "--size", "32", "--frames", "2"),
        *("--set", "shards.clips_per_shard=4", "--set", f"limits.seconds={recipe.limits.seconds}"),
        *("--set", f"limits.memory_mb={recipe.limits.memory_mb}"),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}:{os.environ['PYTHONPATH']}"}


@pytest.mark.parametrize(
    ("does", "status", "said"),
    [
        ("crash", "crashed", "a native crash"),
        ("hang", "took_too_long", "limits.seconds = 2"),
    ],
)
def test_on_workers_the_sample_that_ends_them_is_one_row(corpus, tmp_path, does, status, said):
    recipe = recipe_of(corpus, "limits.seconds=2", "limits.memory_mb=600")
    whole, out = tmp_path / "whole", tmp_path / "out"
    build_shards(recipe, whole, workforce=HERE)
    (corpus / "2.jpg").write_bytes(photograph_that(does))
    report = build_shards(recipe, out, workforce=Workforce(workers=2))
    assert report.complete
    assert (report.inputs, report.clips, report.rejected) == (ROWS, ROWS - 1, {status: 1})
    assert verify(str(out)) == []
    found = rows(out)
    assert found["2"][0] == status
    assert said in found["2"][1]
    assert (out / "00001.tar").read_bytes() == (whole / "00001.tar").read_bytes()


@pytest.mark.parametrize(
    ("does", "status", "said"),
    [("crash", "crashed", "was ended by SIGSEGV"), ("hang", "took_too_long", "ended with 1")],
)
def test_without_workers_it_is_one_row_too(corpus, tmp_path, does, status, said):
    for name in ("2.jpg", "3.jpg"):
        (corpus / name).write_bytes(photograph_that(does))
    recipe, out = recipe_of(corpus, "limits.seconds=2"), tmp_path / "out"
    run = command(recipe, corpus, out)
    assert run.returncode == 0, run.stderr
    assert f"shard 00000, attempt 1: ChildLost: its process {said}" in run.stderr
    assert "Traceback" not in run.stderr and "Thread 0x" not in run.stderr
    assert [found for found, _ in rows(out).values()] == [
        "success", "success", status, status, "success", "success", "success"
    ]  # fmt: skip
    assert verify(str(out)) == []


@pytest.mark.parametrize("does", ["hang", "eat"])
def test_a_shard_that_was_cut_off_is_held_to_the_limits(corpus, tmp_path, does):
    (corpus / "5.jpg").write_bytes(photograph_that(does))
    recipe, out = recipe_of(corpus, "limits.seconds=2", "limits.memory_mb=600"), tmp_path / "out"
    (out / "_animate").mkdir(parents=True)
    (out / "_tmp" / "00001-abcd").mkdir(parents=True)
    report = build_shards(recipe, out, workforce=HERE)
    assert report.rejected == {"took_too_long" if does == "hang" else "took_too_much_memory": 1}
    assert report.clips == ROWS - 1


def test_a_careful_shard_is_the_same_as_any(corpus, tmp_path):
    recipe = recipe_of(corpus, "takes=2", "shot.edit.stills=2", "shot.edit.shots=[1, 1]")
    build_shards(recipe, tmp_path / "plain", workforce=HERE)
    out = tmp_path / "careful"
    (out / "_animate").mkdir(parents=True)
    for name in ("00000-ab", "00001-cd", "00003-ef"):
        (out / "_tmp" / name).mkdir(parents=True)
    build_shards(recipe, out, workforce=HERE)
    assert all_files(tmp_path / "plain") == all_files(out)


def test_limits_are_no_part_of_the_recipe_of_a_set(corpus):
    assert recipe_of(corpus).digest() == recipe_of(corpus, "limits.seconds=5").digest()


@pytest.mark.skipif(not can_be_apart("cpu"), reason="only on Linux")
def test_a_program_that_is_killed_takes_a_process_along_that_is_stuck(corpus, tmp_path, monkeypatch):
    stuck, out = tmp_path / "stuck", tmp_path / "out"
    monkeypatch.setenv("STUCK", str(stuck))
    (corpus / "2.jpg").write_bytes(photograph_that("stick"))
    (out / "_animate").mkdir(parents=True)
    (out / "_tmp" / "00000-abcd").mkdir(parents=True)
    line = command_line(recipe_of(corpus, "limits.seconds=100"), corpus, out)
    with subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL) as build:
        until(lambda: stuck.exists() and stuck.read_text())
        build.kill()
    process = int(stuck.read_text())
    try:
        until(lambda: not Path(f"/proc/{process}").exists())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(not can_be_apart("cpu"), reason="only on Linux")
def test_time_for_which_a_program_is_stopped_is_on_no_samples_account(corpus, tmp_path, monkeypatch):
    stuck, out = tmp_path / "stuck", tmp_path / "out"
    monkeypatch.setenv("STUCK", str(stuck))
    (corpus / "2.jpg").write_bytes(photograph_that("nap"))
    (out / "_animate").mkdir(parents=True)
    (out / "_tmp" / "00000-abcd").mkdir(parents=True)
    line = command_line(recipe_of(corpus, "limits.seconds=3"), corpus, out)
    with subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL) as build:
        until(lambda: stuck.exists() and stuck.read_text())
        parent = int(Path(f"/proc/{stuck.read_text()}/stat").read_text().rpartition(") ")[2].split()[1])
        os.kill(parent, signal.SIGSTOP)
        time.sleep(4)
        os.kill(parent, signal.SIGCONT)
        assert build.wait(timeout=60) == 0
    assert {status for status, _ in rows(out).values()} == {"success"}


#: A disk that is full when a shard is written to it.
FULL_DISK = """
import builtins, errno, os

before = builtins.open

def full(file, *arguments, **options):
    if str(file).endswith("00000.tar"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
    return before(file, *arguments, **options)

builtins.open = full
"""


def test_a_full_disk_ends_the_build_at_once_also_where_it_is_careful(corpus, tmp_path):
    (tmp_path / "path" / "sitecustomize.py").write_text(FULL_DISK)
    out = tmp_path / "out"
    (out / "_animate").mkdir(parents=True)
    (out / "_tmp" / "00000-abcd").mkdir(parents=True)
    run = command(recipe_of(corpus), corpus, out)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("animate: No space left on device (") and "the same command goes on" in line


def until(true: Callable[[], object]) -> None:
    """Waits for it, a minute at most."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("it never was")
