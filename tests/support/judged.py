"""A tiny retriever with random weights, a table of tiny videos, and a checkpoint of it, for tests."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from retrieval.checkpoint import save_checkpoint
from retrieval.model import Retriever, build_retriever
from retrieval.recipe import TrainRecipe, recipe_from_table
from tests.support.clips import write_clip

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 16, "width": 48, "heads": 2, "layers": 1},
}
WORDS = ("dog", "cat", "car", "boat", "tree", "ball", "child", "horse", "bird", "sea")


def recipe_of(data: dict[str, Any], head: str = "tokens", **tables: dict[str, Any]) -> TrainRecipe:
    return recipe_from_table(
        {
            "model": {"config": CONFIG, "random_weights": True},
            "interaction": {"head": head, "width": 32, "heads": 2, "layers": 1, "max_frames": 8},
            "data": data,
            "frames": {"num_frames": 3, "size": 32, "decoder": "pyav"},
            "eval": {"select_on": "none", "top_k": 4, "batch_size": 3},
            **tables,
        }
    )


def build(recipe: TrainRecipe) -> Retriever:
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = build_retriever(recipe.model, recipe.interaction).eval()
        if model.interaction is not None and model.interaction.cross is not None:
            torch.nn.init.normal_(model.interaction.cross.score.weight)  # it starts at 0: make it matter
    return model


def write_table(folder: Path, count: int, *, captions: int = 1, missing: tuple[int, ...] = ()) -> Path:
    """`count` videos of different pictures with one or more captions each; some are listed only."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(count):
        if i not in missing:
            write_clip(folder / f"v{i}.mp4", range(6), Fraction(1, 2), offset=7919 * (i + 1))
        texts = [f"a {WORDS[i % 10]} and a {WORDS[(i * 3 + n) % 10]}" for n in range(captions)]
        rows.append(json.dumps({"video": f"v{i}.mp4", "captions": texts}))
    path = folder / "table.jsonl"
    path.write_text("\n".join(rows) + "\n")
    return path


def save_run(folder: Path, recipe: TrainRecipe, trained_on: Any = None) -> Path:
    save_checkpoint(
        folder,
        step=1,
        model=build(recipe),
        recipe=recipe,
        facts={"epoch": 1, "trained_on": trained_on},
        training={},
    )
    return folder
