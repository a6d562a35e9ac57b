"""Whoever leaves the README's path by a step meets one plain sentence before work begins, no traceback."""

import errno
import importlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
from cli.animate.main import main as animate_main
from cli.retrieval.main import main as retrieval_main
from tests.support.corpora import put, refuse_folder, write_images, write_rows

ROOT = Path(__file__).parents[1]
MAIN = {"animate": animate_main, "retrieval": retrieval_main}
#: A command line in a folder with photos/ (two, captioned), a file, a folder `locked` that may not be read, a
#: dangling link `nowhere`, a shard set set/ -> what the message must have.
WRONG = {
    "animate build --out x": "--src",
    "animate build --src demo": "--out",
    "animate build --src demo --out file": "is a file",
    "animate build --src demo --out file/x": "file",
    "animate build --src demo --out /proc/x": "/proc/x",
    "animate build --src demo --out photos": "not empty",
    "animate build --src demo --out no://x": "no",
    "animate build --src nosuch --out x": "nosuch",
    "animate build --src nowhere --out x": "nowhere",
    "animate build --src locked --out x": "locked",
    "animate build --src locked/*.tar --out x": "locked",
    "animate build --src set --out x": "shard set",
    "animate build --src http://example.invalid/page --out x": "http://example.invalid/page",
    "animate build --src http://example.invalid/1.jpg --out x": "http://example.invalid/1.jpg",
    "animate build --src file --out x": "cannot tell what this is",
    "animate build --src empty.csv --out x": "empty.csv",
    "animate build --src binary.csv --out x": "binary.csv",
    "animate export set --out x": "--to",
    "animate export set --to umt": "--out",
    "animate export set --to umtt --out x": "did you mean 'umt'",
    "animate export nosuch --to umt --out x": "holds no shard set",
    "animate export set --to umt --out file": "is a file",
    "animate export set --to umt --out photos": "is not empty",
    "animate export set --to umt --out set": "is the shard set that is read",
    "animate export set --to umt --out s3://bucket/x": "is a URL",
    "animate export set --to umt --out x --split half": "--split",
    "animate export set --to umt --out x --split 0.9,0.2": "sums to 1.1",
    "animate export set --to umt --out x --split nan,0.2": "shares",
    "animate export set --to umt --out x --license cc0": "no column of licences",
    "animate export set --to umt --out x --license ''": "names no licence",
    "animate export set --to umt --out x --license ,": "names no licence",
    "animate export set --to umt --out x --split ''": "--split",
    "animate build --src demo --out x --size abc": "PIXELS or WxH",
    "animate build --src demo --out x --size 223": "even",
    "animate build --src demo --out x --size 0": "16",
    "animate build --src demo --out x --size 64x": "PIXELS or WxH",
    "animate build --src demo --out x --frames 0": "num_frames",
    "animate build --src demo --out x --fps 0": "fps",
    "animate build --src demo --out x --takes 0": "takes",
    "animate build --src demo --out x --limit -1": "limit",
    "animate build --src demo --out x --sample 2": "sample",
    "animate inspect set/00000.tar": "set/00000.tar': is a file; a shard set is a folder",
    "animate build --src demo --out x --format avi": "mp4",
    "animate build --src demo --out x --workers -1": "--workers",
    "animate build --src demo --out x --workers many": "--workers",
    "animate build --src demo --out x --device tpu": "tpu",
    "animate build --src demo --out x --time-limit soon": "soon",
    "animate build --src demo --out x --recipe no.toml": "no.toml",
    "animate build --src demo --out x --recipe file": "file",
    "animate build --src demo --out x --recipe photos": "photos",
    "animate build --src demo --out x --recipe binary.csv": "binary.csv",
    "animate build --src demo --out x --set video.sise=64": "size",
    "animate build --src demo --out x --set size": "table.key=value",
    "animate build --src demo --out x --set takes.a=1": "takes",
    "animate build --src demo --out x --set shot.preset=nosuch": "documentary",
    "animate build --src demo --out x --log no/x.jsonl": "no/x.jsonl",
    "animate build --src demo --out x --log photos": "photos",
    "animate build --src demo --out x --metrics no/x.prom": "no/x.prom",
    "animate build --src demo --out set --limit 1 --size 64 --frames 2": "takes: 2 -> 1",
    "animate bild": "build",
    "animate build --src demo --out x --worker 3": "--workers",
    "animate estimate --src nosuch": "nosuch",
    "animate fetch nosuch --out x": "nosuch",
    "animate fetch urls --out x": "source.path",
    "animate materialize set --out x": "virtual",
    "animate materialize nosuch --out x": "nosuch",
    "animate materialize set --out x --format avi": "mp4",
    "animate status nosuch": "nosuch",
    "animate status file": "file",
    "animate stats nosuch": "nosuch",
    "animate stats set --out no/x.png": "no/x.png",
    "animate stats set --out x.txt": ".png",
    "animate inspect nosuch": "nosuch",
    "animate inspect photos": "no shard set",
    "animate inspect set --out no/x.html": "no/x.html",
    "animate inspect set --out x.png": ".html",
    "animate inspect set --sheet x.gif": ".png",
    "animate inspect set --limit 0": "--limit",
    "animate inspect set --serve --port 70000": "port = 70000",
    "animate verify nosuch": "nosuch",
    "animate verify set --source nosuch": "nosuch",
    "animate sources nosuch": "nosuch",
    "animate preview --size 0": "size",
    "animate preview --size 223": "size",
    "animate preview --size 4000": "--size",
    "animate preview --frames 0": "frames",
    "animate preview --frames 100000": "--frames",
    "animate preview --fps 0": "fps",
    "animate preview --shot nosuch": "documentary",
    "animate preview --out no/x.png": "no/x.png",
    "animate preview --out x.webp": ".gif",
    "animate preview --out photos": "photos",
    "animate preview --out /proc/x.png": "/proc/x.png",
    "animate preview --shards set": "--clip",
    "animate preview --shards nosuch --clip a_0": "nosuch",
    "animate preview --shards set --clip a_0": "a_0",
    "animate preview --shards set --clip astronaut_0 --seed 3": "leave out",
    "animate preview nowhere": "nowhere",
    "animate preview file": "file",
    "animate preview photos": "photos: is a folder",
    "animate preview --source photos": "--shards",
    "animate preview --all --shot pan": "leave out --shot",
    "retrieval train no.toml --device tpu": "tpu",
    "retrieval train no.toml": "no.toml",
    "retrieval train file": "file",
    "retrieval eval nosuch": "nosuch",
    "retrieval index nosuch photos --out x": "nosuch",
    "retrieval index ViT-B-32 nosuch --out x": "nosuch",
    "retrieval search nosuch words": "nosuch",
    "retrieval index ViT-B-32 photos --out x --device tpu": "tpu",
    "retrieval search nosuch words --device tpu": "tpu",
    "retrieval eval nosuch --device tpu": "tpu",
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    write_images(tmp_path / "photos", "a.jpg", "b.jpg")
    put(tmp_path / "locked/a.jpg", b"x")
    put(tmp_path / "file", "no = [toml")
    put(tmp_path / "empty.csv", "")
    put(tmp_path / "binary.csv", b"\xff\xfe\x00\x01\n" * 9)
    (tmp_path / "nowhere").symlink_to("/no/such/thing")
    build_shards(
        read_recipe(None, ["source.limit=1", "takes=2", "video.size=64", "video.num_frames=2"]),
        tmp_path / "set",
        workforce=HERE,
    )
    refuse_folder(monkeypatch, "locked")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(monkeypatch, capsys, line: str) -> tuple[int, str]:
    """Exit code and stderr of a command line, in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    program, *arguments = shlex.split(line)
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as end:
        MAIN[program]()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return int(end.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_is_one_plain_sentence(monkeypatch, capsys, folder, line):
    code, err = ended(monkeypatch, capsys, line)
    assert code == 2, err
    assert "Traceback" not in err
    assert WRONG[line] in " ".join(err.split())
    assert len(err.splitlines()) <= 3, err
    assert not list(folder.glob("x*")), "work had begun"


@pytest.mark.parametrize(
    "line", ["animate build --src demo --out file/x", "retrieval eval nosuch --device tpu"]
)
def test_so_it_is_for_whoever_runs_the_program(folder, line):
    program, *arguments = shlex.split(line)
    call = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.{program}.main import main; main()"
    run = subprocess.run([sys.executable, "-c", call, *arguments], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) <= 3
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl", "captions.parquet", "metadata.csv"])
def test_a_table_of_captions_that_may_not_be_read_is_named(monkeypatch, capsys, folder, name):
    """What is one text or one image of many is a row instead."""
    write_rows(folder / "photos" / name, [{"file_name": "a.jpg", "text": "words"}])
    forbid(monkeypatch, "builtins.open", name)
    forbid(monkeypatch, "pyarrow.parquet.ParquetFile", name)
    code, err = ended(monkeypatch, capsys, "animate build --src photos --out x --workers 0")
    assert (code, len(err.splitlines())) == (2, 1), err
    assert name in err
    assert "Permission denied" in err


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_may_not_be_written_is_named(monkeypatch, capsys, folder, number):
    forbid(monkeypatch, "os.mkdir", "x", number)
    code, err = ended(monkeypatch, capsys, "animate build --src demo --out x --workers 0")
    assert (code, len(err.splitlines())) == (2, 1), err
    assert f"x: {os.strerror(number)}" in err


def forbid(monkeypatch, function: str, name: str, number: int = errno.EACCES) -> None:
    """`function` fails for what has this name, for root too."""
    module, _, attribute = function.rpartition(".")
    allowed = getattr(importlib.import_module(module), attribute)

    def checked(path, *arguments, **options):
        if not isinstance(path, int) and Path(getattr(path, "name", path)).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return allowed(path, *arguments, **options)

    monkeypatch.setattr(function, checked)
