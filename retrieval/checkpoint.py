"""Checkpoints: a folder that is there in full or not at all, and a model again from one."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from animate.strict_toml import RecipeError, differences, from_table, to_table, with_defaults
from retrieval.durable import sync
from retrieval.errors import CheckpointError
from retrieval.model.architecture import Architecture, check_same, resolve
from retrieval.model.clip import ClipTowers
from retrieval.model.retriever import Retriever, build_retriever, rebuild_retriever
from retrieval.recipe import InteractionSpec, TrainRecipe, recipe_from_table
from retrieval.runs import INFO, MODEL, TRAINING, checkpoint_folder, find_checkpoint, read_info

WRITTEN_WITH = ("torch", "open_clip_torch", "safetensors", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A model, ready to evaluate, with its recipe and what is known of it.

    `reference` is what opens it again, from any folder: the path of a checkpoint, or a model's name. `info`
    is a checkpoint's `checkpoint.json`; of a model from elsewhere, as much of that as is known.
    """

    model: Retriever
    recipe: TrainRecipe
    info: dict[str, Any]
    reference: str


def save_checkpoint(
    run: Path,
    *,
    step: int,
    model: Retriever,
    recipe: TrainRecipe,
    facts: Mapping[str, Any],
    training: Mapping[str, Any],
) -> Path:
    """Write one checkpoint folder and make it appear whole by a rename; gives its path.

    `facts` are JSON values stored beside the recipe (epoch, metrics, what it was trained on), `training` is
    what going on takes: the state of the optimizer and the generators.
    """
    folder = checkpoint_folder(run, step)
    attempt = folder.with_name(f".writing_{folder.name}")
    shutil.rmtree(attempt, ignore_errors=True)
    attempt.mkdir(parents=True)
    architecture = model.towers.architecture if isinstance(model.towers, ClipTowers) else None
    activation = architecture.activation if architecture else None
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    # One entry only: safetensors writes several in no fixed order, and equal weights should be equal files.
    save_file(weights, attempt / MODEL, metadata={"activation": activation or "unknown"})
    info = {
        "step": step,
        "looked_at_test": recipe.eval.select_on == "test",
        **facts,
        "recipe": to_table(recipe),
        "architecture": to_table(architecture) if architecture else None,
        "activation": activation,
        "context_length": architecture.context_length if architecture else None,
        "token_limit": recipe.model.token_limit,
        "select_on": recipe.eval.select_on,
        "digest": _sha256(attempt / MODEL),
        "versions": {name: metadata.version(name) for name in WRITTEN_WITH},
    }
    torch.save(dict(training), attempt / TRAINING)
    (attempt / INFO).write_text(json.dumps(info, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for path in (*attempt.iterdir(), attempt):
        sync(path)
    shutil.rmtree(folder, ignore_errors=True)
    attempt.rename(folder)
    sync(folder.parent)
    return folder


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """The model of a run folder (its selected checkpoint, else the newest) or of one checkpoint folder.

    `CheckpointError` where there is none, or where its files contradict each other.
    """
    folder = find_checkpoint(Path(path))
    info = read_info(folder)
    if info["architecture"] is None:
        raise CheckpointError(
            f"{folder}: its towers are not open_clip's; build the model where they are defined, "
            "then load_weights()"
        )
    architecture = from_table(Architecture, info["architecture"])
    recipe = recipe_from_table(info["recipe"])
    if architecture.activation != info["activation"]:
        raise CheckpointError(
            f"{folder}: was trained with {info['activation']!r}, but its config builds "
            f"{architecture.activation!r}"
        )
    model = rebuild_retriever(architecture, recipe.model, recipe.interaction)
    load_weights(model, folder)
    return Checkpoint(
        model=model.to(device).eval(), recipe=recipe, info=info, reference=str(folder.resolve())
    )


def start_model(recipe: TrainRecipe) -> Retriever:
    """The model a run begins with: built from [model], or taken over from `start_from`.

    Seeded by the recipe, and nothing outside changes. From a checkpoint without a fine stage, a fine stage
    starts anew; otherwise the interaction tables must agree.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if recipe.model.start_from:
            return _taken_over(recipe)
        model = build_retriever(recipe.model, recipe.interaction)
    check_frame_size(model, recipe)
    return model


def check_frame_size(model: Retriever, recipe: TrainRecipe) -> None:
    """`RecipeError` where the recipe has frames of a size that the encoder does not take."""
    assert isinstance(model.towers, ClipTowers)
    wanted, size = model.towers.architecture.image_size, recipe.frames.size
    if wanted != (size, size):
        raise RecipeError(f"frames.size = {size}: this encoder takes {wanted} pixels")


def _taken_over(recipe: TrainRecipe) -> Retriever:
    """The model of `start_from`, if its encoders are those that [model] describes."""
    folder = find_checkpoint(Path(recipe.model.start_from))
    info = read_info(folder)
    if info["architecture"] is None:
        raise CheckpointError(f"start_from = {str(folder)!r}: its towers are not open_clip's")
    stored = from_table(Architecture, info["architecture"])
    said = recipe.model.activation
    # The weights that the table names are not read, so their activation is the checkpoint's.
    wanted, _ = resolve(
        replace(recipe.model, weights="", activation=stored.activation if said == "auto" else said)
    )
    check_same(stored, wanted, str(folder))
    model = rebuild_retriever(stored, recipe.model, recipe.interaction)
    check_frame_size(model, recipe)
    before = with_defaults(InteractionSpec, info["recipe"]["interaction"])
    now = to_table(recipe.interaction)
    if before["head"] == "none":
        load_weights(model, folder, fresh=("interaction.",))
    elif changed := differences(before, now):
        raise CheckpointError(f"start_from = {str(folder)!r}: other [interaction]: {'; '.join(changed)}")
    else:
        load_weights(model, folder)
    return model


def load_weights(model: Retriever, folder: Path, fresh: tuple[str, ...] = ()) -> None:
    """Put a checkpoint's weights into a model; parameters whose name starts with one of `fresh` stay."""
    try:
        with safe_open(folder / MODEL, framework="pt") as file:
            recorded = (file.metadata() or {}).get("activation")
        weights = load_file(folder / MODEL)
    except (FileNotFoundError, SafetensorError) as error:
        raise CheckpointError(f"{folder / MODEL}: cannot be read: {error}") from None
    if isinstance(model.towers, ClipTowers) and recorded != model.towers.architecture.activation:
        raise CheckpointError(
            f"{folder / MODEL}: was trained with activation {recorded!r}, "
            f"not {model.towers.architecture.activation!r}"
        )
    kept = {name: value for name, value in model.state_dict().items() if name.startswith(fresh or ("\0",))}
    try:
        model.load_state_dict({**weights, **kept}, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{folder / MODEL}: does not fit the model: {error}") from error


def read_training(folder: Path) -> dict[str, Any]:
    """The optimizer's and generators' state of one checkpoint."""
    try:
        return torch.load(folder / TRAINING, map_location="cpu", weights_only=True)
    except (FileNotFoundError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or ["no content"])[0]
        raise CheckpointError(f"{folder / TRAINING}: cannot be read, so not gone on from: {reason}") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
