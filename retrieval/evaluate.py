"""A split judged: both directions, every stage, every tie rule, and the protocol it was done by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retrieval import metrics, normalise
from retrieval.ahead import check_judged, refuse_overlap
from retrieval.cache import Cache
from retrieval.checkpoint import Checkpoint
from retrieval.compute import Compute
from retrieval.datasets import Clips, Dataset, FrameReader, PartName, Split
from retrieval.encode import Encoded, encode_split, encode_texts
from retrieval.model import Retriever
from retrieval.protocol import protocol
from retrieval.recipe import TrainRecipe
from retrieval.rerank import Direction, coarse_only, score_direction

#: Captions of training videos that make the query bank.
BANK_SIZE = 5000

BEST_OWN, BEST_PER_VIDEO = metrics.VIDEO_TO_TEXT_RULES


def score_split(
    model: Retriever, encoded: Encoded, *, top_k: int | None, compute: Compute
) -> tuple[Direction, Direction]:
    """Text to video, and video to text."""
    count = len(encoded.split.video_ids)
    by_text, by_video = (
        score_direction(model, encoded.texts, encoded.videos, count, rows=rows, top_k=top_k, compute=compute)
        for rows in ("text", "video")
    )
    return by_text, by_video


def evaluate_split(
    model: Retriever, recipe: TrainRecipe, split: Split, *, compute: Compute
) -> dict[str, float]:
    """The flat numbers that a training run logs and selects by, of the stage that answers.

    Keys: `t2v_R@1` and so on, `v2t_…` by the best own caption among all captions, and `mean_R@1`.
    """
    encoded = encode_split(
        model,
        split,
        FrameReader.of(recipe.frames, cache=recipe.data.cache),
        compute=compute,
        batch_size=recipe.eval.batch_size,
        threads=recipe.train.loader_threads,
    )
    by_text, by_video = score_split(model, encoded, top_k=recipe.eval.top_k, compute=compute)
    columns = split.caption_videos
    ranks = {
        "t2v": metrics.text_to_video(by_text.final, columns),
        "v2t": metrics.VIDEO_TO_TEXT_RULES[BEST_OWN](by_video.final.T, columns),
    }
    flat: dict[str, float] = {}
    for direction, found in ranks.items():
        summary = metrics.summarise(found)
        flat |= {f"{direction}_R@{k}": value for k, value in summary.recall.items()}
        flat |= {f"{direction}_MdR": summary.median_rank, f"{direction}_MnR": summary.mean_rank}
    flat["mean_R@1"] = (flat["t2v_R@1"] + flat["v2t_R@1"]) / 2
    flat["failed_videos"] = float(len(split.video_ids) - len(encoded.videos.readable))
    return flat


def measure(
    encoded: Encoded, by_text: Direction, by_video: Direction, *, top_k: int | None
) -> dict[str, Any]:
    """All numbers of a result: for both directions every stage, under every tie rule, and the ceilings."""
    columns = encoded.split.caption_videos
    width = {"text": len(encoded.split.video_ids), "video": len(encoded.split.captions)}
    own = metrics.VIDEO_TO_TEXT_RULES
    return {
        "text_to_video": {
            stage: _summaries(metrics.text_to_video(scores, columns))
            for stage, scores in by_text.stages().items()
        },
        "video_to_text": {
            rule: {
                stage: _summaries(own[rule](scores.T, columns)) for stage, scores in by_video.stages().items()
            }
            for rule in own
        },
        "oracle_recall": {
            "K": top_k,
            "text_to_video": 100.0
            * float(metrics.text_to_video(by_text.coarse, columns).hits(top_k or width["text"]).mean()),
            "video_to_text": 100.0
            * float(own[BEST_OWN](by_video.coarse.T, columns).hits(top_k or width["video"]).mean()),
        },
        "pairs_scored": {"text_to_video": by_text.pairs, "video_to_text": by_video.pairs},
    }


def measure_normalised(
    encoded: Encoded,
    by_text: Direction,
    by_video: Direction,
    bank: np.ndarray | None,
    *,
    with_dual_softmax: bool,
) -> dict[str, Any]:
    """The columns that look beyond one query, for the coarse stage: only there scores compare across rows.

    `bank` has the coarse scores of training captions with the split's videos; None leaves that column out.
    """
    columns = encoded.split.caption_videos
    own = metrics.VIDEO_TO_TEXT_RULES[BEST_OWN]
    # Coarse scores are cosines over the learned temperature: softmax needs no other one.
    result: dict[str, Any] = {}
    if with_dual_softmax:
        by_text_twice, by_video_twice = (
            normalise.dual_softmax(direction.coarse, 1.0) for direction in (by_text, by_video)
        )
        result[normalise.DUAL_SOFTMAX_LABEL] = {
            "text_to_video": _summaries(metrics.text_to_video(by_text_twice, columns)),
            "video_to_text": {BEST_OWN: _summaries(own(by_video_twice.T, columns))},
        }
    if bank is not None:
        scores = normalise.query_bank(by_text.coarse, bank, 1.0)
        result[normalise.QUERY_BANK_LABEL] = {
            "text_to_video": _summaries(metrics.text_to_video(scores, columns)),
            "num_bank_queries": len(bank),
        }
    return result


@torch.no_grad()
def bank_scores(
    model: Retriever, train: Clips, encoded: Encoded, *, size: int, seed: int, compute: Compute
) -> np.ndarray:
    """Coarse scores of `size` training captions, drawn by the seed, with all videos of the split."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(train))[:size]
    captions = [texts[int(rng.integers(len(texts)))] for i in drawn if (texts := train.captions(int(i)))]
    texts = encode_texts(model, captions, compute=compute)
    return coarse_only(model, texts, encoded.videos, len(encoded.split.video_ids), compute)


def curve_point(model: Retriever, encoded: Encoded, k: int | None, compute: Compute) -> dict[str, Any]:
    """Text to video at one K: accuracy, wall time of a query, pairs that the fine stage scored for it."""
    split = encoded.split
    direction = score_direction(
        model, encoded.texts, encoded.videos, len(split.video_ids), rows="text", top_k=k, compute=compute
    )
    ranks = metrics.text_to_video(direction.final, split.caption_videos)
    queries = len(encoded.texts.features)
    summary = metrics.summarise(ranks)
    chance = {}
    if direction.chance is not None:
        of_chance = metrics.summarise(metrics.text_to_video(direction.chance, split.caption_videos))
        chance = {f"chance_R@{at}": value for at, value in of_chance.recall.items()}
    return {
        "K": k if k is not None else len(split.video_ids),
        "all": k is None,
        **{f"R@{at}": value for at, value in summary.recall.items()},
        **chance,
        "MnR": summary.mean_rank,
        "oracle_recall": 100.0
        * float(
            metrics.text_to_video(direction.coarse, split.caption_videos)
            .hits(k or len(split.video_ids))
            .mean()
        ),
        "ms_per_query": 1000.0 * (direction.coarse_seconds + direction.fine_seconds) / queries,
        "pairs_per_query": direction.pairs / queries,
    }


def _summaries(ranks: metrics.Ranks) -> dict[str, Any]:
    return {rule: summary.to_json() for rule, summary in metrics.summarise_all_rules(ranks).items()}


def evaluate(
    checkpoint: Checkpoint,
    dataset: Dataset,
    part: PartName,
    *,
    top_k: int | None,
    post_processing: Sequence[str] = (),
    curve: Sequence[int | None] = (),
    device: torch.device,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """The whole result of a checkpoint on a part of a data set, ready to be stored.

    Each name in `post_processing`, of `normalise.POST_PROCESSING`, adds columns of its own; each K of `curve`
    (None is all) a measurement of accuracy, time and pairs. Refuses a test that the training list shares
    videos with.
    """
    check_judged(dataset, part, post_processing)
    split = dataset.part(part)
    refuse_overlap(checkpoint.info.get("trained_on"), split)
    model, recipe = checkpoint.model, checkpoint.recipe
    reader = FrameReader.of(recipe.frames, cache=recipe.data.cache)
    compute = Compute(device=device, precision=recipe.train.precision)
    cache = Cache(folder=Path(recipe.data.cache) / "features") if recipe.data.cache else None
    on_stage(f"encode {len(split.video_ids):,} videos and {len(split.captions):,} captions")
    encoded = encode_split(
        model,
        split,
        reader,
        compute=compute,
        batch_size=recipe.eval.batch_size,
        threads=recipe.train.loader_threads,
        cache=cache,
    )
    on_stage("score all pairs, then the candidates again")
    by_text, by_video = score_split(model, encoded, top_k=top_k, compute=compute)
    result: dict[str, Any] = {
        "protocol": protocol(
            split,
            recipe,
            reader,
            checkpoint.info,
            top_k=top_k,
            post_processing=post_processing,
            compute=compute,
        ),
        "model": {
            "checkpoint": Path(checkpoint.reference).name,
            **{key: checkpoint.info.get(key) for key in ("step", "digest", "trained_on", "activation")},
            # What the coarse score counts in the fused one; 1 where nothing was learned.
            "prior_weight": None if model.interaction is None else model.interaction.prior_weight().item(),
        },
        "videos_by_status": encoded.videos.health.counts,
        "results": measure(encoded, by_text, by_video, top_k=top_k),
        "seconds": {
            "encode": encoded.seconds,
            "text_to_video": {"coarse": by_text.coarse_seconds, "fine": by_text.fine_seconds},
            "video_to_text": {"coarse": by_video.coarse_seconds, "fine": by_video.fine_seconds},
        },
    }
    if post_processing:
        bank = None
        if "query-bank" in post_processing:
            assert dataset.train is not None, "check_judged saw to it"
            on_stage("score the query bank")
            bank = bank_scores(
                model, dataset.train, encoded, size=BANK_SIZE, seed=recipe.seed, compute=compute
            )
        result["post_processed"] = measure_normalised(
            encoded, by_text, by_video, bank, with_dual_softmax="dual-softmax" in post_processing
        )
    for k in curve:
        on_stage(f"curve, K = {'all' if k is None else k}")
        result.setdefault("curve", []).append(curve_point(model, encoded, k, compute))
    return result
