"""Frames that see each other, so that an opening can be told from a closing."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from retrieval.model.attention import linear_from_zero
from retrieval.model.pooling import TemporalBlock
from retrieval.model.tokens import places, random_places

#: Beside tokens of scale 1. Places drawn at 0.02, as is usual, were never learned within a short training.
PLACES_STD = 0.7


class FramesTogether(nn.Module):
    """Self-attention over all frame tokens of a video, added to them; its last projection starts at zero."""

    def __init__(
        self, *, token_width: int, width: int, heads: int, layers: int, max_frames: int, tokens_per_frame: int
    ) -> None:
        super().__init__()
        self.tokens_in = nn.Sequential(nn.LayerNorm(token_width), nn.Linear(token_width, width))
        self.time = random_places(max_frames, width, PLACES_STD)
        self.slot = random_places(tokens_per_frame, width, PLACES_STD)
        self.blocks = nn.ModuleList(TemporalBlock(width, heads) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), linear_from_zero(width, token_width))

    def forward(self, tokens: Float[Tensor, "v n d"], mask: Bool[Tensor, "v n"]) -> Float[Tensor, "v n d"]:
        hidden = self.tokens_in(tokens) + places(self.time, self.slot, tokens.shape[1])
        for block in self.blocks:
            hidden = block(hidden, mask)
        return tokens + self.out(hidden)
