"""The two losses, as functions of scores: symmetric contrastive, and matching with hard negatives.

A global batch has b texts and b videos; row i of a score matrix is text i, column j video j, and the
diagonal holds the pairs that belong together. Sums over the rows of one worker add up to the whole loss.
"""

import hashlib

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


def contrastive(
    scores: Float[Tensor, "b b"], negative: Bool[Tensor, "b b"], rows: slice = slice(None)
) -> Float[Tensor, ""]:
    """The share of these rows in the mean, over both directions, of each pair's cross-entropy.

    scores: cosine over temperature. Pairs that are neither the pair itself nor negatives take no part.
    """
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    masked = scores.masked_fill(~(negative | own), -torch.inf)
    target = torch.arange(len(scores), device=scores.device)[rows]
    by_text = functional.cross_entropy(masked[rows], target, reduction="sum")
    by_video = functional.cross_entropy(masked.T[rows], target, reduction="sum")
    return (by_text + by_video) / (2 * len(scores))


def draw_hard_negatives(
    scores: Float[Tensor, "b c"],
    negative: Bool[Tensor, "b c"],
    count: int,
    noise: Float[Tensor, "b c"],
) -> tuple[Int[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """For each row, columns drawn without replacement with probability softmax(scores) among its negatives.

    noise: `gumbel_noise`; the n highest of scores + noise are such a draw.
    Returns the columns, and which of them are real: a row may have fewer negatives than `count`.
    """
    perturbed = (scores + noise).masked_fill(~negative, -torch.inf)
    values, columns = perturbed.topk(min(count, scores.shape[1]), dim=1)
    return columns, values > -torch.inf


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Standard Gumbel noise on the CPU: the same for any device and any number of workers."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12))).float()


def matching(
    own: Float[Tensor, " r"], others: Float[Tensor, "r n"], real: Bool[Tensor, "r n"]
) -> Float[Tensor, ""]:
    """Sum over rows of the cross-entropy of picking the own pair among its hard negatives."""
    logits = torch.cat([own.unsqueeze(1), others.masked_fill(~real, -torch.inf)], dim=1)
    target = torch.zeros(len(own), dtype=torch.long, device=own.device)
    return functional.cross_entropy(logits, target, reduction="sum")
