"""The second stage over a whole split, in both directions: score matrices, and what chance would give.

A video that could not be read stays out of reach.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from retrieval.compute import Compute
from retrieval.encode import EncodedTexts, EncodedVideos, Ragged
from retrieval.model import Features, Retriever
from retrieval.score import Retrieved, Rows, coarse, rescore

#: The stage that is none: candidates in random order.
CHANCE = "chance within K"

#: Queries whose candidates are held with their tokens at once.
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """All scores of one direction, q queries against g gallery items; larger is better.

    `coarse` is stage 1. `joint` and `fused` are the fine stage alone and with the coarse score as its prior,
    put above the rest of the row, which keeps its stage-1 order: only the order of a row means something. A
    video that could not be read has minus infinity everywhere. `candidates` are what the fine stage ordered
    anew, `pairs` how many query-item pairs it scored for that. Without a fine stage, `joint`, `fused` and
    `candidates` are None. `coarse_seconds` and `fine_seconds` are the wall time of all queries, encoding not
    included.
    """

    coarse: Float[np.ndarray, "q g"]
    joint: Float[np.ndarray, "q g"] | None
    fused: Float[np.ndarray, "q g"] | None
    candidates: Bool[np.ndarray, "q g"] | None
    pairs: int
    coarse_seconds: float
    fine_seconds: float

    @property
    def final(self) -> Float[np.ndarray, "q g"]:
        """What the model answers with: fused where there is a fine stage."""
        return self.coarse if self.fused is None else self.fused

    @property
    def chance(self) -> Float[np.ndarray, "q g"] | None:
        """A fine stage that knows nothing: all candidates tied above the rest.

        Expected ranks are then those of a random order, which is what the fine stage has to beat.
        """
        if self.candidates is None:
            return None
        return np.where(self.candidates, np.finfo(self.coarse.dtype).max, self.coarse)

    def stages(self) -> dict[str, Float[np.ndarray, "q g"]]:
        """Scores by the name of their stage."""
        named = {"coarse": self.coarse, "fine": self.joint, CHANCE: self.chance, "fused": self.fused}
        return {name: scores for name, scores in named.items() if scores is not None}


@torch.no_grad()
def score_direction(
    model: Retriever,
    texts: EncodedTexts,
    videos: EncodedVideos,
    num_videos: int,
    *,
    rows: Rows,
    top_k: int | None,
    compute: Compute,
) -> Direction:
    """Captions ask for videos (`rows = "text"`) or videos for captions; fine sees the top K of each query.

    `num_videos` counts the unreadable ones, too: they are gallery items, or queries, without scores.
    """
    words, films = texts.features, videos.features
    queries, gallery = (words, films) if rows == "text" else (films, words)
    started = time.perf_counter()
    similarity = _similarity(model, words, films, compute)
    scores = similarity if rows == "text" else similarity.T.contiguous()
    coarse_seconds = time.perf_counter() - started
    again = _rescore(model, queries, gallery, scores, rows, top_k, compute)
    fine_seconds = 0.0 if again.joint is None else time.perf_counter() - started - coarse_seconds

    def expand(matrix: Tensor, missing: float | bool = -np.inf) -> np.ndarray:
        full = _expand(matrix if rows == "text" else matrix.T, texts, videos, num_videos, missing)
        return full if rows == "text" else full.T

    return Direction(
        coarse=expand(scores),
        joint=None if again.joint is None else expand(again.joint),
        fused=None if again.fused is None else expand(again.fused),
        candidates=None if again.joint is None else expand(again.candidates, False),
        pairs=0 if again.joint is None else int(again.candidates.sum()),
        coarse_seconds=coarse_seconds,
        fine_seconds=fine_seconds,
    )


@torch.no_grad()
def coarse_only(
    model: Retriever, texts: EncodedTexts, videos: EncodedVideos, num_videos: int, compute: Compute
) -> Float[np.ndarray, "c v"]:
    """Stage 1 of captions with videos."""
    similarity = _similarity(model, texts.features, videos.features, compute)
    return _expand(similarity, texts, videos, num_videos, -np.inf)


def _similarity(
    model: Retriever, words: Ragged, films: Ragged, compute: Compute
) -> Float[Tensor, "text video"]:
    """On the CPU when done, so that the time measured around it is the time it took."""
    return coarse(_pooled(words, compute.device), _pooled(films, compute.device), model.temperature()).cpu()


def _expand(
    matrix: Shaped[Tensor, "text video"],
    texts: EncodedTexts,
    videos: EncodedVideos,
    num_videos: int,
    missing: float | bool,
) -> Shaped[np.ndarray, "c v"]:
    """From different texts and readable videos to all captions and all videos."""
    by_text = matrix.numpy()
    full = np.full((len(texts.rows), num_videos), missing, dtype=by_text.dtype)
    full[:, videos.readable] = by_text[texts.rows]
    return full


def _rescore(
    model: Retriever,
    queries: Ragged,
    gallery: Ragged,
    scores: Float[Tensor, "q g"],
    rows: Rows,
    top_k: int | None,
    compute: Compute,
) -> Retrieved:
    """Stage 2 of all queries, some at a time, the workers in turn; each ends with all."""
    # Queries of like length together: the padding of a block is work.
    order = np.argsort(np.diff(queries.firsts), kind="stable")
    firsts = range(0, len(scores), _QUERIES_AT_ONCE)
    own: dict[int, Retrieved] = {}
    for first in firsts[compute.group.rank :: compute.group.size]:
        some = order[first : first + _QUERIES_AT_ONCE]
        with compute.autocast():
            own[first] = rescore(
                model.interaction,
                queries.gather(some, compute.device),
                lambda columns: gallery.gather(columns.numpy(), compute.device),
                scores[torch.from_numpy(some)],
                top_k=top_k,
                rows=rows,
            )
    done = compute.group.union(own)
    blocks = [done[first] for first in firsts]
    back = torch.from_numpy(np.argsort(order))
    return Retrieved(
        coarse=scores,
        candidates=torch.cat([block.candidates for block in blocks])[back],
        joint=_joined([block.joint for block in blocks], back),
        fused=_joined([block.fused for block in blocks], back),
    )


def _joined(parts: Sequence[Tensor | None], back: Tensor) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there)[back] if there else None


def _pooled(ragged: Ragged, device: torch.device) -> Features:
    """The vectors of the coarse stage, without tokens."""
    nothing = ragged.tokens.new_zeros(len(ragged), 0, ragged.tokens.shape[1])
    mask = torch.zeros(len(ragged), 0, dtype=torch.bool)
    return Features(pooled=ragged.pooled, tokens=nothing, mask=mask).to(device)
