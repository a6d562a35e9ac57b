"""Builds into an S3 store that fails, is slow, refuses, is shared, or outlives a build that was killed."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animate import stores
from animate.apart import can_be_apart
from animate.build import build_shards
from animate.data import ShardRecord
from animate.executor import HERE, CannotWrite, Workforce
from animate.inspect.catalogue import read_catalogue
from animate.inspect.opened import find_clip, open_set
from animate.recipe import BuildRecipe, SourceRecipe, read_recipe
from animate.shard import build_shard
from animate.shards.lease import locked
from animate.shards.place import LEASE, BuildRefused, Place
from animate.shards.status import status
from animate.shards.verify import repair, verify
from animate.stores import NO_ANSWER
from tests.animate.test_careful import DECODER, photograph_that, until
from tests.support.corpora import PHOTOGRAPH, write_members
from tests.support.object_store import BUCKET, SECRET, Store, object_store
from tests.support.shard_sets import all_files

MEMBERS = ((".jpg", PHOTOGRAPH), (".txt", b"a photograph"))
OUT = f"s3://{BUCKET}/set"


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setattr(stores, "FIRST_WAIT", 0.001)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with object_store(monkeypatch) as store:
        yield store


@pytest.fixture
def recipe(tmp_path) -> BuildRecipe:
    """Seven photographs in two shards."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(7):
        (folder / f"{i}.jpg").write_bytes(PHOTOGRAPH)
        (folder / f"{i}.txt").write_text(f"photograph {i}")
    source = ["source.name='folder'", f"source.path={json.dumps(str(folder))}"]
    small = ["video.format='frames'", "video.size=32", "video.num_frames=2", "shards.clips_per_shard=4"]
    return read_recipe(None, [*source, *small])


def files(store: Store) -> dict[str, bytes]:
    prefix = f"{BUCKET}/set/"
    stored = store.filesystem()
    return {name.removeprefix(prefix): stored.cat_file(name) for name in stored.find(prefix)}


def command(recipe: BuildRecipe, out: str = OUT) -> subprocess.CompletedProcess[str]:
    """`animate build` of the recipe in a process of its own."""
    return subprocess.run(
        command_line(recipe, out), capture_output=True, text=True, timeout=120, env=environment()
    )


def command_line(recipe: BuildRecipe, out: str = OUT) -> list[str]:
    return [
        *(sys.executable, "-c", "from cli.animate.main import main; main()", "build", "--workers", "0"),
        *("--src", recipe.source.path, "--out", out, "--format", "frames", "--size", "32"),
        *("--frames", "2", "--set", "shards.clips_per_shard=4"),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[3]}:{os.environ.get('PYTHONPATH', '')}"}


def test_a_store_holds_what_a_folder_does(store, recipe, tmp_path):
    build_shards(recipe, tmp_path / "shards", workforce=HERE)
    assert build_shards(recipe, OUT, workforce=HERE).complete
    assert files(store) == all_files(tmp_path / "shards")
    assert verify(OUT) == []
    assert build_shards(recipe, OUT, workforce=HERE).shards_made == 0


def test_markers_are_asked_for_many_at_once(store, recipe):
    """One after the other, those of 100,000 shards take an hour from a store that is not next door."""
    assert build_shards(recipe, OUT, workforce=HERE).complete
    store.seconds, store.most_at_once = 0.2, 0
    names = [name for name in store.held() if name.endswith("_stats.json")]
    assert len(names) > 1
    assert build_shards(recipe, OUT, workforce=HERE).shards_made == 0
    assert store.most_at_once == len(names)


@pytest.mark.parametrize("failure", [503, 500, "cut"])
def test_a_store_that_fails_and_is_slow_gets_the_same_files(store, recipe, tmp_path, failure):
    build_shards(recipe, tmp_path / "shards", workforce=HERE)
    store.seconds = 0.02
    store.fails_first(3, failure)  # of each method: before anything is there
    assert build_shards(recipe, OUT, workforce=HERE).complete
    assert store.counts["PUT"] > 3 and store.counts["GET"] > 3 and store.counts["HEAD"] > 3
    store.recovers()
    assert files(store) == all_files(tmp_path / "shards")
    # Now and then, all the time.
    store.filesystem().rm(f"{BUCKET}/set", recursive=True)
    store.counts.clear()
    store.trouble = lambda method, path, count: failure if count % 5 == 4 else None
    assert build_shards(recipe, OUT, workforce=HERE).complete
    assert verify(OUT) == []
    store.recovers()
    assert files(store) == all_files(tmp_path / "shards")


def test_a_store_that_is_down_for_long_ends_the_command_in_a_sentence(store, recipe):
    store.fails_first(10**9)
    with pytest.raises(stores.StoreUnavailable, match=f"{OUT}: failed {stores.TRIES} times.*Unavailable"):
        build_shards(recipe, OUT, workforce=HERE)


def test_a_refusal_in_the_midst_stops_the_build_at_once(store, recipe):
    begun = []

    def refused_after_first(assignment, *report) -> ShardRecord:
        begun.append(assignment.shard.name)
        if len(begun) == 2:
            store.trouble = lambda method, path, count: 403 if method == "PUT" else None
        return build_shard(assignment, *report)

    with pytest.raises(CannotWrite, match=rf"^{OUT}/_tmp/00001-\w+: AccessDenied for you: the same command"):
        build_shards(recipe, OUT, workforce=HERE, make_shard=refused_after_first)
    assert begun == ["00000", "00001"]
    store.recovers()
    assert build_shards(recipe, OUT, workforce=HERE).shards_made == 1


def test_a_refusal_stops_a_build_that_is_careful(store, recipe):
    Place.at(OUT).write_text("_animate/x", "")  # a set, by the look of it
    Place.at(OUT).write_text("_tmp/00000-abcd", "")
    store.trouble = lambda method, path, count: 403 if path.endswith("00000.tar") else None
    with pytest.raises(CannotWrite, match=f"^{OUT}/00000.tar: AccessDenied for you: the same command"):
        build_shards(recipe, OUT, workforce=HERE)


def test_a_refusal_on_a_worker_stops_the_build(store, recipe):
    store.trouble = lambda method, path, count: 403 if path.endswith(".tar") else None
    with pytest.raises(CannotWrite, match=f"^{OUT}/0000[01].tar: AccessDenied for you: the same command"):
        build_shards(recipe, OUT, workforce=Workforce(workers=2))


@pytest.mark.parametrize("failure", [None, 503, "cut"])
def test_a_corpus_in_a_store_that_fails_is_read_whole(store, recipe, tmp_path, failure):
    """Tars that are read from front to back, with their parquets beside them."""
    stored = store.filesystem()
    for name, keys in (("00000", "abcd"), ("00001", "efg")):
        members = [(f"{key}{end}", content) for key in keys for end, content in MEMBERS]
        write_members(tmp_path / f"{name}.tar", members)
        pq.write_table(
            pa.table({"key": list(keys), "from": [name] * len(keys)}), tmp_path / f"{name}.parquet"
        )
        for path in tmp_path.glob(f"{name}.*"):
            stored.put_file(str(path), f"{BUCKET}/corpus/{path.name}")
    source = SourceRecipe(name="webdataset", path=f"s3://{BUCKET}/corpus/{{00000..00001}}.tar")
    streamed = dataclasses.replace(recipe, source=source)
    store.trouble = lambda method, path, count: failure if count % 5 == 4 and "corpus" in path else None
    report = build_shards(streamed, tmp_path / "again", workforce=HERE)
    assert (report.clips, report.rejected) == (7, {})
    assert set(pq.read_table(tmp_path / "again/00001.parquet")["from"].to_pylist()) == {"00001"}
    store.trouble = lambda method, path, count: 503 if "00001.tar" in path and method == "GET" else None
    report = build_shards(streamed, tmp_path / "third", workforce=HERE)
    assert (report.clips, report.complete) == (4, False)  # no tar that is only out of reach becomes a row
    assert "00001.tar: failed 8 times" in report.failures[0].message


@pytest.mark.parametrize("out", ["s3://no-such-bucket/set", OUT])
def test_a_refusal_is_one_sentence_and_code_2(store, recipe, out):
    store.trouble = lambda method, path, count: 403 if "/set" in path and out == OUT else None
    run = command(recipe, out)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"animate: {out}")
    assert ("Forbidden" if out == OUT else "The specified bucket does not exist") in line
    assert SECRET not in run.stdout + run.stderr


def test_a_second_build_meanwhile_is_one_sentence_and_code_2(store, recipe):
    with locked(Place.at(OUT)):
        run = command(recipe)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert "another build is writing there (host " in line and f"process {os.getpid()}" in line
    assert store.held() == set()


def test_what_is_being_made_is_seen_and_gone_afterwards(store, recipe):
    seen = []

    def look(assignment, *report) -> ShardRecord:
        with assignment.writer(None):
            seen.append((status(OUT).in_hand, Place.at(OUT).read_json(LEASE)["pid"]))
        return build_shard(assignment, *report)

    build_shards(recipe, OUT, workforce=HERE, make_shard=look)
    assert seen == [(1, os.getpid()), (1, os.getpid())]
    assert not [key for key in store.held() if "_tmp" in key or key == f"set/{LEASE}"]


@pytest.fixture
def decoder(tmp_path, monkeypatch) -> None:
    """Programs that are called have a decoder that does what photographs say."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(DECODER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))


@pytest.mark.skipif(not can_be_apart("cpu"), reason="only on Linux")
def test_a_sample_that_crashes_is_one_row_and_leaves_nothing(store, recipe, tmp_path, monkeypatch, decoder):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    Path(recipe.source.path, "2.jpg").write_bytes(photograph_that("crash"))
    run = command(recipe)
    assert run.returncode == 0, run.stderr
    counts = status(OUT)
    assert (counts.complete, counts.clips, counts.rejected) == (True, 6, {"crashed": 1})
    assert verify(OUT) == []
    assert not [key for key in store.held() if "_tmp" in key or key == f"set/{LEASE}"]
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.skipif(not can_be_apart("cpu"), reason="only on Linux")
def test_after_a_kill_the_next_run_is_careful(store, recipe, tmp_path, monkeypatch, decoder):
    stuck = tmp_path / "stuck"
    monkeypatch.setenv("STUCK", str(stuck))
    Path(recipe.source.path, "2.jpg").write_bytes(photograph_that("stick"))
    with subprocess.Popen(command_line(recipe), env=environment(), stderr=subprocess.DEVNULL) as build:
        until(lambda: stuck.exists() and stuck.read_text())
        build.kill()
    keys = store.held()
    assert [key for key in keys if key.startswith("set/_tmp/00000-")] and f"set/{LEASE}" in keys
    Path(recipe.source.path, "2.jpg").write_bytes(photograph_that("crash"))
    report = build_shards(recipe, OUT, workforce=HERE)
    assert report.complete
    assert (report.clips, report.rejected) == (6, {"crashed": 1})
    assert not [key for key in store.held() if "_tmp" in key or key == f"set/{LEASE}"]
    assert verify(OUT) == []


def test_overwriting_keeps_the_lease(store, recipe, monkeypatch):
    build_shards(recipe, OUT, workforce=HERE)
    held = []

    def look(assignment, *report) -> ShardRecord:
        held.append(Place.at(OUT).read_json(LEASE)["pid"])
        return build_shard(assignment, *report)

    assert build_shards(recipe, OUT, workforce=HERE, overwrite=True, make_shard=look).shards_made == 2
    assert held == [os.getpid()] * 2


def test_a_corpus_in_a_store_that_was_replaced_in_between_is_refused(store, recipe, tmp_path):
    stored = store.filesystem()
    for name in ("00000", "00001"):
        write_members(tmp_path / f"{name}.tar", [(f"{name}{end}", content) for end, content in MEMBERS])
        stored.put_file(str(tmp_path / f"{name}.tar"), f"{BUCKET}/corpus/{name}.tar")
    source = SourceRecipe(name="webdataset", path=f"s3://{BUCKET}/corpus/{{00000..00001}}.tar")
    streamed, out = dataclasses.replace(recipe, source=source), tmp_path / "out"
    assert build_shards(streamed, out, workforce=HERE).complete
    assert build_shards(streamed, out, workforce=HERE).complete
    content = (tmp_path / "00001.tar").read_bytes()
    stored.pipe_file(f"{BUCKET}/corpus/00001.tar", bytes(len(content)))
    with pytest.raises(BuildRefused, match=r"s3://bucket/corpus/00001\.tar has another content of the same"):
        build_shards(streamed, out, workforce=HERE)
    stored.pipe_file(f"{BUCKET}/corpus/00001.tar", b"short")
    with pytest.raises(BuildRefused, match=r"00001\.tar has 5 bytes, and had [\d,]+"):
        build_shards(streamed, out, workforce=HERE)


FILES = (
    *("_animate/plan.json", "_animate/manifest.json", "_animate/card.md", "_animate/listing.parquet"),
    *("00001_stats.json", "00001.tar", "00001.parquet"),
)


@pytest.mark.parametrize("failure", [503, 403])
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_the_store_does_not_give_is_no_damaged_one(store, recipe, file, failure):
    """`--repair` deleted sound shards, and a build told to start afresh, for a store that was down."""
    assert build_shards(recipe, OUT, workforce=HERE).complete
    before = store.held()
    store.trouble = lambda method, path, count: failure if path.endswith(file) and method == "GET" else None
    for look in (verify, repair):
        with pytest.raises(NO_ANSWER, match=re.escape(file)):
            look(OUT)
    assert store.held() == before
    store.recovers()
    assert verify(OUT) == []


@pytest.mark.parametrize("file", ["_animate/plan.json", "00001_stats.json"])
def test_a_build_that_goes_on_does_not_take_silence_for_damage(store, recipe, file):
    assert build_shards(recipe, OUT, workforce=HERE).complete
    store.trouble = lambda method, path, count: 503 if path.endswith(file) and method == "GET" else None
    with pytest.raises(NO_ANSWER, match="goes on once the store answers"):
        build_shards(recipe, OUT, workforce=HERE)
    with pytest.raises(NO_ANSWER):
        open_set(OUT) if file.endswith("plan.json") else status(OUT)


@pytest.mark.parametrize("file", ["00000.tar", "00000.parquet"])
def test_nor_does_inspect(store, recipe, file):
    assert build_shards(recipe, OUT, workforce=HERE).complete
    store.trouble = lambda method, path, count: 503 if path.endswith(file) and method == "GET" else None
    with pytest.raises(NO_ANSWER):
        read_catalogue(open_set(OUT))
    with pytest.raises(NO_ANSWER):
        find_clip(open_set(OUT), "0_0")
