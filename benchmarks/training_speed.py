"""Epochs of `retrieval.train` beside the same steps on batches that lie ready: what loader and loop cost.

Torch has one thread in both, so the loader's threads have the other cores. Wall time says what a user gets on
this machine as busy as it was; CPU time of the training thread and of all others says where it went.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from benchmarks import measure
from benchmarks.measure import Spread
from retrieval.batch import Batch, TrainData
from retrieval.checkpoint import start_model
from retrieval.distributed import Group
from retrieval.gradients import accumulate_gradients
from retrieval.loader import train_data
from retrieval.optimizer import build_optimizer
from retrieval.recipe import InteractionSpec, ModelSpec, TrainRecipe
from retrieval.train import StepReport, train

CPU = torch.device("cpu")


def realistic(recipe: TrainRecipe) -> TrainRecipe:
    """The same data for a ViT-B-32 of noise with 12 frames a clip: the weights do not matter to the time."""
    return replace(
        recipe,
        model=ModelSpec(name="ViT-B-32", random_weights=True),
        interaction=InteractionSpec(),
        frames=replace(recipe.frames, num_frames=12, size=224),
        train=replace(recipe.train, batch_size=4, learning_rate=1e-5, encoder_learning_rate=1e-6),
    )


def loop_overhead(recipe: TrainRecipe, *, steps: int, rounds: int) -> dict[str, Any]:
    """`steps` steps in the loop and bare, in turn; the first of each warms up and is not counted."""
    size = recipe.train.batch_size
    batches = train_data(recipe).batches(epoch=0, batch_size=size, start=0, rank=0, workers=1)
    ready = list(islice(batches, steps))
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    runs: dict[str, list[_Run]] = {}

    def note(name: str, run: "_Run") -> float:
        runs.setdefault(name, []).append(run)
        return run.seconds_per_step

    cases = {
        "bare": lambda: note("bare", _bare(recipe, ready)),
        "loop, batches ready": lambda: note("ready", _looped(recipe, _Ready(ready), steps)),
        "loop": lambda: note("loop", _looped(recipe, train_data(recipe), steps)),
    }
    seconds = measure.interleaved(cases, rounds)
    rates = {name: Spread.of([size / value for value in values]) for name, values in seconds.items()}
    pairs = zip(seconds["loop"], seconds["bare"], strict=True)
    loops = runs["loop"][1:]
    return {
        "model": recipe.model.name or recipe.name,
        "frames": f"{recipe.frames.num_frames} of {recipe.frames.size} pixels",
        "batch_size": size,
        "steps": steps,
        "loader_threads": recipe.train.loader_threads,
        "clips_per_second": {name: rate.to_json() for name, rate in rates.items()},
        "overhead_percent": statistics.median(100 * (whole / bare - 1) for whole, bare in pairs),
        "cpu_ms_per_clip": {
            "bare step": _median_ms([run.own_cpu for run in runs["bare"][1:]], steps * size),
            "training thread of the loop": _median_ms([run.own_cpu for run in loops], steps * size),
            "loader's threads": _median_ms([run.other_cpu for run in loops], steps * size),
        },
        "training_thread_percent": {
            "waiting for data": 100 * statistics.median(run.waited for run in loops),
            "waiting for a core": 100 * statistics.median(run.queued / run.wall for run in loops),
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One measured series of steps; CPU, wall and queued times are seconds over all steps.

    `queued` is the time that this thread could have run and had no core, `waited` the part of the steps' time
    spent on data.
    """

    seconds_per_step: float
    own_cpu: float
    other_cpu: float
    queued: float
    wall: float
    waited: float


class _Clocks:
    """Wall, this thread's CPU, the process's CPU, and this thread's time without a core."""

    def __init__(self) -> None:
        self._start = self._read()

    def run(self, seconds: list[float], waited: list[float]) -> _Run:
        wall, own, whole, queued = (now - then for now, then in zip(self._read(), self._start, strict=True))
        return _Run(
            seconds_per_step=statistics.fmean(seconds[1:]),
            own_cpu=own,
            other_cpu=whole - own,
            queued=queued,
            wall=wall,
            waited=statistics.fmean(waited[1:]),
        )

    @staticmethod
    def _read() -> tuple[float, float, float, float]:
        schedule = Path("/proc/thread-self/schedstat")  # Linux
        queued = int(schedule.read_text().split()[1]) / 1e9 if schedule.is_file() else 0.0
        return time.perf_counter(), time.thread_time(), time.process_time(), queued


class _Enough(Exception):
    """Ends a run before it writes a checkpoint."""


def _looped(recipe: TrainRecipe, data: TrainData, steps: int) -> _Run:
    reports: list[StepReport] = []

    def count(report: StepReport) -> None:
        reports.append(report)
        if len(reports) == steps:
            raise _Enough

    model = start_model(recipe)
    with tempfile.TemporaryDirectory() as folder:
        clocks = _Clocks()
        try:
            train(recipe, model, data, out=Path(folder) / "run", evaluate=None, device=CPU, on_step=count)
        except _Enough:
            size = recipe.train.batch_size
            return clocks.run(
                [size / report.clips_per_second for report in reports], [report.waited for report in reports]
            )
    raise AssertionError(f"an epoch has fewer than {steps} steps")


def _bare(recipe: TrainRecipe, ready: list[Batch]) -> _Run:
    """Gradients and the optimizer, and nothing else."""
    model = start_model(recipe).train()
    optimizer = build_optimizer(model, recipe.train)
    generator = torch.Generator().manual_seed(0)
    seconds: list[float] = []
    clocks = _Clocks()
    for batch in ready:
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        accumulate_gradients(
            model,
            batch,
            spec=recipe.loss,
            micro_batch=recipe.train.micro_batch,
            precision=recipe.train.precision,
            generator=generator,
            group=Group(),
        )
        optimizer.step()
        seconds.append(time.perf_counter() - started)
    return clocks.run(seconds, [0.0] * len(seconds))


class _Ready:
    """`TrainData` of batches that are there already."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def batches_per_epoch(self, batch_size: int) -> int:
        return len(self._batches)

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        return iter(self._batches[start:])


def _median_ms(seconds: list[float], clips: int) -> float:
    return float(f"{1000 * statistics.median(seconds) / clips:.4g}")
