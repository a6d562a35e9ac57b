"""The log of a run: one JSON line a report always, TensorBoard or Weights & Biases beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from animate.strict_toml import RecipeError, to_table
from retrieval.recipe import TrainRecipe


class RunLog:
    """Writes numbers by step to `metrics.jsonl` and to what `train.log_to` names.

    Going on after `step`, lines of later steps are dropped first: those steps will be done again.
    """

    def __init__(self, run: Path, recipe: TrainRecipe, *, step: int) -> None:
        self._path = run / "metrics.jsonl"
        kept = [line for line in _lines(self._path) if json.loads(line)["step"] <= step]
        self._path.write_text("".join(kept), encoding="utf-8")
        self._tensorboard: Any = None
        self._wandb: Any = None
        if recipe.train.log_to == "tensorboard":
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise _not_installed("tensorboard") from None
            self._tensorboard = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)
        elif recipe.train.log_to == "wandb":
            try:
                import wandb
            except ImportError:
                raise _not_installed("wandb") from None
            self._wandb = wandb.init(
                project="retrieval",
                name=recipe.name,
                dir=str(run),
                config=to_table(recipe),
                resume="allow",
                id=f"{run.name}-{recipe.seed}",
            )

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers as they are after `step` steps."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **numbers}) + "\n")
        if self._tensorboard is not None:
            for name, value in numbers.items():
                self._tensorboard.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(numbers), step=step)

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left in a buffer."""
        if self._tensorboard is not None:
            self._tensorboard.close()
        if self._wandb is not None:
            self._wandb.finish()


def _not_installed(package: str) -> RecipeError:
    return RecipeError(
        f'log_to = "{package}": the package {package} is not installed; install it, or write log_to = "none"'
    )


def _lines(path: Path) -> list[str]:
    """The whole lines of a log; a line cut off by a crash is not one."""
    if not path.is_file():
        return []
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]
