"""Any model opened for use: a checkpoint of a run, or a CLIP that was trained elsewhere, as it is."""

from dataclasses import replace
from typing import Any

import torch

from animate.strict_toml import RecipeError, to_table
from retrieval.checkpoint import Checkpoint, check_frame_size, load_checkpoint
from retrieval.model import build_retriever
from retrieval.model.clip import ClipTowers
from retrieval.model.digest import model_digest
from retrieval.recipe import TrainRecipe, recipe_from_table
from retrieval.reference import ModelFound


def open_model(found: ModelFound, device: torch.device) -> Checkpoint:
    """The model, in evaluation mode, with the recipe of `found`.

    A model that was trained elsewhere has no fine stage, takes frames of its own size, and says that nothing
    here trained or selected it.
    """
    recipe = recipe_from_table(found.table)
    if found.checkpoint is not None:
        checkpoint = replace(load_checkpoint(found.checkpoint, device), recipe=recipe)
        check_frame_size(checkpoint.model, recipe)
        return checkpoint
    model = build_retriever(recipe.model, recipe.interaction)
    assert isinstance(model.towers, ClipTowers)
    architecture = model.towers.architecture
    recipe = _at_own_size(recipe, found, architecture.image_size)
    info: dict[str, Any] = {
        "architecture": to_table(architecture),
        "activation": architecture.activation,
        "context_length": architecture.context_length,
        "token_limit": recipe.model.token_limit,
        "digest": model_digest(model),
        "trained_on": None,
        "select_on": "none",
        "looked_at_test": False,
    }
    return Checkpoint(model=model.to(device).eval(), recipe=recipe, info=info, reference=found.reference)


def _at_own_size(recipe: TrainRecipe, found: ModelFound, image_size: tuple[int, int]) -> TrainRecipe:
    height, width = image_size
    said = found.table.get("frames", {}).get("size")
    if height != width or said not in (None, height):
        raise RecipeError(
            f"frames.size = {said or recipe.frames.size}: this encoder takes {image_size} pixels"
        )
    return replace(recipe, frames=replace(recipe.frames, size=height))
