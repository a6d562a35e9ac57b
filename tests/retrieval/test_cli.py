"""eval, check, index and search as a user runs them: what they print and store, and how they end."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.retrieval.main import app, main
from retrieval.checkpoint import read_info
from retrieval.launch import launch
from tests.support.clips import write_clip
from tests.support.commands import retrieval
from tests.support.judged import CONFIG, recipe_of, save_run, write_table


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A run folder and the ten videos that it is judged by, one of them not on disk."""
    folder = tmp_path_factory.mktemp("place")
    table = write_table(folder / "videos", 10, captions=2, missing=(4,))
    data = {"name": "table", "table": str(table), "held_out_table": str(table)}
    save_run(folder / "run", recipe_of(data))
    return folder


def test_eval_prints_a_table_and_stores_result_and_curve(place, tmp_path):
    out = tmp_path / "result.json"
    printed = retrieval(
        "eval", place / "run", "--out", out, "--curve", "2,5,all", "--post", "dual-softmax", "--top-k", "3"
    )
    stored = json.loads(out.read_text())
    assert stored["protocol"]["candidates_re_ranked"] == 3
    assert stored["protocol"]["split"] == "table table.jsonl"
    assert [point["all"] for point in stored["curve"]] == [False, False, True]
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.format == "PNG"
    for line in (
        "20 captions, 10 videos",
        "videos not wholly readable: 1 missing",
        "video to text, best own caption among all captions",
        "video to text, best caption per video among videos",
        "transductive (dual softmax), text to video",
        "oracle recall at K = 3",
    ):
        assert line in printed
    recall = stored["results"]["text_to_video"]["fused"]["expected"]["R@1"]
    assert f"{recall:8.1f}" in printed


def test_eval_of_other_data_keeps_the_models_frames(place, tmp_path):
    other = write_table(tmp_path / "other", 3)
    recipe = tmp_path / "other.toml"
    recipe.write_text(f'[data]\nname = "table"\nheld_out_table = "{other}"\n')
    out = tmp_path / "result.json"
    retrieval("eval", place / "run", "--data", recipe, "--out", out, "--set", "frames.num_frames=2")
    protocol = json.loads(out.read_text())["protocol"]
    assert protocol["num_videos"] == 3
    assert protocol["frames"] == "uniform_segments middle 2, shorter side 32 and centre crop, pyav"


def test_check_counts_and_lists_what_cannot_be_read(place, tmp_path):
    recipe = tmp_path / "recipe.toml"
    config = "".join(f"[model.config.{k}]\n{toml(v)}" for k, v in CONFIG.items() if isinstance(v, dict))
    recipe.write_text(
        '[data]\nname = "table"\n'
        + "".join(
            f'{key} = "{place}/videos/table.jsonl"\n'
            for key in ("table", "validation_table", "held_out_table")
        )
        + f"[model]\nrandom_weights = true\n[model.config]\nembed_dim = 24\n{config}"
        "[frames]\nsize = 32\nnum_frames = 3\n"
    )
    printed = retrieval("check", recipe, "--out", tmp_path / "health.jsonl")
    for part in ("train", "validation", "test"):
        assert f"{part}: 10 videos: 1 missing, 9 ok" in printed
    line, *_ = (tmp_path / "health.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert (found["video"], found["status"], found["usable"]) == ("v4.mp4", "missing", False)


def toml(table: dict[str, int]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in table.items())


def test_index_and_search(place, tmp_path):
    printed = retrieval("index", place / "run", place / "videos", "--out", tmp_path / "gallery")
    assert "9 videos in" in printed
    assert "bytes per video: " in printed
    shown = retrieval("search", tmp_path / "gallery", "a dog catches a frisbee", "--top", "3")
    assert len([line for line in shown.splitlines() if ".mp4" in line]) == 3
    assert "9 videos searched, 9 read by the fine stage" in shown
    found = json.loads(
        retrieval("search", tmp_path / "gallery", "a dog", "--top", "2", "--candidates", "4", "--json")
    )
    assert found["text"] == "a dog"
    assert found["num_read"] == 4
    assert len(found["hits"]) == 2
    assert set(found["hits"][0]) >= {"video_id", "score", "coarse", "fine", "moment", "moment_end"}
    assert found["hits"][0]["score"] >= found["hits"][1]["score"]


def test_a_gallery_is_added_to_and_taken_from(place, tmp_path, capsys):
    videos = write_table(tmp_path / "videos", 3).parent
    index = ("index", place / "run", videos, "--out", tmp_path / "gallery")
    done = CliRunner().invoke(app, [*map(str, index)], catch_exceptions=False)
    assert "not indexed: 1 neither video nor image" in done.stderr
    assert "table.jsonl" in done.stderr
    write_clip(videos / "w.mp4", range(3), Fraction(1, 3))
    assert "4 videos in" in retrieval(*index, "--add")
    assert "3 taken out\n1 videos in" in retrieval(*index, "--remove", "v[12].mp4", "--remove", "w.mp4")
    (videos / "v1.mp4").unlink()
    shown = retrieval(*index, "--add", "--remove-gone")
    assert "3 videos in" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval", "{place}/run", "--data", "msrvtt"), "where to put it: "),
        (("eval", "{place}/run", "--data", "lsmdc"), "must be one of shards, msrvtt, msvd, vatex, table"),
        (("eval", "{place}/run", "--curve", "5,many"), "'many' is neither a number above 0 nor all"),
        (("eval", "{place}/run", "--part", "train"), "must be one of validation, test"),
        (
            (
                "eval",
                "{place}/nowhere",
            ),
            "is not there; give a run folder",
        ),
        (("search", "{place}/nowhere", "a dog"), "no gallery there"),
        (("index", "{place}/run", "{place}/nowhere", "--out", "{place}/gallery"), "no such folder"),
        (("index", "{place}/run", "{place}/videos", "--out", "{place}/none", "--add"), "no gallery there"),
        (
            ("index", "{place}/run", "{place}/videos", "--out", "{place}/none", "--add", "--overwrite"),
            "give either",
        ),
        (("eval", "{place}/run", "--device", "gpu"), "device = 'gpu': "),
        (("eval", "{place}/run", "--device", "cuda:99"), "device = 'cuda:99': "),
        (("eval", "{place}/run", "--out", "{place}"), "is a folder; name a file"),
        (("eval", "{place}/run", "--set", "frames.size=64"), "this encoder takes (32, 32) pixels"),
        (("eval", "{place}/run", "--data", "shards", "--set", "data.held_out=['{{0..3.tar']"), "braces"),
        (("search", "{place}/run", "a dog"), "no gallery there"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_a_message(place, arguments, message, refused):
    assert message in refused(*(argument.format(place=place) for argument in arguments))


@pytest.fixture
def refused(monkeypatch, capsys) -> Callable[..., str]:
    """The message that a command ends with, and nothing else: no traceback, exit code 2."""

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["retrieval", *map(str, arguments)])
        monkeypatch.setattr("signal.signal", lambda number, handler: None)  # the tests' own stay in force
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("retrieval: ")
        return error

    return run


@pytest.fixture(scope="module")
def gallery(place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "gallery"
    retrieval("index", place / "run", place / "videos", "--out", folder)
    return folder


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gallery.json", b"{"),
        ("gallery.json", b"\xff"),
        ("coarse.faiss", None),
        ("coarse.faiss", b"no index"),
        ("videos.parquet", b"no table"),
        ("tokens.bf16", b""),
        ("vectors.f16", b"abc"),
        ("token_starts.npy", b""),
    ],
)
def test_a_damaged_gallery_is_named(gallery, tmp_path, refused, name, content):
    broken = tmp_path / "gallery"
    shutil.copytree(gallery, broken)
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_bytes(content)
    error = refused("search", broken, "a dog")
    assert f"gallery '{broken}': is damaged (" in error and "index the videos again" in error


@pytest.mark.parametrize(
    ("name", "content"),
    [("checkpoint.json", b"{"), ("model.safetensors", b"cut off"), ("model.safetensors", None)],
)
def test_a_damaged_checkpoint_is_named(place, tmp_path, refused, name, content):
    shutil.copytree(place / "run", tmp_path / "run")
    [path] = (tmp_path / "run" / "checkpoints").glob(f"*/{name}")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert f"{path}: cannot be read" in refused("eval", tmp_path / "run")


def test_a_selection_of_what_is_gone_is_named(place, tmp_path, refused):
    shutil.copytree(place / "run", tmp_path / "run")
    (tmp_path / "run" / "selected.json").write_text('{"checkpoint": "step_00000007"}')
    assert "selected step_00000007, which is not there any more" in refused("eval", tmp_path / "run")


def test_fewer_than_one_candidate_is_no_option(place):
    done = CliRunner().invoke(app, ["eval", str(place / "run"), "--top-k", "0"])
    assert done.exit_code == 2
    assert "--top-k" in done.stderr


@pytest.fixture(scope="module")
def selected(tmp_path_factory) -> Path:
    """A run that was selected on the videos of one table, beside another table of other videos."""
    folder = tmp_path_factory.mktemp("selected")
    seen, held_out = (write_table(folder / name, 4) for name in ("seen", "held_out"))
    for i in range(4):  # other pictures, not only other names
        write_clip(folder / "held_out" / f"v{i}.mp4", range(6), Fraction(1, 2), offset=104_729 * (i + 1))
    train_on(folder / "run", table=seen, validation_table=seen, held_out_table=held_out)
    train_on(folder / "same", table=seen, validation_table=seen, held_out_table=seen)
    return folder


def train_on(out: Path, **data: Path) -> None:
    launch(
        recipe_of(
            {"name": "table", **{key: str(value) for key, value in data.items()}},
            train={"epochs": 1, "batch_size": 4, "log_to": "none"},
            eval={"select_on": "validation", "top_k": 2},
        ),
        out=out, workers=1, device="cpu", resume=False, on_step=lambda report: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "arguments", "looked"),
    [
        ("run", (), False),
        ("run", ("--part", "validation"), True),
        ("run", ("--set", "data.held_out_table={folder}/seen/table.jsonl"), True),
        ("same", (), True),
    ],
    ids=["other videos", "the validation part itself", "its videos as test, later", "one table for both"],
)
def test_a_result_says_whether_selection_looked_at_what_it_judges(selected, tmp_path, run, arguments, looked):
    out = tmp_path / "result.json"
    said = [argument.format(folder=selected) for argument in arguments]
    printed = retrieval("eval", selected / run, "--out", out, *said)
    assert json.loads(out.read_text())["protocol"]["selection_looked_at_test"] is looked
    assert ("selected by looking at the test part" in printed) is looked


def test_a_run_says_when_its_validation_part_is_its_test_part(selected):
    looked = [json.loads((selected / run / "selected.json").read_text()) for run in ("run", "same")]
    assert [one["looked_at_test"] for one in looked] == [False, True]


def test_a_run_remembers_what_the_one_before_it_was_trained_on(tmp_path):
    table = write_table(tmp_path / "videos", 6)
    data = {"name": "table", "table": str(table)}
    first = save_run(tmp_path / "first", recipe_of(data, eval={"select_on": "test"}), {"name": "msrvtt"})
    recipe = recipe_of(data, train={"epochs": 1, "batch_size": 4, "log_to": "none"})
    recipe = replace(recipe, model=replace(recipe.model, start_from=str(first)))
    run = launch(
        recipe, out=tmp_path / "run", workers=1, device="cpu", resume=False, on_step=lambda report: None
    )
    trained_on = read_info(run)["trained_on"]
    assert trained_on["name"] == "table"
    assert trained_on["before"] == {"name": "msrvtt", "looked_at_test": True}
