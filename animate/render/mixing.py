"""Which shots are seen in each frame of a clip, and how much of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from animate.shot import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One shot's part in one frame; the fields are a `Layer`'s, for that frame."""

    still: int
    exposures: Float64[np.ndarray, "s 3 3"]
    weight: float
    blur: float
    stops: float


def contributions(layers: Sequence[Layer], num_frames: int) -> list[list[Contribution]]:
    """For each frame, the shots seen in it, in order; those without weight are left out."""
    frames: list[list[Contribution]] = [[] for _ in range(num_frames)]
    for layer in layers:
        for i in range(len(layer.homographies)):
            frames[layer.first + i].append(
                Contribution(
                    still=layer.still,
                    exposures=layer.exposures[i],
                    weight=float(layer.weight[i]),
                    blur=float(layer.blur[i]),
                    stops=float(layer.stops[i]),
                )
            )
    return [[part for part in parts if part.weight > 0] for parts in frames]


def is_plain(parts: Sequence[Contribution]) -> bool:
    """Whether a frame is one view of one still, with no light to mix."""
    return (
        len(parts) == 1 and parts[0].weight == 1.0 and parts[0].blur == 0.0 and len(parts[0].exposures) == 1
    )
