"""Interaction: the fine stage, in which text tokens look at the frames of one video."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from retrieval.model.attention import Attention, mlp
from retrieval.model.features import Features
from retrieval.model.pooling import masked_mean
from retrieval.recipe import InteractionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Videos as the words of any text look at them: keys and values of every block, made once a video."""

    keys_values: tuple[Float[Tensor, "v n e"], ...]
    mask: Bool[Tensor, "v n"]

    def take(self, rows: Int[Tensor, " p"]) -> "Watched":
        """Those of some rows, repeated where the order repeats them."""
        return Watched(
            keys_values=tuple(values.index_select(0, rows) for values in self.keys_values),
            mask=self.mask.index_select(0, rows),
        )


class Interaction(nn.Module):
    """Joint scores of aligned text-video pairs, and the weight of the coarse score as their prior.

    With head `tokens` every token of the text attends to the video's tokens; with `eot` only the
    end-of-text token does. All else is equal between the two, down to the number of parameters.
    """

    def __init__(
        self, spec: InteractionSpec, *, text_width: int, frame_width: int, tokens_per_frame: int
    ) -> None:
        super().__init__()
        if spec.head == "none":
            raise ValueError("head = 'none': has no interaction module")
        self.head = spec.head
        self.tokens_per_frame = tokens_per_frame
        self.text_in = nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, spec.width))
        self.video_in = nn.Sequential(nn.LayerNorm(frame_width), nn.Linear(frame_width, spec.width))
        self.time = nn.Parameter(torch.randn(spec.max_frames, spec.width) * 0.02)
        self.slot = nn.Parameter(torch.randn(tokens_per_frame, spec.width) * 0.02)
        self.blocks = nn.ModuleList(InteractionBlock(spec.width, spec.heads) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.width)
        self.score = nn.Linear(spec.width, 1)
        # Joint scores start near 0, so that the fused order starts as the coarse one.
        nn.init.normal_(self.score.weight, std=0.02)
        nn.init.zeros_(self.score.bias)
        self.log_prior = nn.Parameter(torch.zeros(()))

    def watch(self, video: Features) -> Watched:
        """All of the work on videos that no text has a part in."""
        frames = self.video_in(video.tokens) + self._places(video.tokens.shape[1])
        looked = [block.look_at(frames) for block in self.blocks if isinstance(block, InteractionBlock)]
        return Watched(keys_values=tuple(looked), mask=video.mask)

    def forward(self, text: Features, video: Watched) -> Float[Tensor, " p"]:
        """Joint-only scores of p pairs: row i of `text` with row i of `video`."""
        words, words_mask = self._words(text)
        words = self.text_in(words)
        for block, keys_values in zip(self.blocks, video.keys_values, strict=True):
            words = block(words, words_mask, keys_values, video.mask)
        return self.score(self.norm(masked_mean(words, words_mask))).squeeze(-1)

    def prior_weight(self) -> Float[Tensor, ""]:
        """How much the coarse score counts in the fused one; above 0, learned, 1 at the start."""
        return self.log_prior.exp()

    def _words(self, text: Features) -> tuple[Float[Tensor, "p l w"], Bool[Tensor, "p l"]]:
        """The text tokens that take part, without the columns that are padding in every row."""
        lengths = text.mask.sum(dim=1)
        if self.head == "eot":
            last = text.tokens[torch.arange(len(text), device=lengths.device), lengths - 1]
            return last.unsqueeze(1), text.mask[:, :1]
        longest = int(lengths.max())
        return text.tokens[:, :longest], text.mask[:, :longest]

    def _places(self, num_tokens: int) -> Float[Tensor, "n w"]:
        num_frames = num_tokens // self.tokens_per_frame
        if num_frames > len(self.time):
            raise ValueError(
                f"{num_frames} frames: this model knows the places of {len(self.time)} "
                "(interaction.max_frames)"
            )
        return (self.time[:num_frames, None] + self.slot[None]).flatten(0, 1)


class InteractionBlock(nn.Module):
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

    def forward(
        self,
        words: Float[Tensor, "p l w"],
        words_mask: Bool[Tensor, "p l"],
        frames: Float[Tensor, "p n e"],
        frames_mask: Bool[Tensor, "p n"],
    ) -> Float[Tensor, "p l w"]:
        normed = self.words_norm(words)
        words = words + self.words(normed, normed, words_mask)
        words = words + self.frames.attend(self.queries_norm(words), frames, frames_mask)
        return words + self.mlp(words)
