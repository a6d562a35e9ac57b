"""The whole program, as a user runs it, on the demo corpus and on real photographs where present.

The law: recipe and source decide every byte; where, how often interrupted and in how many pieces decide none.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe

ROOT = Path(__file__).parents[2]
FLICKR = ROOT.parent / "shared" / "data" / "flickr8k-native"
ANIMATE = (sys.executable, "-c", "from cli.animate.main import main; main()")
#: Small clips, many shards: what is tested does not depend on pixels.
SMALL = ("--size", "64", "--frames", "4", "--takes", "2", "--set", "shards.clips_per_shard=6")


def animate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ANIMATE, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


def built(*arguments: str | Path) -> str:
    """Stdout of a build that must succeed."""
    run = animate("build", *arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def clips(folder: Path) -> dict[str, bytes]:
    """Every member of every shard by name."""
    members = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                assert member.name not in members
                members[member.name] = content.read()
    return members


@pytest.fixture(scope="module", params=["demo", "flickr8k-native"])
def source(request) -> tuple[str, ...]:
    if request.param == "demo":
        return ("--src", "demo")
    if not FLICKR.is_dir():
        pytest.skip(f"{FLICKR} is not there")
    return ("--src", str(FLICKR), "--limit", "60")


@pytest.fixture(scope="module")
def reference(source, tmp_path_factory) -> Path:
    """A build in one process and without a break."""
    out = tmp_path_factory.mktemp("reference") / "shards"
    built(*source, *SMALL, "--out", out, "--workers", "0")
    return out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_number_of_workers_changes_no_byte(source, reference, tmp_path, workers):
    built(*source, *SMALL, "--out", tmp_path, "--workers", workers)
    assert all_files(tmp_path) == all_files(reference)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_build_that_was_killed_and_resumed_has_the_same_bytes(source, reference, tmp_path, workers):
    out = tmp_path / "shards"
    arguments = ["build", *source, *SMALL, "--out", str(out), "--workers", workers]
    interrupt(arguments, out, signal.SIGKILL)
    done = {path.name for path in out.glob("*_stats.json")}
    assert not (out / "_animate" / "manifest.json").exists()
    assert done < {path.name for path in reference.glob("*_stats.json")}
    for name in done:  # what is marked as finished is
        tar = name.replace("_stats.json", ".tar")
        assert (out / tar).read_bytes() == (reference / tar).read_bytes()
    built(*source, *SMALL, "--out", out, "--workers", "0")  # also on another number of workers
    assert all_files(out) == all_files(reference)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_stops_it_ends_cleanly_and_leaves_nothing_half_done(tmp_path, how):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, here and in what begins here
    out = tmp_path / "shards"
    arguments = ["build", "--src", "demo", *SMALL, "--out", str(out)]
    arguments += ["--workers", "2" if how == signal.SIGINT else "0"]
    code, err = interrupt(arguments, out, how)
    assert code == 130, err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert not (out / "_tmp").exists()
    stems = {path.name.removesuffix(".tar") for path in out.glob("*.tar")}
    assert {path.name.removesuffix("_stats.json") for path in out.glob("*_stats.json")} == stems


def test_a_second_ctrl_c_ends_it_as_cleanly(tmp_path):
    out = tmp_path / "shards"
    arguments = ["build", "--src", "demo", *SMALL, "--out", str(out), "--workers", "2"]
    code, err = interrupt(arguments, out, signal.SIGINT, signal.SIGINT)
    assert code == 130, err
    assert "Traceback" not in err


@pytest.mark.parametrize("damage", ["a flipped bit", "gone"])
def test_a_damaged_listing_is_named_and_written_anew(tmp_path, damage):
    out, listing = tmp_path / "shards", tmp_path / "shards" / "_animate" / "listing.parquet"
    built("--src", "demo", *SMALL, "--out", out, "--workers", "0")
    whole = all_files(out)
    if damage == "gone":
        listing.unlink()
    else:
        content = bytearray(listing.read_bytes())
        content[len(content) // 3] ^= 4
        listing.write_bytes(content)
    verified = animate("verify", out)
    assert verified.returncode == 1
    assert "_animate/listing.parquet is damaged" in verified.stdout + verified.stderr
    for suffix in (".tar", ".parquet", "_stats.json"):
        (out / f"00001{suffix}").unlink()
    built("--src", "demo", *SMALL, "--out", out, "--workers", "0")
    assert all_files(out) == whole


def test_a_damaged_listing_of_a_corpus_that_changed_is_refused(tmp_path):
    images, out = tmp_path / "images", tmp_path / "shards"
    shutil.copytree(ROOT / "animate" / "demo", images)
    built("--src", images, *SMALL, "--out", out, "--workers", "0")
    (out / "_animate" / "listing.parquet").unlink()
    captions = (images / "captions.jsonl").read_text()
    (images / "captions.jsonl").write_text(captions.replace(" a ", " A ", 1))
    refused = animate("build", "--src", images, *SMALL, "--out", out, "--workers", "0")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def interrupt(arguments: list[str], out: Path, *how: signal.Signals) -> tuple[int, str]:
    """Start a build and stop it behind its first shard, by signals a second apart; exit code and stderr."""
    with subprocess.Popen([*ANIMATE, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        end = time.monotonic() + 60
        while not list(out.glob("*_stats.json")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end, "no shard was finished"
            time.sleep(0.005)
        for number, one in enumerate(how):
            time.sleep(min(number, 1))
            process.send_signal(one)
        return process.wait(timeout=60), process.stderr.read()


def test_the_size_of_the_shards_changes_no_clip(source, reference, tmp_path):
    built(*source, *SMALL, "--set", "shards.clips_per_shard=1000", "--out", tmp_path, "--workers", "0")
    assert len(list(tmp_path.glob("*.tar"))) < len(list(reference.glob("*.tar")))
    assert clips(tmp_path) == clips(reference)


def test_the_same_command_again_does_nothing_and_another_is_refused(source, reference):
    before = all_files(reference)
    assert "Nothing to do" in built(*source, *SMALL, "--out", reference)
    refused = animate("build", *source, *SMALL, "--seed", "1", "--out", reference)
    assert refused.returncode == 2
    assert "recipe.seed: 0 -> 1" in refused.stderr
    assert all_files(reference) == before


def test_what_was_built_passes_verification(reference):
    run = animate("verify", reference)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_an_object_store_gets_the_same_bytes(tmp_path, monkeypatch, format):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settings = ["video.size=64", "video.num_frames=4", "shards.clips_per_shard=8", f"video.format={format}"]
    recipe = read_recipe(None, settings)
    build_shards(recipe, tmp_path / "shards", workforce=HERE)
    assert build_shards(recipe, f"memory://program/{format}", workforce=HERE).complete
    stored = fsspec.filesystem("memory")
    prefix = f"/program/{format}/"
    names = {name.removeprefix(prefix) for name in stored.find(prefix)}
    assert {name: stored.cat(prefix + name) for name in names} == all_files(tmp_path / "shards")


def test_a_build_joins_a_running_cluster(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # Ray's default depends on the user's home folder
    reference, joined = tmp_path / "reference", tmp_path / "joined"
    built("--src", "demo", *SMALL, "--out", reference, "--workers", "0")
    with running_cluster() as address:
        built("--src", "demo", *SMALL, "--out", joined, "--address", address)
    assert all_files(joined) == all_files(reference)


@contextlib.contextmanager
def running_cluster() -> Iterator[str]:
    """The address of a Ray cluster of one machine, which does not know this project's code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2"]
    command += [f"--port={address.split(':')[1]}", "--include-dashboard=false"]
    command += ["--object-store-memory=100000000"]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(
        command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as cluster:
        assert cluster.stdout is not None
        printed = []
        for line in cluster.stdout:
            printed.append(line)
            if "Ray runtime started" in line:
                break
        else:
            raise AssertionError("".join(printed))
        try:
            yield address
        finally:
            cluster.terminate()
            cluster.communicate(timeout=60)
