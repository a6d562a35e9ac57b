"""Towers that do not learn run once for each clip, and the curve is the one without a cache."""

import dataclasses
from pathlib import Path

import pytest
import torch

from retrieval.frozen import frozen_or_afresh
from retrieval.launch import launch
from retrieval.recipe import TrainRecipe
from tests.support import training
from tests.support.judged import recipe_of, write_table
from tests.support.training import build, curve, recipe

FROZEN = {"freeze": ["towers.*"]}
STILL = {"train_position": "middle"}


def cached(folder: Path, train: dict | None = None, frames: dict | None = None, **data: bool) -> TrainRecipe:
    return recipe(
        train=FROZEN if train is None else train,
        frames=STILL if frames is None else frames,
        data={"cache": str(folder), **data},
        model={"pooling": "transformer", "pooling_heads": 2},
    )


def run(of: TrainRecipe, out: Path) -> None:
    """A training run as `launch` sets it up."""
    training.run(of, out, encode_video=frozen_or_afresh(of))


def entries(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("micro_batch", [0, 3])
def test_the_curve_is_the_one_without_a_cache(tmp_path, micro_batch):
    of = cached(tmp_path / "cache", FROZEN | {"micro_batch": micro_batch})
    run(dataclasses.replace(of, data=dataclasses.replace(of.data, cache="")), tmp_path / "plain")
    assert entries(tmp_path / "cache") == 0
    run(of, tmp_path / "filling")
    assert entries(tmp_path / "cache") == 32
    run(of, tmp_path / "reading")
    for name in ("filling", "reading"):
        assert curve(tmp_path / name) == pytest.approx(curve(tmp_path / "plain"), rel=1e-5)


def test_the_towers_run_once_for_each_clip(tmp_path, monkeypatch):
    seen = []
    towers = type(build(recipe()).towers)
    encode = towers.encode_frames
    monkeypatch.setattr(towers, "encode_frames", lambda self, x: seen.append(len(x)) or encode(self, x))
    for _ in range(2):
        run(cached(tmp_path / "cache"), tmp_path / f"run{len(seen)}")
    # 32 clips of 3 frames once for both runs, and one clip in each to see that the towers are frozen.
    assert sum(seen) == 3 * (32 + 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"train": {}},
        {"train": {"freeze": ["towers.words.*", "towers.text_out.*", "towers.frames_out.*"]}},
        {"frames": {"train_position": "random"}},
        {"new_takes": True},
    ],
    ids=["nothing is frozen", "the frames' tokens learn", "frames are drawn", "new takes"],
)
def test_features_that_change_are_not_kept(tmp_path, changes):
    run(cached(tmp_path / "cache", **changes), tmp_path / "run")
    assert entries(tmp_path / "cache") == 0


def test_towers_that_draw_are_not_kept(tmp_path, monkeypatch):
    towers = type(build(recipe()).towers)
    start = towers.__init__

    def with_dropout(self) -> None:
        start(self)
        self.dropout = 0.5

    monkeypatch.setattr(towers, "__init__", with_dropout)
    of = cached(tmp_path / "cache")
    torch.manual_seed(0)
    run(of, tmp_path / "run")
    assert entries(tmp_path / "cache") == 0
    torch.manual_seed(0)
    # Looking did not disturb the draws of the run.
    run(dataclasses.replace(of, data=dataclasses.replace(of.data, cache="")), tmp_path / "plain")
    assert curve(tmp_path / "run") == curve(tmp_path / "plain")


def test_other_weights_and_other_precision_are_other_entries(tmp_path):
    run(cached(tmp_path / "cache"), tmp_path / "a")
    run(dataclasses.replace(cached(tmp_path / "cache"), seed=1), tmp_path / "b")
    assert entries(tmp_path / "cache") == 64
    run(cached(tmp_path / "cache", FROZEN | {"precision": "bf16"}), tmp_path / "c")
    assert entries(tmp_path / "cache") == 96


def test_a_launched_run_keeps_its_frozen_features(tmp_path):
    table = {
        "name": "table",
        "table": str(write_table(tmp_path / "videos", 4)),
        "cache": str(tmp_path / "cache"),
    }
    train = {"epochs": 1, "batch_size": 2, "freeze": ["towers.*"], "log_to": "none"}
    of = recipe_of(table, train=train, frames={"num_frames": 2, "size": 32, "train_position": "middle"})
    launch(of, out=tmp_path / "run", workers=1, device="cpu", resume=False, on_step=lambda report: None)
    assert entries(tmp_path / "cache" / "frozen") == 4
