"""The training loop, to be read from top to bottom."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from animate.strict_toml import RecipeError
from retrieval import runs
from retrieval.batch import Batch, TrainData
from retrieval.distributed import Group
from retrieval.durable import write_json
from retrieval.errors import NotFinite
from retrieval.gradients import EncodeVideo, Losses, accumulate_gradients, encode_afresh
from retrieval.model import Retriever
from retrieval.optimizer import MovingAverage, build_optimizer, freeze, rate_factor
from retrieval.recipe import TrainRecipe
from retrieval.run_log import RunLog
from retrieval.run_state import Evaluate, State, open_run, restore, save

ALONE = Group()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One finished step, for whoever shows progress. `waited` is the part of the time spent on data."""

    step: int
    total_steps: int
    epoch: int
    loss: float
    clips_per_second: float
    waited: float


OnStep = Callable[[StepReport], None]


def train(
    recipe: TrainRecipe,
    model: Retriever,
    data: TrainData,
    *,
    out: Path,
    evaluate: Evaluate | None,
    device: torch.device,
    group: Group = ALONE,
    resume: bool = False,
    encode_video: EncodeVideo = encode_afresh,
    trained_on: Callable[[], Mapping[str, Any]] | None = None,
    on_step: OnStep | None = None,
) -> Path:
    """Train `model` in the run folder `out` as the recipe says; gives the selected checkpoint's folder.

    Any `Retriever` and any `TrainData` will do. `evaluate` is None where nothing is selected; `encode_video`
    may know features that need no pass of the towers; `trained_on` says for each checkpoint which data it has
    seen, and whether its validation part looks at test: called on every worker, so that it may ask the
    others. `resume` goes on from the newest checkpoint and refuses another recipe (`RecipeError`).
    `NotFinite` stops a run whose loss is no number.
    """
    spec = recipe.train
    steps_per_epoch = _steps_per_epoch(recipe, data, group)
    total_steps = steps_per_epoch * spec.epochs

    freeze(model, spec.freeze)
    model.to(device)
    group.take_from_first(model)
    state = State(
        model=model,
        optimizer=build_optimizer(model, spec),
        scaler=torch.amp.GradScaler(device.type, enabled=spec.precision == "fp16"),  # pyright: ignore[reportPrivateImportUsage]
        average=MovingAverage(model, spec.ema_decay),
        step=open_run(out, recipe, group, resume=resume),
    )
    if state.step:
        restore(state, runs.checkpoint_folder(out, state.step))
    model.train()
    with RunLog(out, recipe, step=state.step) if group.rank == 0 else nullcontext() as log:
        while state.step < total_steps:
            epoch, steps_done = divmod(state.step, steps_per_epoch)
            batches = data.batches(
                epoch=epoch,
                batch_size=spec.batch_size,
                start=steps_done * spec.accumulate,
                rank=group.rank,
                workers=group.size,
            )
            for _ in range(steps_done, steps_per_epoch):
                started = time.perf_counter()
                seen = list(islice(batches, spec.accumulate))
                waited = time.perf_counter() - started
                numbers = _one_step(
                    state, recipe, seen, group, encode_video=encode_video, total_steps=total_steps, out=out
                )
                seconds = time.perf_counter() - started
                numbers["clips_per_second"] = spec.batch_size * spec.accumulate / seconds
                numbers["waited_for_data"] = waited / seconds

                if log is not None and (state.step % spec.log_every == 0 or state.step == total_steps):
                    log.write(state.step, numbers)
                if on_step is not None:
                    on_step(_report(state.step, total_steps, epoch, numbers))
                epoch_ends = state.step % steps_per_epoch == 0
                if epoch_ends or (spec.checkpoint_every and state.step % spec.checkpoint_every == 0):
                    seen_so_far = trained_on() if trained_on is not None else None
                    due = epoch_ends and _evaluation_is_due(recipe, epoch)
                    save(
                        state,
                        recipe,
                        out,
                        log,
                        evaluate=evaluate if due else None,
                        facts={
                            "epoch": state.step / steps_per_epoch,
                            "trained_on": seen_so_far,
                            "looked_at_test": recipe.eval.select_on == "test"
                            or bool((seen_so_far or {}).get("looked_at_test")),
                        },
                    )
                    group.wait()
    return runs.find_checkpoint(out)


def _one_step(
    state: State,
    recipe: TrainRecipe,
    seen: list[Batch],
    group: Group,
    *,
    encode_video: EncodeVideo,
    total_steps: int,
    out: Path,
) -> dict[str, float]:
    """One optimizer step over `accumulate` batches; gives what the log wants to know of it."""
    spec, model = recipe.train, state.model
    assert len(seen) == spec.accumulate, "the data promised more batches in this epoch"
    factor = rate_factor(state.step, total_steps=total_steps, spec=spec)
    for parameters in state.optimizer.param_groups:
        parameters["lr"] = parameters["start_lr"] * factor

    state.optimizer.zero_grad(set_to_none=True)
    scale = state.scaler.scale(torch.ones((), device=model.log_scale.device)).item()
    losses = [
        accumulate_gradients(
            model,
            batch,
            spec=recipe.loss,
            micro_batch=spec.micro_batch,
            precision=spec.precision,
            generator=_draws(recipe.seed, state.step * spec.accumulate + number),
            group=group,
            scale=scale / spec.accumulate,
            encode_video=encode_video,
        )
        for number, batch in enumerate(seen)
    ]
    group.sum_gradients(model.parameters())
    state.scaler.unscale_(state.optimizer)
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), spec.clip_norm or math.inf))
    numbers = {**_means(losses), "gradient_norm": norm, "rate_factor": factor}
    # Float16 overflows now and then; its scaler then leaves the step out and lowers the scale.
    if not math.isfinite(numbers["loss"]) or not (math.isfinite(norm) or state.scaler.is_enabled()):
        raise _not_finite(out, group, state.step, numbers, seen)

    state.scaler.step(state.optimizer)
    state.scaler.update()
    model.clamp_temperature()
    state.step += 1
    state.average.update(state.step)
    return {**numbers, "temperature": model.temperature().item()}


def _draws(seed: int, number: int) -> torch.Generator:
    """The generator of one batch's hard negatives: from the recipe's seed and the batch's number alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)


def _means(losses: list[Losses]) -> dict[str, float]:
    count = len(losses)
    return {
        "loss": sum(part.total for part in losses) / count,
        "loss_contrastive": sum(part.contrastive for part in losses) / count,
        "loss_late": sum(part.late for part in losses) / count,
        "loss_matching": sum(part.matching for part in losses) / count,
    }


def _report(step: int, total_steps: int, epoch: int, numbers: Mapping[str, float]) -> StepReport:
    return StepReport(
        step=step,
        total_steps=total_steps,
        epoch=epoch,
        loss=numbers["loss"],
        clips_per_second=numbers["clips_per_second"],
        waited=numbers["waited_for_data"],
    )


def _not_finite(
    out: Path, group: Group, step: int, numbers: Mapping[str, float], seen: list[Batch]
) -> NotFinite:
    """Writes down what the step saw, and gives the error to stop with."""
    path = out / f"not_finite_step{step}_worker{group.rank}.json"
    keys = [key for batch in seen for key in batch.keys]
    # As text: NaN is not JSON.
    write_json(path, {"step": step, "keys": keys, **{k: str(v) for k, v in numbers.items()}})
    return NotFinite(
        f"step {step}: loss {numbers['loss']}, gradient norm {numbers['gradient_norm']}; see {path}"
    )


def _steps_per_epoch(recipe: TrainRecipe, data: TrainData, group: Group) -> int:
    spec = recipe.train
    if spec.batch_size % group.size:
        raise RecipeError(f"batch_size = {spec.batch_size}: must be a multiple of the {group.size} workers")
    steps = data.batches_per_epoch(spec.batch_size) // spec.accumulate
    if steps == 0:
        raise RecipeError(
            f"batch_size = {spec.batch_size}, accumulate = {spec.accumulate}: the training data is "
            "smaller than that"
        )
    return steps


def _evaluation_is_due(recipe: TrainRecipe, epoch: int) -> bool:
    """Every so many epochs, and after the last."""
    return (epoch + 1) % recipe.eval.every_epochs == 0 or epoch + 1 == recipe.train.epochs
