"""`retrieval train` as a whole program: films of the demo's stills in, a checkpoint out; how it ends."""

import json
import sys
from pathlib import Path

import pytest

from animate.executor import HERE
from cli.retrieval.main import main

DEMO = Path(__file__).parents[2] / "recipes" / "demo.toml"

#: Small enough for a test; everything else is as the demo has it.
SMALLER = [
    "train.epochs=2",
    "train.batch_size=4",
    "eval.every_epochs=1",
    "train.log_every=1",
    "train.log_to=none",
]


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """A folder with three shard sets of four of the demo's stills."""
    from animate.build import build_shards
    from animate.recipe import BuildRecipe
    from animate.strict_toml import from_table

    folder = tmp_path_factory.mktemp("films")
    for name, seed, takes in (("demo", 0, 2), ("demo-validation", 2, 1), ("demo-held-out", 1, 1)):
        table = {
            "seed": seed,
            "takes": takes,
            "source": {"name": "demo", "limit": 4},
            "video": {"size": 64, "num_frames": 4, "format": "frames"},
        }
        build_shards(from_table(BuildRecipe, table), str(folder / "shards" / name), workforce=HERE)
    return folder


def call(monkeypatch, folder: Path, *arguments: str) -> int:
    """The exit code of `retrieval ARGUMENTS` in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["retrieval", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def overrides(*pairs: str) -> list[str]:
    return [part for pair in (*SMALLER, *pairs) for part in ("--set", pair)]


def test_it_trains_evaluates_selects_and_stores_the_resolved_recipe(films, monkeypatch, capsys, tmp_path):
    assert call(monkeypatch, films, "train", str(DEMO), "--out", str(tmp_path / "run"), *overrides()) == 0
    selected = Path(capsys.readouterr().out.strip())
    info = json.loads((selected / "checkpoint.json").read_text())
    assert info["trained_on"]["name"] == "shards"
    assert info["trained_on"]["left_out"] == {"missing": 0, "broken": 0, "empty": 0}
    assert 0 <= info["metrics"]["mean_R@1"] <= 100
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["train"]["batch_size"] == 4
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    # the same again is refused, and going on has nothing left to do
    assert call(monkeypatch, films, "train", str(DEMO), "--out", str(tmp_path / "run"), *overrides()) == 2
    assert "holds a run already" in capsys.readouterr().err
    again = ["train", str(DEMO), "--out", str(tmp_path / "run"), "--resume", *overrides()]
    assert call(monkeypatch, films, *again) == 0
    assert Path(capsys.readouterr().out.strip()) == selected


def test_tensorboard_gets_the_curves(films, monkeypatch, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = ["train", str(DEMO), "--out", str(tmp_path / "run"), *overrides("train.log_to=tensorboard")]
    assert call(monkeypatch, films, *arguments) == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4]
    assert "eval/mean_R@1" in events.Tags()["scalars"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.shards=['nowhere']", "where to get it"),
        ("train.epoch=1", "unknown key 'epoch' in [train]"),
        ("data.name=kinetics", "must be one of"),
        ("model.random_weights=false", "say random_weights = true"),
        ("frames.size=224", "this encoder takes (64, 64) pixels"),
        ("train.freeze=['tower.*']", "matches no parameter"),
        ("train.batch_size=400", "the training data is smaller"),
        ("model.config.vision_cfg.depth=2", "open_clip builds no model of it"),
        ("model.config.vision_cfg.head_width=7", "open_clip builds no model of it"),
        ("data.shards=['{0..3.tar']", "Unbalanced braces"),
    ],
)
def test_what_cannot_be_meant_ends_with_2_and_a_message(
    films, monkeypatch, capsys, tmp_path, change, message
):
    arguments = ["train", str(DEMO), "--out", str(tmp_path / "run"), *overrides(change)]
    assert call(monkeypatch, films, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("retrieval: ")
    assert not (tmp_path / "run").exists()


def test_a_run_whose_state_is_damaged_is_not_gone_on_from(films, monkeypatch, capsys, tmp_path):
    arguments = ["train", str(DEMO), "--out", str(tmp_path / "run"), *overrides()]
    assert call(monkeypatch, films, *arguments) == 0
    newest = Path(capsys.readouterr().out.strip()).parent / "step_00000004"
    (newest / "training.pt").write_bytes(b"cut off")
    assert call(monkeypatch, films, *arguments, "--resume") == 2
    assert f"{newest / 'training.pt'}: cannot be read" in capsys.readouterr().err


def test_a_run_goes_into_no_file(films, monkeypatch, capsys, tmp_path):
    (tmp_path / "run").write_text("")
    assert call(monkeypatch, films, "train", str(DEMO), "--out", str(tmp_path / "run"), *overrides()) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


def test_a_decoder_that_is_not_there_ends_with_2(films, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("retrieval.video.read._why_no_torchcodec", lambda: "torchcodec is not installed")
    arguments = ["train", str(DEMO), "--out", str(tmp_path / "run"), *overrides("frames.decoder=torchcodec")]
    assert call(monkeypatch, films, *arguments) == 2
    assert "decoder = 'torchcodec': torchcodec is not installed" in capsys.readouterr().err


def test_a_recipe_that_is_not_there_ends_with_2(films, monkeypatch, capsys):
    assert call(monkeypatch, films, "train", "none.toml") == 2
    assert "no such file" in capsys.readouterr().err
