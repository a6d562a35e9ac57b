"""From a recipe to a trained run: data, model and evaluation put together, here or on several workers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from animate import UserError
from animate.strict_toml import RecipeError
from retrieval import checkpoint, datasets, evaluate, loader, runs
from retrieval.compute import Compute
from retrieval.datasets import Dataset, overlaps
from retrieval.distributed import Group
from retrieval.frozen import frozen_or_afresh
from retrieval.model import Retriever
from retrieval.recipe import TrainRecipe
from retrieval.run_state import Evaluate
from retrieval.train import OnStep, train


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One `retrieval train` as each of its workers does it."""

    recipe: TrainRecipe
    out: Path
    device: str
    resume: bool

    def __call__(self, group: Group, on_step: OnStep) -> None:
        """This worker's part, from recipe to checkpoints."""
        device = pick_device(self.device)
        dataset = datasets.open_dataset(self.recipe.data)
        data = loader.train_data(self.recipe, dataset)
        facts = {**data.identity, "before": _seen_before(self.recipe.model.start_from)}
        if self.recipe.eval.select_on == "validation":
            validated_on = dataset.part("validation").fingerprint()
            facts["validated_on"] = validated_on
            facts["looked_at_test"] = dataset.test is not None and overlaps(validated_on, dataset.test)

        def trained_on() -> dict[str, Any]:
            # Workers share out each epoch anew, so several may have met the same broken video.
            return {**facts, "left_out": datasets.count_left_out(group.union(data.unreadable()))}

        train(
            self.recipe,
            checkpoint.start_model(self.recipe),
            data,
            out=self.out,
            evaluate=_evaluation(self.recipe, dataset, device, group),
            device=device,
            group=group,
            resume=self.resume,
            encode_video=frozen_or_afresh(self.recipe),
            trained_on=trained_on,
            on_step=on_step,
        )


def launch(
    recipe: TrainRecipe, *, out: Path, workers: int, device: str, resume: bool, on_step: OnStep
) -> Path:
    """Train as the recipe says in the run folder `out`; gives the selected checkpoint's folder.

    `device` is "cpu", "cuda" or "auto", which is a GPU where there is one; more than one of `workers` are Ray
    Train workers. `RecipeError` for a recipe that cannot be meant, `NotFinite` for a loss that is no number.
    """
    if workers < 1:
        raise RecipeError(f"workers = {workers}: must be at least 1")
    job = TrainingJob(recipe=recipe, out=out.resolve(), device=device, resume=resume)
    if workers == 1:
        job(Group(), on_step)
    else:
        from retrieval.workers import run_on_ray

        use_gpu = device_named(device).type == "cuda"
        run_on_ray(job, workers=workers, use_gpu=use_gpu, storage=job.out / "ray", on_step=on_step)
    return runs.find_checkpoint(job.out)


def device_named(name: str) -> torch.device:
    """The device of that name, here or on the machines of a cluster; `auto` is a GPU if there is one here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise _no_device(name, error) from None


def pick_device(name: str) -> torch.device:
    """The device of that name, which is here; else `UserError`."""
    device = device_named(name)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch that was built without it
        raise _no_device(name, error) from None
    return device


def _no_device(name: str, error: Exception) -> UserError:
    return UserError(f"device = {name!r}: {str(error).strip().partition(chr(10))[0]}")


def _seen_before(start_from: str) -> dict[str, Any] | None:
    """What the run behind `start_from` was trained on, and whether test chose it; None for a fresh start."""
    if not start_from:
        return None
    info = runs.read_info(runs.find_checkpoint(Path(start_from)))
    return {**(info.get("trained_on") or {}), "looked_at_test": info["looked_at_test"]}


def _evaluation(recipe: TrainRecipe, dataset: Dataset, device: torch.device, group: Group) -> Evaluate | None:
    if recipe.eval.select_on == "none":
        return None
    split = dataset.part(recipe.eval.select_on)

    def measure(model: Retriever) -> dict[str, float]:
        compute = Compute(device=device, precision=recipe.train.precision, group=group)
        return evaluate.evaluate_split(model, recipe, split, compute=compute)

    return measure
