"""Scores of text-video pairs: coarse() for all of them, fine() for chosen ones, fuse() for both together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn import functional

from retrieval.model.features import Features
from retrieval.model.interaction import Interaction
from retrieval.model.tokens import Read, Watched

Rows = Literal["text", "video"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """Scores of one direction: a row for each of q queries, a column for each of g gallery items.

    `coarse` is stage 1, `candidates` are the pairs that stage 2 scored. `joint` and `fused` are stage 2's
    scores, alone and with the coarse prior, put above the rest of the row, which stays in stage-1 order; None
    without a fine stage.
    """

    coarse: Float[Tensor, "q g"]
    candidates: Bool[Tensor, "q g"]
    joint: Float64[Tensor, "q g"] | None
    fused: Float64[Tensor, "q g"] | None


def coarse(text: Features, video: Features, temperature: Float[Tensor, ""] | float) -> Float[Tensor, "q g"]:
    """Cosine over temperature of every text with every video."""
    similarity = (
        functional.normalize(text.pooled.float(), dim=-1)
        @ functional.normalize(video.pooled.float(), dim=-1).T
    )
    return similarity / temperature


def fine(
    interaction: Interaction,
    text: Features,
    video: Features,
    pairs: Int[Tensor, "p 2"],
    pairs_per_pass: int = 1024,
) -> Float[Tensor, " p"]:
    """Joint-only scores of p (text row, video row) pairs; each text is read and each video watched once."""
    if not len(pairs):
        return text.pooled.new_zeros(0, dtype=torch.float32)
    read, watched, pairs = prepare_pairs(interaction, text, video, pairs)
    scores = [
        interaction(read.take(some[:, 0]), watched.take(some[:, 1])).float()
        for some in pairs.split(pairs_per_pass)
    ]
    return torch.cat(scores)


def prepare_pairs(
    interaction: Interaction, text: Features, video: Features, pairs: Int[Tensor, "p 2"]
) -> tuple[Read, Watched, Int[Tensor, "p 2"]]:
    """The texts and videos that stand in some pairs, prepared, and the pairs by their rows there."""
    texts, text_rows = torch.unique(pairs[:, 0], return_inverse=True)
    videos, video_rows = torch.unique(pairs[:, 1], return_inverse=True)
    prepared = interaction.read(text.take(texts)), interaction.watch(video.take(videos))
    return *prepared, torch.stack([text_rows, video_rows], dim=1)


def fuse(
    interaction: Interaction, coarse_scores: Float[Tensor, "..."], joint_scores: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Both stages together: the joint score and the coarse one as its prior, with its learned weight."""
    return joint_scores + interaction.prior_weight().to(coarse_scores.device) * coarse_scores


def candidates(coarse_scores: Float[Tensor, "q g"], top_k: int | None) -> Bool[Tensor, "q g"]:
    """Each row's K highest scores, and whatever ties with the last of them; all for `None`.

    A tie is never broken by position, so the order of the gallery cannot change the result.
    """
    if top_k is None or top_k >= coarse_scores.shape[1]:
        return torch.ones_like(coarse_scores, dtype=torch.bool)
    if top_k < 1:
        raise ValueError(f"top_k = {top_k}: must be at least 1")
    least = coarse_scores.topk(top_k, dim=1).values[:, -1:]
    return coarse_scores >= least


def keep_order_below(
    coarse_scores: Float[Tensor, "q g"],
    rescored: Float[Tensor, "q g"],
    rescored_mask: Bool[Tensor, "q g"],
) -> Float64[Tensor, "q g"]:
    """The rescored entries in their own order, above all others, which keep their coarse scores.

    Only the order means something. In float64 the shift makes no ties of scores that differed in float32.
    """
    # coarse 5 4 3 1, the first two rescored as -2 and 7: shifted by 3 - (-2) + 1 = 6 they are 4 and 13, so
    # the row reads 4 13 3 1.
    below = coarse_scores.double()
    above = rescored.double()
    infinity = torch.tensor(torch.inf, dtype=torch.float64, device=below.device)
    highest_below = torch.where(rescored_mask, -infinity, below).amax(dim=1, keepdim=True)
    lowest_above = torch.where(rescored_mask, above, infinity).amin(dim=1, keepdim=True)
    # A row rescored in full has nothing below it.
    shift = torch.where(highest_below.isinf(), 0.0, highest_below - lowest_above + 1.0)
    return torch.where(rescored_mask, above + shift, below)


@torch.no_grad()
def rescore(
    interaction: Interaction | None,
    queries: Features,
    gallery: Callable[[Int[Tensor, " n"]], Features],
    scores: Float[Tensor, "q g"],
    *,
    top_k: int | None,
    rows: Rows,
) -> Retrieved:
    """Stage 2 on the top K of each query, given stage 1's scores: the one way in which anything is re-ranked.

    `gallery` gives the features of the items in some columns: it is asked once, and for candidates alone.
    `rows` says which side asks, "text" or "video".
    """
    chosen = candidates(scores, top_k)
    if interaction is None:
        return Retrieved(coarse=scores, candidates=chosen, joint=None, fused=None)
    places = chosen.nonzero()
    columns, place_of = torch.unique(places[:, 1], return_inverse=True)
    items = gallery(columns)
    pairs = torch.stack([places[:, 0], place_of], dim=1).to(items.pooled.device)
    if rows == "text":
        joint = fine(interaction, queries, items, pairs)
    else:
        joint = fine(interaction, items, queries, pairs.flip(1))
    joint = joint.to(scores.device)
    fused = fuse(interaction, scores[chosen], joint)
    return Retrieved(
        coarse=scores,
        candidates=chosen,
        joint=keep_order_below(scores, _scatter(chosen, joint), chosen),
        fused=keep_order_below(scores, _scatter(chosen, fused), chosen),
    )


def _scatter(mask: Bool[Tensor, "q g"], values: Float[Tensor, " p"]) -> Float[Tensor, "q g"]:
    """Values at the True places of the mask, row by row, and 0 elsewhere."""
    full = torch.zeros(mask.shape, dtype=values.dtype, device=values.device)
    full[mask] = values
    return full
