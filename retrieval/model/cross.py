"""Cross-attention: the words of a text look at the frame tokens of a video, layer by layer, for one score."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from retrieval.model.attention import Attention, linear_from_zero, mlp
from retrieval.model.tokens import Read, Watched, places, random_places


class CrossAttention(nn.Module):
    """A score for each aligned pair.

    With `zero_start` the scores are 0 until something is learned; else they start from noise.
    """

    def __init__(
        self,
        *,
        text_width: int,
        frame_width: int,
        width: int,
        heads: int,
        layers: int,
        max_frames: int,
        tokens_per_frame: int,
        places_std: float,
        zero_start: bool,
    ) -> None:
        super().__init__()
        self.text_in = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, width))
        self.video_in = nn.Sequential(nn.LayerNorm(frame_width), nn.Linear(frame_width, width))
        self.time = random_places(max_frames, width, places_std)
        self.slot = random_places(tokens_per_frame, width, places_std)
        self.blocks = nn.ModuleList(CrossBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.score = linear_from_zero(width, 1)
        if not zero_start:
            nn.init.normal_(self.score.weight, std=0.02)

    def look_at(self, frames: Float[Tensor, "v n d"]) -> tuple[Float[Tensor, "v n e"], ...]:
        """Keys and values of every layer: all that the frames have to do with it."""
        hidden = self.video_in(frames) + places(self.time, self.slot, frames.shape[1])
        return tuple(block.look_at(hidden) for block in self._blocks)

    def read(self, tokens: Float[Tensor, "b l d"], mask: Bool[Tensor, "b l"]) -> Float[Tensor, "b l w"]:
        """Words on their way to their first look at frames: all that they have to do with no video."""
        return self._blocks[0].among_words(self.text_in(tokens), mask)

    def forward(self, text: Read, video: Watched) -> Float[Tensor, " p"]:
        """Scores of p pairs: row i of `text` with row i of `video`."""
        words = text.hidden
        for number, (block, keys_values) in enumerate(zip(self._blocks, video.keys_values, strict=True)):
            if number:
                words = block.among_words(words, text.mask)
            words = block(words, text.mask, keys_values, video.mask)
        # Padding counts nothing; multiplied only, a NaN in it would come through.
        pooled = torch.where(text.mask.unsqueeze(-1), words * text.weights.unsqueeze(-1), 0).sum(dim=1)
        return self.score(self.norm(pooled)).squeeze(-1)

    @property
    def _blocks(self) -> list["CrossBlock"]:
        return [block for block in self.blocks if isinstance(block, CrossBlock)]


class CrossBlock(nn.Module):
    """Pre-norm: words look at each other, then at the frames, then an MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.words_norm = nn.LayerNorm(width)
        self.words = Attention(width, heads)
        self.queries_norm = nn.LayerNorm(width)
        self.frames_norm = nn.LayerNorm(width)
        self.frames = Attention(width, heads)
        self.mlp = mlp(width)

    def look_at(self, frames: Float[Tensor, "v n w"]) -> Float[Tensor, "v n e"]:
        """Keys and values of the frames."""
        return self.frames.keys_values(self.frames_norm(frames))

    def among_words(self, words: Float[Tensor, "b l w"], mask: Bool[Tensor, "b l"]) -> Float[Tensor, "b l w"]:
        """Words, having looked at each other."""
        normed = self.words_norm(words)
        return words + self.words(normed, normed, mask)

    def forward(
        self,
        words: Float[Tensor, "p l w"],
        words_mask: Bool[Tensor, "p l"],
        frames: Float[Tensor, "p n e"],
        frames_mask: Bool[Tensor, "p n"],
    ) -> Float[Tensor, "p l w"]:
        words = words + self.frames.attend(self.queries_norm(words), frames, frames_mask)
        real = words[words_mask]  # half of the places are padding: none of the costly layer for them
        whole = torch.zeros_like(words)
        whole[words_mask] = (real + self.mlp(real)).to(words.dtype)
        return whole
