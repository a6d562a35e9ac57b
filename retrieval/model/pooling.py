"""Temporal pooling: the vectors of a video's frames to one vector."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from retrieval.model.attention import Attention, linear_from_zero, mlp


class MeanPooling(nn.Module):
    """The mean of the unit vectors of the frames that are there."""

    def forward(self, frames: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        return masked_mean(functional.normalize(frames, dim=-1), mask)


class TransformerPooling(nn.Module):
    """A small temporal transformer over the frames' unit vectors, added to them, then the mean.

    Starts as `MeanPooling` exactly, because its last projections start at zero.
    """

    def __init__(self, *, width: int, layers: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.randn(max_frames, width) * 0.02)
        self.blocks = nn.ModuleList(TemporalBlock(width, heads) for _ in range(layers))
        self.out = linear_from_zero(width, width)

    def forward(self, frames: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b d"]:
        unit = functional.normalize(frames, dim=-1)
        if frames.shape[1] > len(self.time):
            raise ValueError(
                f"{frames.shape[1]} frames: this model knows the places of {len(self.time)} (max_frames)"
            )
        hidden = unit + self.time[: frames.shape[1]]
        for block in self.blocks:
            hidden = block(hidden, mask)
        return masked_mean(unit + self.out(hidden), mask)


class TemporalBlock(nn.Module):
    """Pre-norm self-attention among the frames that are there, and an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = mlp(width)

    def forward(self, hidden: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        normed = self.attention_norm(hidden)
        hidden = hidden + self.attention(normed, normed, mask)
        return hidden + self.mlp(hidden)


def masked_mean(values: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """The mean over the rows that the mask keeps; at least one of each b."""
    kept = mask.unsqueeze(-1).to(values.dtype)
    # Multiplying would let a NaN of a row that is not there through.
    return torch.where(mask.unsqueeze(-1), values, 0).sum(dim=1) / kept.sum(dim=1)
