"""Coarse-to-fine beside exhaustive interaction, and the training loop beside a bare step of its model.

Films the demo photographs, trains `recipes/demo.toml` on them, films 1,000 other takes for a gallery, and
asks every different caption of it for its best video: with K = 50 candidates, and with all 1,000. Then
epochs of `retrieval.train` in turn with the same steps on batches that lie ready in memory.

    python benchmarks/retrieval_speed.py [--run FOLDER] [--scratch FOLDER] [--quick]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.build import build
from animate.recipe import read_recipe
from benchmarks import measure
from benchmarks.measure import Spread
from retrieval.batch import Batch, TrainData
from retrieval.checkpoint import load_checkpoint, start_model
from retrieval.datasets import FrameReader, open_dataset, train_data
from retrieval.directions import Direction, score_direction
from retrieval.encode import Encoded, encode_split
from retrieval.gradients import accumulate_gradients
from retrieval.group import Group
from retrieval.model import Retriever
from retrieval.optimizer import build_optimizer
from retrieval.recipe import DataSpec, TrainRecipe, load_recipe
from retrieval.train import Report, train

GALLERY, TOP_K = 1000, 50
CPU = torch.device("cpu")


def main() -> None:
    options = measure.arguments(__doc__, run="", scratch="")
    torch.set_num_threads(1)
    machine = measure.machine()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(options.scratch or temporary)
        recipe = _recipe(scratch)
        run = Path(options.run or scratch / "run")
        if not run.exists():
            train(
                recipe, start_model(recipe), train_data(recipe), out=run, evaluate=None, device=CPU,
            )  # fmt: skip
        search = _search(load_checkpoint(run).model, recipe, scratch, rounds=2 if options.quick else 5)
        loop = _loop(recipe, Path(temporary), rounds=2 if options.quick else 4)
    targets = [
        measure.target("wall time of exhaustive over coarse-to-fine", search["wall_ratio"], 10.0),
        measure.target("per cent of queries with the same top-1", search["same_top_1"], 99.0),
        measure.target("loader and loop overhead, per cent", loop["overhead_percent"], 10.0, at_most=True),
    ]
    measure.write(
        options.results,
        "retrieval_speed",
        {"machine": machine, "threads": 1, "search": search, "training": loop, "targets": targets},
    )
    measure.print_targets(targets)


def _recipe(scratch: Path) -> TrainRecipe:
    """The demo's, over shards filmed as its first lines say."""
    shards = scratch / "demo"
    build(read_recipe(None, ['source.name="demo"', "takes=32"]), shards, workers=0)
    recipe = load_recipe(measure.ROOT / "recipes" / "demo.toml")
    return replace(
        recipe,
        data=DataSpec(name="shards", shards=(str(shards),)),
        train=replace(recipe.train, log_to="none", keep=1),
        eval=replace(recipe.eval, select_on="none"),
    )


def _search(model: Retriever, recipe: TrainRecipe, scratch: Path, *, rounds: int) -> dict[str, Any]:
    """Both ways over the same encoded gallery, in turn."""
    encoded = _gallery(model, recipe, scratch)
    ways: dict[str, int | None] = {"coarse_to_fine": TOP_K, "exhaustive": None}
    answers: dict[str, Direction] = {}

    def ask(name: str) -> float:
        count = len(encoded.split.video_ids)
        started = time.perf_counter()
        answers[name] = score_direction(
            model, encoded.texts, encoded.videos, count, rows="text", top_k=ways[name], device=CPU
        )
        return time.perf_counter() - started

    seconds = measure.interleaved({name: lambda name=name: ask(name) for name in ways}, rounds)
    # Each caption once: equal texts have equal answers.
    _, once = np.unique(encoded.texts.rows, return_index=True)
    best = {name: answer.final[once].argmax(axis=1) for name, answer in answers.items()}
    photographs = np.array([key.rpartition("_")[0] for key in encoded.split.video_ids])
    shown = [photographs[best[name]] for name in ways]
    ratios = [
        whole / short for whole, short in zip(seconds["exhaustive"], seconds["coarse_to_fine"], strict=True)
    ]
    return {
        "gallery": len(encoded.split.video_ids),
        "queries": len(once),
        "K": TOP_K,
        "pairs_scored": {name: answer.pairs for name, answer in answers.items()},
        "seconds": {name: Spread.of(values).to_json() for name, values in seconds.items()},
        "wall_ratio": statistics.median(ratios),
        "same_top_1": 100.0 * float((best["coarse_to_fine"] == best["exhaustive"]).mean()),
        # 63 films are of one photograph, more than K: among those the two ways may differ.
        "same_top_1_photograph": 100.0 * float((shown[0] == shown[1]).mean()),
    }


def _gallery(model: Retriever, recipe: TrainRecipe, scratch: Path) -> Encoded:
    """1,000 films, or a few more, that the model has not seen."""
    stills = len(list((measure.ROOT / "animate" / "demo").glob("*.jpg")))
    shards = scratch / "gallery"
    takes = -(-GALLERY // stills)
    build(read_recipe(None, ['source.name="demo"', "seed=1", f"takes={takes}"]), shards, workers=0)
    split = open_dataset(DataSpec(name="shards", held_out=(str(shards),))).test
    assert split is not None
    return encode_split(model, split, FrameReader.of(recipe.frames), device=CPU, batch_size=64)


def _loop(recipe: TrainRecipe, scratch: Path, *, rounds: int) -> dict[str, Any]:
    """Epochs of the loop beside its steps alone on batches that are ready; no evaluation, no checkpoint."""
    recipe = replace(recipe, train=replace(recipe.train, epochs=1))
    size = recipe.train.batch_size
    ready = list(train_data(recipe).batches(epoch=0, batch_size=size, start=0, rank=0, workers=1))
    waits: list[float] = []
    number = iter(range(1000))

    def looped(data: TrainData) -> float:
        reports: list[Report] = []
        out = scratch / f"loop_{next(number)}"
        model = start_model(recipe)
        train(
            recipe, model, data, out=out, evaluate=None, device=CPU, on_step=reports.append
        )  # fmt: skip
        waits.append(statistics.fmean(report.waited for report in reports))
        # The first step waits for the first batch and warms everything up.
        return sum(size / report.clips_per_second for report in reports[1:]) / (len(reports) - 1)

    cases = {
        "bare": lambda: _bare(recipe, ready),
        "loop, batches ready": lambda: looped(_Ready(ready)),
        "loop": lambda: looped(train_data(recipe)),
    }
    seconds = measure.interleaved(cases, rounds)
    rates = {name: Spread.of([size / value for value in values]) for name, values in seconds.items()}
    overheads = [
        100 * (whole / bare - 1) for whole, bare in zip(seconds["loop"], seconds["bare"], strict=True)
    ]
    return {
        "batch_size": size,
        "loader_threads": recipe.train.loader_threads,
        "clips_per_second": {name: rate.to_json() for name, rate in rates.items()},
        "overhead_percent": statistics.median(overheads),
        "waited_for_data_percent": 100 * statistics.median(waits),
    }


class _Ready:
    """`TrainData` of batches that are there already."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def batches_per_epoch(self, batch_size: int) -> int:
        return len(self._batches)

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        return iter(self._batches[start:])


def _bare(recipe: TrainRecipe, ready: list[Batch]) -> float:
    """Seconds of a step: gradients and the optimizer, and nothing else."""
    model = start_model(recipe).train()
    optimizer = build_optimizer(model, recipe.train)
    generator = torch.Generator().manual_seed(0)
    seconds = []
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
    return statistics.fmean(seconds[1:])


if __name__ == "__main__":
    main()
