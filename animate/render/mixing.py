"""What there is to render: which shots are seen in each frame of a clip, and how much of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from animate.arrays import Picture
from animate.edit import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderJob:
    """What to render for one clip: `layers`, and the `stills` that they refer to by number, at any
    resolution. `reduced` says how many times each was halved when it was decoded; empty for none.
    """

    stills: tuple[Picture, ...]
    layers: tuple[Layer, ...]
    reduced: tuple[int, ...] = ()

    def halved(self, still: int) -> int:
        """How many times still number `still` was halved when it was decoded."""
        return self.reduced[still] if self.reduced else 0


class Contribution(NamedTuple):
    """What one shot adds to one frame: entry `frame` of layer number `layer`, its weight, blur and stops.

    `repeated` says that it is the same as the entry before: the camera rests and the light does not change.
    """

    layer: int
    frame: int
    weight: float
    blur: float
    stops: float
    repeated: bool


def contributions(layers: Sequence[Layer], num_frames: int) -> list[list[Contribution]]:
    """For each frame of the clip, the shots seen in it, in order; those of weight 0 are left out."""
    frames: list[list[Contribution]] = [[] for _ in range(num_frames)]
    for number, layer in enumerate(layers):
        light = np.stack([layer.weight, layer.blur, layer.stops], axis=1)
        repeated = np.zeros(len(light), bool)
        repeated[1:] = (layer.homographies[1:] == layer.homographies[:-1]).all(axis=(1, 2))
        repeated[1:] &= (light[1:] == light[:-1]).all(axis=1)
        single = layer.exposures_per_frame == 1
        repeated[1:] &= single[1:] & single[:-1]
        for i, (weight, blur, stops) in enumerate(light.tolist()):
            if weight > 0:
                part = Contribution(
                    layer=number, frame=i, weight=weight, blur=blur, stops=stops, repeated=bool(repeated[i])
                )
                frames[layer.first + i].append(part)
    return frames


def is_plain(parts: Sequence[Contribution], layers: Sequence[Layer]) -> bool:
    """Whether a frame is one view of one still, with no light to mix."""
    if len(parts) != 1:
        return False
    [part] = parts
    return part.weight == 1.0 and part.blur == 0.0 and layers[part.layer].exposures_per_frame[part.frame] == 1
