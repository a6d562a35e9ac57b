"""Features: what an encoder gives, for both stages, and the interface of the towers that give it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One vector and n tokens for each of b texts, images or videos.

    `pooled` is for the coarse stage: its width d is shared by both modalities, and it is not normalised
    (`coarse()` does that). `tokens` are for the fine stage: in the shared space, too, where the tower has a
    way into it, so that words and frames can be compared. `mask` says which tokens are real; the last real
    one of a text is its end-of-text token.
    """

    pooled: Float[Tensor, "b d"]
    tokens: Float[Tensor, "b n w"]
    mask: Bool[Tensor, "b n"]

    def __len__(self) -> int:
        return len(self.pooled)

    def __getitem__(self, rows: slice) -> "Features":
        """The features of consecutive rows."""
        return Features(pooled=self.pooled[rows], tokens=self.tokens[rows], mask=self.mask[rows])

    def take(self, rows: Int[Tensor, " r"]) -> "Features":
        """The features of some rows, in the given order, repeated where the order repeats them.

        By `index_select`: the backward of plain indexing adds up repeated rows in the order in which threads
        come, so the same seed would train another model each time.
        """
        return Features(
            pooled=self.pooled.index_select(0, rows),
            tokens=self.tokens.index_select(0, rows),
            mask=self.mask.index_select(0, rows),
        )

    def spread(self, places: Bool[Tensor, " n"]) -> "Features":
        """These rows at the True places, in order; at the others some row again, all of it masked."""
        if bool(places.all()):
            return self
        there = self.take((places.long().cumsum(0) - 1).clamp(min=0))
        return Features(pooled=there.pooled, tokens=there.tokens, mask=there.mask & places[:, None])

    def detach(self) -> "Features":
        """The same values without their graph."""
        return Features(pooled=self.pooled.detach(), tokens=self.tokens.detach(), mask=self.mask)

    def float(self) -> "Features":
        """The same values in float32."""
        return Features(pooled=self.pooled.float(), tokens=self.tokens.float(), mask=self.mask)

    def trim(self, length: int) -> "Features":
        """Only the first `length` tokens of each row."""
        return Features(pooled=self.pooled, tokens=self.tokens[:, :length], mask=self.mask[:, :length])

    def without_tokens(self) -> "Features":
        """The pooled vectors alone, for a model without a fine stage."""
        return Features(pooled=self.pooled, tokens=self.tokens[:, :0].detach(), mask=self.mask[:, :0])

    def to(self, device: str | torch.device) -> "Features":
        """The same values on another device."""
        return Features(
            pooled=self.pooled.to(device), tokens=self.tokens.to(device), mask=self.mask.to(device)
        )

    @staticmethod
    def cat(parts: Sequence["Features"]) -> "Features":
        """All rows of `parts` in order; parts with fewer tokens are padded with masked zeros."""
        longest = max(part.tokens.shape[1] for part in parts)
        padded = [part._pad(longest) for part in parts]
        return Features(
            pooled=torch.cat([part.pooled for part in padded]),
            tokens=torch.cat([part.tokens for part in padded]),
            mask=torch.cat([part.mask for part in padded]),
        )

    def _pad(self, length: int) -> "Features":
        missing = length - self.tokens.shape[1]
        if missing == 0:
            return self
        return Features(
            pooled=self.pooled,
            tokens=torch.nn.functional.pad(self.tokens, (0, 0, 0, missing)),
            mask=torch.nn.functional.pad(self.mask, (0, missing)),
        )


@runtime_checkable
class Towers(Protocol):
    """Any pair of encoders: give these and the retriever, the losses, the loop and the index work with it.

    `embed_dim` is the width of `pooled`, the same for frames and texts; `frame_width` and `text_width` are
    those of their tokens, of which `encode_frames` gives every frame `tokens_per_frame`. An implementation is
    an `nn.Module`. Results must not depend on the company a row keeps in its batch.
    """

    embed_dim: int
    frame_width: int
    text_width: int
    tokens_per_frame: int

    def encode_frames(self, frames: Shaped[Tensor, "n ..."]) -> Features:
        """Features of n single frames (uint8 RGB images, or frozen features of them)."""
        ...

    def encode_text(self, ids: Int[Tensor, "b l"]) -> Features:
        """Features of b tokenised texts."""
        ...

    def tokenize(self, captions: list[str]) -> Int[Tensor, "b l"]:
        """Token ids of b captions, all of one length."""
        ...

    def temperature_start(self) -> float | None:
        """The softmax temperature these weights were trained with, where they bring one."""
        ...
