"""The log of a run: what is written, what a resumed run drops, and where else it goes."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from retrieval.recipe import TrainRecipe, recipe_from_table
from retrieval.run_log import RunLog


def recipe(log_to: str) -> TrainRecipe:
    return recipe_from_table(
        {"name": "x", "model": {"name": "m", "random_weights": True}, "data": {}, "train": {"log_to": log_to}}
    )


def steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_going_on_drops_later_lines_and_one_cut_off_by_a_crash(tmp_path):
    with RunLog(tmp_path, recipe("none"), step=0) as log:
        for step in (1, 2, 3):
            log.write(step, {"loss": 0.5})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    with RunLog(tmp_path, recipe("none"), step=2) as log:
        log.write(3, {"loss": 0.25})
    assert steps(tmp_path) == [1, 2, 3]


def test_wandb_gets_the_recipe_and_the_numbers_if_asked(tmp_path, monkeypatch):
    """A stand-in for the wandb module: the real one wants an account."""
    calls: list[tuple] = []
    session = SimpleNamespace(
        log=lambda numbers, step: calls.append((step, numbers)), finish=lambda: calls.append(("finished",))
    )

    def init(*, project: str, name: str, dir: str, config: dict, resume: str, id: str) -> SimpleNamespace:
        calls.append((project, name, config["train"]["log_to"], id))
        return session

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    with RunLog(tmp_path, recipe("wandb"), step=0) as log:
        log.write(1, {"loss": 0.5})
    assert calls == [("retrieval", "x", "wandb", f"{tmp_path.name}-0"), (1, {"loss": 0.5}), ("finished",)]


def test_a_logger_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ValueError, match=r'log_to = "wandb": the package wandb is not installed'):
        RunLog(tmp_path, recipe("wandb"), step=0)
