"""Late interaction: a text and a video scored by their tokens in the shared space, all pairs of a batch at
once.

Tokens are unit vectors, so what the encoders know of which word goes with which frame is there from the first
step. Scores are cosines over a temperature. Frames that are compared are tokens of frames: with a patch grid,
of patches.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from retrieval.model.attention import linear_from_zero
from retrieval.model.tokens import Read, Watched


class MaxSim(nn.Module):
    """The mean over words of the best frame's cosine, and over frames of the best word's; half of each.

    As ColBERT (arXiv 2004.12832) and FILIP (arXiv 2111.07783) score. `weighted`: a small net gives each token
    its weight in the mean; it starts as the plain mean. Without it there is nothing to learn.
    """

    def __init__(self, *, width: int, temperature: float, weighted: bool) -> None:
        super().__init__()
        self.words = _weights_of(width) if weighted else None
        self.frames = _weights_of(width) if weighted else None
        scale = torch.tensor(-math.log(temperature))
        if weighted:
            self.log_scale = nn.Parameter(scale)
        else:
            self.register_buffer("log_scale", scale)

    def word_weights(self, tokens: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """How much each word counts; they add up to 1 over the real ones."""
        return _weigh(self.words, tokens, mask)

    def frame_weights(
        self, tokens: Float[Tensor, "v n d"], mask: Bool[Tensor, "v n"]
    ) -> Float[Tensor, "v n"]:
        """How much each frame token counts; they add up to 1 over the real ones."""
        return _weigh(self.frames, tokens, mask)

    def every_pair(self, text: Read, video: Watched) -> Float[Tensor, "b v"]:
        """Scores of every text with every video."""
        (texts, words, _), (videos, frames, _) = text.unit.shape, video.unit.shape
        # One matrix product, in the order of its own rows and columns: a copy of it would cost as much.
        cosines = text.unit.flatten(0, 1) @ video.unit.flatten(0, 1).T
        cosines = cosines.unflatten(0, (texts, words)).unflatten(2, (videos, frames))
        by_word = torch.einsum("blv,bl->bv", cosines.max(dim=3).values, text.weights)
        by_frame = torch.einsum("bvn,vn->bv", cosines.max(dim=1).values, video.weights)
        return 0.5 * (by_word + by_frame) * self.log_scale.exp()

    def pairs(self, text: Read, video: Watched) -> Float[Tensor, " p"]:
        """Scores of p aligned pairs."""
        cosines = torch.einsum("pld,pnd->pln", text.unit, video.unit)
        by_word = (cosines.max(dim=2).values * text.weights).sum(dim=1)
        by_frame = (cosines.max(dim=1).values * video.weights).sum(dim=1)
        return 0.5 * (by_word + by_frame) * self.log_scale.exp()


class TextConditioned(nn.Module):
    """The text's vector chooses among the frames: its last token attends to them, then a cosine.

    As X-Pool (arXiv 2203.15086) pools. Queries start at zero, so that it starts as the mean of the frames.
    """

    def __init__(self, *, width: int, temperature: float) -> None:
        super().__init__()
        self.queries = nn.Sequential(nn.LayerNorm(width), linear_from_zero(width, width))
        self.keys = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width))
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def every_pair(self, text: Read, video: Watched) -> Float[Tensor, "b v"]:
        """Scores of every text with every video."""
        last = text.last()
        logits = torch.einsum("bd,vnd->bvn", self.queries(last), self.keys(video.unit)) / last.shape[1] ** 0.5
        share = logits.masked_fill(~video.mask[None], -torch.inf).softmax(dim=-1)
        along = (share * torch.einsum("bd,vnd->bvn", last, video.unit)).sum(dim=-1)
        # The squared length of the weighted mean, without the mean itself: that would be b x v vectors.
        inner = torch.einsum("vnd,vmd->vnm", video.unit, video.unit)
        length = torch.einsum("bvn,vnm,bvm->bv", share, inner, share).clamp(min=1e-6).sqrt()
        return along / length * self.log_scale.exp()

    def pairs(self, text: Read, video: Watched) -> Float[Tensor, " p"]:
        """Scores of p aligned pairs."""
        last = text.last()
        logits = torch.einsum("pd,pnd->pn", self.queries(last), self.keys(video.unit)) / last.shape[1] ** 0.5
        share = logits.masked_fill(~video.mask, -torch.inf).softmax(dim=-1)
        mean = torch.einsum("pn,pnd->pd", share, video.unit)
        length = mean.square().sum(dim=-1).clamp(min=1e-6).sqrt()
        return (mean * last).sum(dim=-1) / length * self.log_scale.exp()


def _weights_of(width: int) -> nn.Sequential:
    hidden = max(1, width // 2)
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), linear_from_zero(hidden, 1)
    )


def _weigh(
    net: nn.Module | None, tokens: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]
) -> Float[Tensor, "b n"]:
    logits = tokens.new_zeros(mask.shape) if net is None else net(tokens).squeeze(-1).float()
    return logits.masked_fill(~mask, -torch.inf).softmax(dim=-1)
