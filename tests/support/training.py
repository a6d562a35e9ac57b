"""A run of a tiny model on tiny data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from retrieval.batch import Batch
from retrieval.model import Retriever, assemble
from retrieval.recipe import TrainRecipe, recipe_from_table
from retrieval.train import train
from tests.support.tiny import TinyData, TinyTowers

CPU = torch.device("cpu")
RATES = ("learning_rate", "encoder_learning_rate", "prior_learning_rate")


def recipe(**changes: dict) -> TrainRecipe:
    """A run of 3 epochs of 4 steps, one or more of its tables changed."""
    table = {
        "model": {"name": "tiny", "random_weights": True},
        "interaction": {"width": 16, "heads": 2, "layers": 1},
        "data": {},
        "train": {
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "encoder_learning_rate": 3e-3,
            "warmup_steps": 2,
            "log_every": 1,
            "log_to": "none",
        },
        "eval": {"select_on": "none"},
    }
    return recipe_from_table(
        {name: table.get(name, {}) | changes.get(name, {}) for name in {*table, *changes}}
    )


def build(of: TrainRecipe) -> Retriever:
    with torch.random.fork_rng():
        torch.manual_seed(of.seed)
        return assemble(TinyTowers(), of.model, of.interaction)


def run(of: TrainRecipe, out: Path, *, data=None, evaluate=None, **options: Any) -> Retriever:
    """The model after training, its raw weights."""
    model = build(of)
    train(of, model, data or TinyData(), out=out, evaluate=evaluate, device=CPU, **options)
    return model


def curve(out: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


class Poisoned(TinyData):
    """One clip's frames are not numbers, in all epochs but the first `healthy`."""

    healthy = 0

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        for batch in super().batches(
            epoch=epoch, batch_size=batch_size, start=start, rank=rank, workers=workers
        ):
            if epoch >= self.healthy and "clip17" in batch.keys:
                batch.frames[batch.keys.index("clip17")] = torch.nan
            yield batch
