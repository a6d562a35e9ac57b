"""What a run is in the middle of, and its folder: begun or gone on with, saved, selected from, and pruned."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from animate.strict_toml import to_table
from retrieval import checkpoint, runs
from retrieval.distributed import Group
from retrieval.durable import write_json
from retrieval.model import Retriever
from retrieval.optimizer import MovingAverage
from retrieval.recipe import TrainRecipe
from retrieval.run_log import RunLog

#: Metrics of the validation (or test) split, by name, of a model in eval mode; called on every worker of the
#: run, which share the work.
Evaluate = Callable[[Retriever], dict[str, float]]


@dataclass(slots=True, kw_only=True)
class State:
    """All that a step changes, and a checkpoint holds."""

    model: Retriever
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # pyright: ignore[reportPrivateImportUsage]
    average: MovingAverage
    step: int


def open_run(out: Path, recipe: TrainRecipe, group: Group, *, resume: bool) -> int:
    """The step to go on from, 0 for a new run, whose folder then holds the resolved recipe."""
    found = runs.checkpoints(out)
    runs.check_run(out, recipe, resume=resume)
    if not resume:
        group.wait()
        if group.rank == 0:
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / runs.RECIPE, to_table(recipe))
        group.wait()
        return 0
    return runs.read_info(found[-1])["step"] if found else 0


def save(
    state: State,
    recipe: TrainRecipe,
    out: Path,
    log: RunLog | None,
    *,
    evaluate: Evaluate | None,
    facts: Mapping[str, Any],
) -> None:
    """Evaluate where that is due, on all workers; the first, which has the log, saves, selects and prunes."""
    with state.average.applied():
        metrics = evaluate(state.model.eval()) if evaluate is not None else {}
        state.model.train()
        if log is None:
            return
        training = {
            "optimizer": state.optimizer.state_dict(),
            "scaler": state.scaler.state_dict(),
            # Without an average the weights are in the model's own file.
            "parameters": state.average.own,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        }
        checkpoint.save_checkpoint(
            out,
            step=state.step,
            model=state.model,
            recipe=recipe,
            facts={**facts, "metrics": metrics},
            training=training,
        )
    if metrics:
        log.write(state.step, {f"eval/{name}": value for name, value in metrics.items()})
    _select(out, recipe, state.step, metrics, looked_at_test=facts["looked_at_test"])
    _prune(out, recipe.train.keep)


def restore(state: State, folder: Path) -> None:
    """Everything as it was when this checkpoint was saved."""
    training = checkpoint.read_training(folder)
    checkpoint.load_weights(state.model, folder)
    state.average.restore(training["parameters"])
    state.optimizer.load_state_dict(training["optimizer"])
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(training["scaler"])
    torch.set_rng_state(training["random"])
    if training["random_cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(training["random_cuda"])


def _select(
    out: Path, recipe: TrainRecipe, step: int, metrics: Mapping[str, float], *, looked_at_test: bool
) -> None:
    """Point `selected.json` at this checkpoint if it is the best so far, or if nothing is measured."""
    path = out / runs.SELECTED
    name = recipe.eval.metric
    selected = {
        "checkpoint": runs.checkpoint_folder(out, step).name,
        "step": step,
        "select_on": recipe.eval.select_on,
        "looked_at_test": looked_at_test,
    }
    if name in metrics:
        before = runs.read_selected(out)
        # Of equal ones the later: it has seen more. On a resume the file may speak of one yet to be made
        # again.
        if before.get("step", step) < step and before.get("value", -math.inf) > metrics[name]:
            return
        write_json(path, {**selected, "metric": name, "value": metrics[name]})
    elif recipe.eval.select_on == "none":
        write_json(path, selected)


def _prune(out: Path, keep: int) -> None:
    """Remove all but the newest checkpoints and the selected one."""
    selected = runs.read_selected(out).get("checkpoint")
    for folder in runs.checkpoints(out)[:-keep]:
        if folder.name != selected:
            runs.remove_checkpoint(folder)
