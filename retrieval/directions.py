"""Score matrices of both directions, from encoded videos and texts; unreadable videos stay out of reach."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from retrieval.encode import EncodedTexts, EncodedVideos, Ragged
from retrieval.model import Features, Retriever
from retrieval.score import Rows, candidates, coarse, fine, fuse, keep_order_below

# Queries whose candidates are held with their tokens at once.
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """All scores of one direction, q queries against g gallery items; larger is better.

    coarse: stage 1. joint, fused: the fine stage alone and with the coarse score as its prior, above the
        rest of the row, which keeps its stage-1 order; only the order of a row means something. None
        without a fine stage. A video that could not be read has minus infinity everywhere.
    pairs: query-item pairs that the fine stage scored.
    coarse_seconds, fine_seconds: wall time of all queries, encoding not included.
    """

    coarse: Float[np.ndarray, "q g"]
    joint: Float[np.ndarray, "q g"] | None
    fused: Float[np.ndarray, "q g"] | None
    pairs: int
    coarse_seconds: float
    fine_seconds: float

    @property
    def final(self) -> Float[np.ndarray, "q g"]:
        """What the model answers with: fused where there is a fine stage."""
        return self.coarse if self.fused is None else self.fused

    def stages(self) -> dict[str, Float[np.ndarray, "q g"]]:
        named = {"coarse": self.coarse, "fine": self.joint, "fused": self.fused}
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
    device: torch.device,
) -> Direction:
    """Captions ask for videos (`rows = "text"`) or videos for captions; fine sees the top K of each query.

    `num_videos` counts the unreadable ones, too: they are gallery items, or queries, without scores.
    """
    words, films = texts.features, videos.features
    queries, gallery = (words, films) if rows == "text" else (films, words)
    started = time.perf_counter()
    similarity = _similarity(model, words, films, device)
    scores = similarity if rows == "text" else similarity.T.contiguous()
    coarse_seconds = time.perf_counter() - started
    joint, fused, pairs = _rescore(model, queries, gallery, scores, rows, top_k, device)
    fine_seconds = time.perf_counter() - started - coarse_seconds if pairs else 0.0

    def expand(matrix: Tensor) -> np.ndarray:
        full = _expand(matrix if rows == "text" else matrix.T, texts, videos, num_videos)
        return full if rows == "text" else full.T

    return Direction(
        coarse=expand(scores),
        joint=None if joint is None else expand(joint),
        fused=None if fused is None else expand(fused),
        pairs=pairs,
        coarse_seconds=coarse_seconds,
        fine_seconds=fine_seconds,
    )


@torch.no_grad()
def coarse_only(
    model: Retriever, texts: EncodedTexts, videos: EncodedVideos, num_videos: int, device: torch.device
) -> Float[np.ndarray, "c v"]:
    """Stage 1 of captions with videos."""
    return _expand(_similarity(model, texts.features, videos.features, device), texts, videos, num_videos)


def _similarity(
    model: Retriever, words: Ragged, films: Ragged, device: torch.device
) -> Float[Tensor, "text video"]:
    """On the CPU when done, so that the time measured around it is the time it took."""
    return coarse(_pooled(words, device), _pooled(films, device), model.temperature()).cpu()


def _expand(
    matrix: Float[Tensor, "text video"], texts: EncodedTexts, videos: EncodedVideos, num_videos: int
) -> Float[np.ndarray, "c v"]:
    """From different texts and readable videos to all captions and all videos."""
    by_text = matrix.numpy()
    full = np.full((len(texts.rows), num_videos), -np.inf, dtype=by_text.dtype)
    full[:, videos.readable] = by_text[texts.rows]
    return full


def _rescore(
    model: Retriever,
    queries: Ragged,
    gallery: Ragged,
    scores: Float[Tensor, "q g"],
    rows: Rows,
    top_k: int | None,
    device: torch.device,
) -> tuple[Tensor | None, Tensor | None, int]:
    """Joint and fused matrices and the number of pairs scored; only candidates' tokens are ever gathered."""
    if model.interaction is None:
        return None, None, 0
    joint = torch.empty(scores.shape, dtype=torch.float64)
    fused = torch.empty(scores.shape, dtype=torch.float64)
    pairs = 0
    for first in range(0, len(scores), _QUERIES_AT_ONCE):
        block = scores[first : first + _QUERIES_AT_ONCE]
        chosen = candidates(block, top_k)
        needed, places = torch.unique(chosen.nonzero()[:, 1], return_inverse=True)
        asked = queries.gather(np.arange(first, first + len(block)), device)
        found = gallery.gather(needed.numpy(), device)
        pair = torch.stack([chosen.nonzero()[:, 0], places], dim=1).to(device)
        sides = (asked, found) if rows == "text" else (found, asked)
        new = fine(model.interaction, *sides, pair if rows == "text" else pair.flip(1))
        both = fuse(model.interaction, block[chosen].to(device), new)
        for matrix, values in ((joint, new), (fused, both)):
            full = torch.zeros(block.shape)
            full[chosen] = values.float().cpu()
            matrix[first : first + len(block)] = keep_order_below(block, full, chosen)
        pairs += len(pair)
    return joint, fused, pairs


def _pooled(ragged: Ragged, device: torch.device) -> Features:
    """The vectors of the coarse stage, without tokens."""
    nothing = ragged.tokens.new_zeros(len(ragged), 0, ragged.tokens.shape[1])
    mask = torch.zeros(len(ragged), 0, dtype=torch.bool)
    return Features(pooled=ragged.pooled, tokens=nothing, mask=mask).to(device)
