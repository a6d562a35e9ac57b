"""A tiny model's numbers on a table of tiny videos."""

from pathlib import Path

import torch

from retrieval.compute import Compute
from retrieval.datasets import FrameReader, Split, open_dataset
from retrieval.encode import encode_split
from retrieval.evaluate import measure, score_split
from retrieval.recipe import DataSpec
from tests.support.judged import build, recipe_of

CPU = torch.device("cpu")
HERE = Compute(device=CPU)


def split_of(table: Path) -> Split:
    return open_dataset(DataSpec(name="table", held_out_table=str(table))).part("test")


def numbers(split: Split, head: str, *, batch_size: int = 3, top_k: int | None = 4) -> dict:
    recipe = recipe_of({"name": "table"}, head)
    model = build(recipe)
    encoded = encode_split(model, split, FrameReader.of(recipe.frames), compute=HERE, batch_size=batch_size)
    by_text, by_video = score_split(model, encoded, top_k=top_k, compute=HERE)
    return measure(encoded, by_text, by_video, top_k=top_k)
