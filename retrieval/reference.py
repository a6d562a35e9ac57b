"""What a command's MODEL means: a run that was trained here, or a CLIP as the world names it.

Nothing here reads a weight or imports torch, so that a wrong name is refused at once.
"""

import difflib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animate.strict_toml import RecipeError, apply_overrides
from retrieval.errors import CheckpointError
from retrieval.recipe import HF_HUB, LOCAL_DIR, OPEN_CLIP_CONFIG, ModelSpec, recipe_from_table
from retrieval.runs import find_checkpoint, is_run, read_info

FORMS = (
    "a run folder, one of its checkpoints, a weights file (ViT-B-32.pt), a folder with config and weights "
    f"(open_clip's or transformers'), NAME:TAG of open_clip (ViT-B-32:openai), or {HF_HUB}ORG/NAME"
)
#: What tells a path from a tag, where neither is there.
_WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz", ".npy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFound:
    """A model that is there to be opened.

    `reference` finds it again, from any folder. `checkpoint` is its folder, None for a model that was not
    trained here. `table` is the recipe that it comes with, as a plain table.
    """

    reference: str
    checkpoint: Path | None
    table: dict[str, Any]


def find_model(
    reference: str, overrides: Sequence[str] = (), model: Mapping[str, Any] | None = None
) -> ModelFound:
    """The model that a command names, its recipe with `overrides` set; else `CheckpointError`, `RecipeError`.

    `model` is the [model] table of a model found before, in place of the one that the reference gives.
    """
    path = Path(reference)
    if path.is_dir() and is_run(path):
        folder = find_checkpoint(path)
        table = apply_overrides(read_info(folder)["recipe"], overrides)
        recipe_from_table(table)  # refuses what cannot be meant
        return ModelFound(reference=str(folder.resolve()), checkpoint=folder, table=table)
    named = _model_table(reference) if model is None else dict(model)
    table = {
        "name": reference,
        "model": named,
        "interaction": {"head": "none"},
        "data": {},
        "eval": {"select_on": "none"},
    }
    table = apply_overrides(table, overrides)
    check_model(recipe_from_table(table).model)
    return ModelFound(
        reference=str(path.resolve()) if path.exists() else reference, checkpoint=None, table=table
    )


def check_model(spec: ModelSpec) -> None:
    """`RecipeError` where a [model] table names a file, a folder or an open_clip name that there is not."""
    if spec.start_from:
        find_checkpoint(Path(spec.start_from))
    if _is_path(spec.weights) and not Path(spec.weights).is_file():
        raise RecipeError(f"weights = {spec.weights!r}: no such file")
    if not spec.name or spec.name.startswith(HF_HUB):
        return
    if spec.name.startswith(LOCAL_DIR):
        folder = Path(spec.name.removeprefix(LOCAL_DIR))
        if not any((folder / name).is_file() for name in (OPEN_CLIP_CONFIG, "config.json")):
            raise RecipeError(
                f"name = {spec.name!r}: no {OPEN_CLIP_CONFIG} and no config.json in that folder"
            )
        return
    names = open_clip_names()
    if spec.name not in names and not Path(spec.name).exists():
        close = difflib.get_close_matches(spec.name, names, n=5, cutoff=0.4)
        raise RecipeError(
            f"name = {spec.name!r}: must be a model of open_clip (close: {', '.join(close) or 'none'}), "
            f"{LOCAL_DIR}FOLDER, {HF_HUB}ORG/NAME, or the path of a weights file, of a config .json or of a "
            "folder with both"
        )


def open_clip_names() -> list[str]:
    """The models that open_clip registers, without the seconds that its import takes."""
    found = importlib.util.find_spec("open_clip")
    assert found is not None and found.submodule_search_locations, "open_clip is a dependency"
    folder = Path(found.submodule_search_locations[0]) / "model_configs"
    return sorted(path.stem for path in folder.glob("*.json"))


def _model_table(reference: str) -> dict[str, Any]:
    path = Path(reference)
    if reference.startswith((HF_HUB, LOCAL_DIR)) or path.is_file():
        return {"name": reference}
    if path.is_dir():
        if any((path / name).is_file() for name in (OPEN_CLIP_CONFIG, "config.json")):
            return {"name": f"{LOCAL_DIR}{path}"}
        raise CheckpointError(
            f"model {reference!r}: is a folder, but holds no run and no model; give {FORMS}"
        )
    names = open_clip_names()
    if reference in names:
        raise CheckpointError(
            f"model {reference!r}: is a name of open_clip's and needs a tag, as in {reference}:openai; "
            "`python -c 'import open_clip; print(open_clip.list_pretrained())'` lists them"
        )
    for separator in re.finditer("::|[:,/@]", reference):
        name, tag = reference[: separator.start()], reference[separator.end() :]
        if name in names and tag:
            return {"name": name, "weights": tag}
    raise CheckpointError(f"model {reference!r}: is not there; give {FORMS}")


def _is_path(weights: str) -> bool:
    return "/" in weights or "\\" in weights or Path(weights).suffix in _WEIGHT_SUFFIXES
