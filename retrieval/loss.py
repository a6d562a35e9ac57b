"""The losses, as functions of scores: symmetric contrastive, and sampled softmax over drawn negatives.

A global batch has b texts and b videos; row i of a score matrix is text i, column j video j, and the
diagonal holds the pairs that belong together. Sums over the rows of one worker add up to the whole loss.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional


def groups(names: list[str], device: str | torch.device = "cpu") -> Int[Tensor, " b"]:
    """A number for each name, equal where the names are; the same on every worker."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    numbers = [int.from_bytes(digest, "big", signed=True) for digest in digests]
    return torch.tensor(numbers, dtype=torch.int64, device=device)


def negatives(videos: Int[Tensor, " b"], captions: Int[Tensor, " b"]) -> Bool[Tensor, "b b"]:
    """Which pairs may count as negatives: neither of one video nor of one caption (`groups` of each)."""
    same_video = videos[:, None] == videos[None, :]
    same_caption = captions[:, None] == captions[None, :]
    return ~(same_video | same_caption)


def negatives_by_facts(said: Int[Tensor, "b s"], shown: Int[Tensor, "b k"]) -> Bool[Tensor, "b b"]:
    """Which pairs may count as negatives: those whose text says nothing that the video shows (`groups`).

    Not symmetric: a text on the motion in one film of a still is wrong of another, whose own text on what the
    still shows is right of both.
    """
    negative = torch.ones(len(said), len(shown), dtype=torch.bool, device=said.device)
    for fact in said.unbind(1):
        for other in shown.unbind(1):
            negative &= fact[:, None] != other[None, :]
    return negative


def contrastive(
    scores: Float[Tensor, "b b"],
    negative: Bool[Tensor, "b b"],
    rows: slice = slice(None),
    counted: Bool[Tensor, " b"] | None = None,
) -> Float[Tensor, ""]:
    """The share of these rows in the mean, over both directions, of each pair's cross-entropy.

    `scores` are cosines over the temperature. Pairs that are neither the pair itself nor negatives take no
    part. The mean is that of the `counted` pairs (all by default): the text of another is no negative either,
    its video is.
    """
    if counted is None:
        counted = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
    negative = negative & counted[:, None]
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    masked = scores.masked_fill(~(negative | own), -torch.inf)
    target = torch.arange(len(scores), device=scores.device)[rows]
    by_text = functional.cross_entropy(masked[rows], target, reduction="none")
    by_video = functional.cross_entropy(masked.T[rows], target, reduction="none")
    return ((by_text + by_video) * counted[rows]).sum() / (2 * counted.sum().clamp(min=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Negatives of r rows, n each, with replacement.

    `columns` says which. `log_odds` is the log of how often each is expected among the n, which sampled
    softmax takes off. `there` are the rows that have negatives at all.
    """

    columns: Int[Tensor, "r n"]
    log_odds: Float[Tensor, "r n"]
    there: Bool[Tensor, " r"]


def draw_negatives(
    scores: Float[Tensor, "r c"],
    negative: Bool[Tensor, "r c"],
    count: int,
    generator: torch.Generator,
) -> Drawn:
    """Columns drawn by softmax(scores) among each row's negatives with probability 1/2, and evenly with 1/2.

    Hard ones alone would never show what else there is; even ones alone would mostly be told apart already.
    Drawn on the CPU in float64, so that devices and workers draw the same.
    """
    scores, negative = scores.detach().double().cpu(), negative.cpu()
    there = negative.any(dim=1)
    hard = scores.masked_fill(~negative, -torch.inf).softmax(dim=1)
    share = 0.5 * (hard.nan_to_num() + negative / negative.sum(dim=1, keepdim=True).clamp(min=1))
    upper = share.cumsum(dim=1)
    wanted = torch.rand(len(scores), count, generator=generator, dtype=torch.float64) * upper[:, -1:]
    # Never past the last negative, however the sum was rounded.
    last = negative.shape[1] - 1 - negative.flip(1).int().argmax(dim=1, keepdim=True)
    columns = torch.minimum(torch.searchsorted(upper, wanted, right=True), last)
    log_odds = (share.gather(1, columns) * count).clamp(min=1e-30).log()
    return Drawn(columns=columns, log_odds=log_odds.float(), there=there)


def sampled_softmax(
    own: Float[Tensor, " r"], others: Float[Tensor, "r n"], drawn: Drawn
) -> Float[Tensor, ""]:
    """Sum over rows of the cross-entropy of the own pair among all, estimated from its drawn negatives.

    Each negative stands for those that were not drawn: its score less the log of how often it was to be
    expected (Bengio and Senecal 2008). Without that, a score would be asked for what the draw had already
    taken into account.
    """
    logits = torch.cat([own.unsqueeze(1), others - drawn.log_odds], dim=1)
    target = torch.zeros(len(own), dtype=torch.long, device=own.device)
    return (functional.cross_entropy(logits, target, reduction="none") * drawn.there).sum()
