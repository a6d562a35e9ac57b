"""Texts and videos as the fine stage takes them: prepared once each, then met in any pairs."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Texts, read: all of the work on them that no video has a part in.

    `unit` are tokens of length 1, `hidden` words as cross-attention takes them. `weights` of the words add up
    to 1 over the real ones.
    """

    unit: Float[Tensor, "b l d"]
    hidden: Float[Tensor, "b l w"]
    mask: Bool[Tensor, "b l"]
    weights: Float[Tensor, "b l"]

    def take(self, rows: Int[Tensor, " p"]) -> "Read":
        """Those of some rows, repeated where the order repeats them."""
        return Read(
            unit=self.unit.index_select(0, rows),
            hidden=self.hidden.index_select(0, rows),
            mask=self.mask.index_select(0, rows),
            weights=self.weights.index_select(0, rows),
        )

    def last(self) -> Float[Tensor, "b d"]:
        """The unit vector of each text's end, which stands for the whole of it."""
        ends = (self.mask.sum(dim=1) - 1)[:, None, None].expand(-1, 1, self.unit.shape[2])
        return self.unit.gather(1, ends).squeeze(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Videos, watched: all of the work on them that no text has a part in.

    `unit` are frame tokens of length 1, after they have seen each other; their `weights` add up to 1 over the
    real ones. `keys_values` are those of every layer of the cross-attention, made once a video and not once a
    pair.
    """

    unit: Float[Tensor, "v n d"]
    mask: Bool[Tensor, "v n"]
    weights: Float[Tensor, "v n"]
    keys_values: tuple[Float[Tensor, "v n e"], ...]

    def take(self, rows: Int[Tensor, " p"]) -> "Watched":
        """Those of some rows, repeated where the order repeats them."""
        return Watched(
            unit=self.unit.index_select(0, rows),
            mask=self.mask.index_select(0, rows),
            weights=self.weights.index_select(0, rows),
            keys_values=tuple(values.index_select(0, rows) for values in self.keys_values),
        )


def places(time: Float[Tensor, "t w"], slot: Float[Tensor, "s w"], num_tokens: int) -> Float[Tensor, "n w"]:
    """What tells a frame token its frame and its slot in it, for frames of `len(slot)` tokens each."""
    num_frames = num_tokens // len(slot)
    if num_frames > len(time):
        raise ValueError(
            f"{num_frames} frames: this model knows the places of {len(time)} (interaction.max_frames)"
        )
    return (time[:num_frames, None] + slot[None]).flatten(0, 1)


def random_places(count: int, width: int, std: float) -> torch.nn.Parameter:
    """Learned places at the start."""
    return torch.nn.Parameter(torch.randn(count, width) * std)
