"""The folder of a run and the checkpoints in it, without reading a weight.

RUN/recipe.json                     the resolved recipe
RUN/checkpoints/step_00000120/      model.safetensors   weights, as evaluation uses them
                                    checkpoint.json     everything else that says what they are
                                    training.pt         optimizer and generators, to go on from
RUN/selected.json                   which of them the run chose, by which metric, on which split
"""

import json
import shutil
from pathlib import Path
from typing import Any

from animate.strict_toml import RecipeError, differences, to_table, with_defaults
from retrieval.errors import CheckpointError
from retrieval.recipe import TrainRecipe

MODEL, INFO, TRAINING = "model.safetensors", "checkpoint.json", "training.pt"
SELECTED, RECIPE = "selected.json", "recipe.json"


def is_run(path: Path) -> bool:
    """Whether a folder is a run with something in it, or one of its checkpoints."""
    return any((path / name).exists() for name in (INFO, SELECTED, "checkpoints", RECIPE))


def check_run(out: Path, recipe: TrainRecipe, *, resume: bool) -> None:
    """`RecipeError` unless a run of this recipe can begin, or with `resume` go on, in the folder `out`."""
    if out.exists() and not out.is_dir():
        raise RecipeError(f"out = {str(out)!r}: is a file; name a folder")
    if not resume:
        if (out / RECIPE).exists():
            raise RecipeError(f"out = {str(out)!r}: holds a run already; resume it, or name another folder")
        return
    if not (out / RECIPE).is_file():
        raise RecipeError(f"out = {str(out)!r}: holds no run to resume")
    before = with_defaults(TrainRecipe, read_recipe_table(out))
    if changed := differences(before, to_table(recipe)):
        raise RecipeError(f"resume: the recipe is not the one this run began with: {'; '.join(changed)}")


def remove_checkpoint(folder: Path) -> None:
    """Nothing is left of a checkpoint; killed half-way, what is left does not look like one."""
    (folder / INFO).unlink()
    shutil.rmtree(folder)


def read_info(folder: Path) -> dict[str, Any]:
    """The JSON of one checkpoint."""
    return _read(folder / INFO)


def read_recipe_table(run: Path) -> dict[str, Any]:
    """The resolved recipe that a run began with, as a plain table."""
    return _read(run / RECIPE)


def read_selected(run: Path) -> dict[str, Any]:
    """What a run's selection says; nothing where nothing was selected yet."""
    return _read(run / SELECTED) if (run / SELECTED).is_file() else {}


def checkpoint_folder(run: Path, step: int) -> Path:
    """Where a run keeps the checkpoint of a step."""
    return run / "checkpoints" / f"step_{step:08d}"


def checkpoints(run: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path.parent for path in (run / "checkpoints").glob(f"step_*/{INFO}"))


def find_checkpoint(path: Path) -> Path:
    """`path` itself if it is a checkpoint, the selected one if it is a run, else its newest."""
    if (path / INFO).is_file():
        return path
    if selected := read_selected(path):
        folder = path / "checkpoints" / selected["checkpoint"]
        if not (folder / INFO).is_file():
            raise CheckpointError(f"run {str(path)!r}: selected {folder.name}, which is not there any more")
        return folder
    found = checkpoints(path)
    if not found:
        raise CheckpointError(
            f"checkpoint {str(path)!r}: neither a run folder with checkpoints nor one of them"
        )
    return found[-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from None
