"""What there is to render: stills, and what each shot gives to each frame of a clip."""

from dataclasses import dataclass
from typing import NamedTuple

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


class Part(NamedTuple):
    """What one shot gives to one frame: its share of the light (`weight`), blur and stops.

    `alone` says that nothing else is seen in the frame, `plain` that it is one view besides, with no light to
    mix, and `rests` that it is the same as in the frame before.
    """

    weight: float
    blur: float
    stops: float
    alone: bool
    plain: bool
    rests: bool


def parts_of(layer: Layer) -> list[Part]:
    """What a shot gives to each of its frames."""
    light = list(zip(layer.weight.tolist(), layer.blur.tolist(), layer.stops.tolist(), strict=True))
    single = (layer.exposures_per_frame == 1).tolist()
    moved = (layer.homographies[1:] != layer.homographies[:-1]).any(axis=(1, 2)).tolist()
    parts = []
    for number, (weight, blur, stops) in enumerate(light):
        # Weights add up to 1, and to less only where a fade is dark: at 1 nothing else is seen.
        alone = weight == 1.0
        plain = alone and single[number] and blur == 0.0
        rests = (
            number > 0
            and not moved[number - 1]
            and light[number] == light[number - 1]
            and single[number]
            and single[number - 1]
        )
        parts.append(Part(weight, blur, stops, alone, plain, rests))
    return parts
