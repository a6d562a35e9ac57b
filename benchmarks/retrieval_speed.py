"""Coarse-to-fine beside exhaustive interaction, and the training loop beside a bare step of its model.

Films the demo photographs and trains `recipes/demo.toml` on them. Its 44 captions are then asked for their
film in four galleries of 1,000: new films of the sixteen photographs, among films of 984 photographs that the
model has not seen; with K = 50 candidates, and with all 1,000. Published beside it: captions of the unseen
photographs, which this model cannot tell apart, and a gallery of 63 films of each demo photograph, which are
more than K and differ by little. Then steps of `retrieval.train` (`training_speed.py`) for the demo's model,
on mp4 and frames shards, and for a ViT-B-32. Without `--distractors` the agreement is not judged.

    python benchmarks/retrieval_speed.py [--distractors FOLDER] [--scratch FOLDER] [--loops demo] [--quick]
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.build import build_shards
from animate.executor import Workforce
from animate.recipe import read_recipe
from benchmarks import measure
from benchmarks.measure import Spread
from benchmarks.training_speed import CPU, loop_overhead, realistic
from retrieval.checkpoint import load_checkpoint, start_model
from retrieval.compute import Compute
from retrieval.datasets import FrameReader, Split, open_dataset
from retrieval.encode import EncodedVideos, Ragged, encode_texts, encode_videos
from retrieval.loader import train_data
from retrieval.model import Features, Retriever
from retrieval.recipe import DataSpec, TrainRecipe, load_recipe
from retrieval.rerank import score_direction
from retrieval.train import train

HERE = Compute(device=CPU)
GALLERY, TOP_K, GALLERIES, UNSEEN = 1000, 50, 4, 200
WAYS: dict[str, int | None] = {"coarse_to_fine": TOP_K, "exhaustive": None}
NATURAL = measure.ROOT.parent / "shared" / "data" / "flickr8k-224"


def main() -> None:
    options = measure.arguments(__doc__, run="", scratch="", distractors=str(NATURAL), loops="demo,ViT-B-32")
    torch.set_num_threads(1)
    machine = measure.machine()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(options.scratch or temporary)
        recipe = _recipe(scratch, "mp4")
        run = Path(options.run or scratch / "run")
        if not run.exists():
            train(
                recipe, start_model(recipe), train_data(recipe), out=run, evaluate=None, device=CPU,
            )  # fmt: skip
        model = load_checkpoint(run).model
        search = _search(model, recipe, scratch, Path(options.distractors), rounds=2 if options.quick else 5)
        rounds = 2 if options.quick else 4
        loops: dict[str, Any] = {}
        if "demo" in options.loops.split(","):
            loops["demo, mp4"] = loop_overhead(recipe, steps=16, rounds=rounds)
            loops["demo, frames"] = loop_overhead(_recipe(scratch, "frames"), steps=16, rounds=rounds)
        if "ViT-B-32" in options.loops.split(","):
            rounds = 1 if options.quick else 3
            loops["ViT-B-32, mp4"] = loop_overhead(realistic(recipe), steps=3, rounds=rounds)
    same = search["demo captions"]["same_film"]
    targets = [
        measure.target("wall time of exhaustive over coarse-to-fine", search["wall_ratio"], 10.0),
        *([measure.target("per cent of queries with the same top-1", same, 99.0)] if same else []),
        *([_above_chance(search["demo captions"])] if same else []),
        *(
            measure.target(
                f"loader and loop overhead, {name}, per cent", loop["overhead_percent"], 10.0, at_most=True
            )
            for name, loop in loops.items()
        ),
    ]
    measure.write(
        options.results,
        "retrieval_speed",
        {"machine": machine, "threads": 1, "search": search, "training": loops, "targets": targets},
    )
    measure.print_targets(targets)


def _above_chance(found: dict[str, Any]) -> dict[str, Any]:
    """A stage that moves nothing would agree with itself: the fine stage alone has to know something."""
    chance = found["chance_within_K_R@1"]
    claim = "R@1 of the fine stage alone, of which chance within K is " + f"{chance:.1f}"
    return measure.target(claim, found["fine_alone_R@1"], 2 * chance)


def _recipe(scratch: Path, format: str) -> TrainRecipe:
    """The demo's, over shards filmed as its first lines say, twice as often."""
    shards = _film(scratch / f"demo_{format}", 'source.name="demo"', "takes=32", f'video.format="{format}"')
    recipe = load_recipe(measure.ROOT / "recipes" / "demo.toml")
    return replace(
        recipe,
        data=DataSpec(name="shards", shards=(str(shards),)),
        train=replace(recipe.train, log_to="none", keep=1),
        eval=replace(recipe.eval, select_on="none"),
    )


def _film(shards: Path, *overrides: str) -> Path:
    build_shards(read_recipe(None, list(overrides)), shards, workforce=Workforce(workers=0))
    return shards


def _search(
    model: Retriever, recipe: TrainRecipe, scratch: Path, distractors: Path, *, rounds: int
) -> dict[str, Any]:
    """Both ways over the same encoded galleries; timed in turn over the last of them."""
    stills = len(list((measure.ROOT / "animate" / "demo").glob("*.jpg")))
    takes = -(-GALLERY // stills)
    crowd, crowd_films = _encode(
        model, recipe, _film(scratch / "gallery", 'source.name="demo"', "seed=1", f"takes={takes}")
    )
    queries = list(dict.fromkeys(crowd.texts))
    photographs = np.array([key.rpartition("_")[0] for key in crowd.video_ids])
    best = {name: _Answer(model, queries, crowd_films, k).best for name, k in WAYS.items()}
    found: dict[str, Any] = {
        "near duplicates": {
            "gallery": f"{takes} films of each of {stills} photographs",
            "queries": len(queries),
            "same_film": _same(best),
            "same_photograph": _same({name: photographs[rows] for name, rows in best.items()}),
        },
        "demo captions": {"queries": 0, "same_film": None},
    }
    timed = crowd_films
    if distractors.is_dir():
        others, other_films = _encode(
            model,
            recipe,
            _film(
                scratch / "distractors", 'source.name="folder"', f'source.path="{distractors}"', "seed=1",
                f"source.limit={2 * (GALLERY - stills)}",
            ),
        )  # fmt: skip
        # Take g of every demo photograph among one half of the others, each photograph in a gallery once.
        halves = np.array_split(np.arange(len(other_films.features)), 2)
        seen: dict[str, list[np.ndarray]] = {name: [] for name in WAYS}
        fine: list[np.ndarray] = []
        chance: list[np.ndarray] = []
        stills_of = {text: photographs[video] for video, text in crowd.captions}
        unseen: dict[str, list[np.ndarray]] = {name: [] for name in WAYS}
        for number in range(GALLERIES):
            own = [i for i, key in enumerate(crowd.video_ids) if key.endswith(f"_{number}")]
            half = halves[number % 2]
            timed = _gallery((crowd_films, own), (other_films, half))
            columns = {photographs[row]: column for column, row in enumerate(own)}
            truth = np.array([columns[stills_of[text]] for text in queries])
            for name, k in WAYS.items():
                answer = _Answer(model, queries, timed, k)
                seen[name].append(answer.best)
                if k is not None:
                    fine.append(answer.fine_alone == truth)
                    chance.append(answer.chance(truth))
            if number < 2:
                captions = sorted({text for video, text in others.captions if video in set(half.tolist())})
                drawn = np.random.default_rng(number).choice(len(captions), UNSEEN // 2, replace=False)
                for name, k in WAYS.items():
                    unseen[name].append(_Answer(model, [captions[i] for i in drawn], timed, k).best)
        for title, answers in (("demo captions", seen), ("unseen captions", unseen)):
            joined = {name: np.concatenate(rows) for name, rows in answers.items()}
            found[title] = {
                "gallery": f"{stills} films of the demo among {len(timed.features) - stills} of others",
                "queries": len(joined["exhaustive"]),
                "same_film": _same(joined),
            }
        found["demo captions"] |= {
            "fine_alone_R@1": 100.0 * float(np.concatenate(fine).mean()),
            "chance_within_K_R@1": 100.0 * float(np.concatenate(chance).mean()),
        }
    return {**_times(model, queries, timed, rounds), **found}


def _times(model: Retriever, queries: list[str], films: EncodedVideos, rounds: int) -> dict[str, Any]:
    pairs: dict[str, int] = {}

    def ask(name: str) -> float:
        answer = _Answer(model, queries, films, WAYS[name])
        pairs[name] = answer.pairs
        return answer.seconds

    seconds = measure.interleaved({name: lambda name=name: ask(name) for name in WAYS}, rounds)
    ratios = [
        whole / short for whole, short in zip(seconds["exhaustive"], seconds["coarse_to_fine"], strict=True)
    ]
    return {
        "gallery": len(films.features),
        "queries": len(queries),
        "K": TOP_K,
        "pairs_scored": pairs,
        "seconds": {name: Spread.of(values).to_json() for name, values in seconds.items()},
        "wall_ratio": statistics.median(ratios),
    }


class _Answer:
    """The best film's row for each query, and what it took to find."""

    def __init__(self, model: Retriever, queries: list[str], films: EncodedVideos, top_k: int | None) -> None:
        texts = encode_texts(model, queries, compute=HERE)
        count = len(films.features)
        started = time.perf_counter()
        answer = score_direction(model, texts, films, count, rows="text", top_k=top_k, compute=HERE)
        self.seconds = time.perf_counter() - started
        self.best = answer.final.argmax(axis=1)
        self.pairs = answer.pairs
        assert answer.joint is not None and answer.candidates is not None
        self.fine_alone = answer.joint.argmax(axis=1)
        self._candidates = answer.candidates

    def chance(self, truth: np.ndarray) -> np.ndarray:
        """That each query's own film comes first in a random order of its candidates."""
        there = self._candidates[np.arange(len(truth)), truth]
        return there / self._candidates.sum(axis=1)


def _encode(model: Retriever, recipe: TrainRecipe, shards: Path) -> tuple[Split, EncodedVideos]:
    split = open_dataset(DataSpec(name="shards", held_out=(str(shards),))).test
    assert split is not None
    films = encode_videos(model, split.clips, FrameReader.of(recipe.frames), compute=HERE)
    assert len(films.readable) == len(split.video_ids), "every film of ours can be read"
    return split, films


def _gallery(*parts: tuple[EncodedVideos, Sequence[int] | np.ndarray]) -> EncodedVideos:
    """Some films of several sets as one."""
    features = Features.cat([films.features.gather(np.asarray(rows), CPU) for films, rows in parts])
    return replace(
        parts[0][0],
        features=Ragged.of([features]),
        seconds=tuple(films.seconds[row] for films, rows in parts for row in rows),
        readable=np.arange(len(features)),
    )


def _same(best: dict[str, np.ndarray]) -> float:
    return 100.0 * float((best["coarse_to_fine"] == best["exhaustive"]).mean())


if __name__ == "__main__":
    main()
