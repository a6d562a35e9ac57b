"""Framing: how much of the still the first and the last frame show, and what they look at."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from animate.camera import PEDESTAL, TRUCK, ZOOM, Poses, View
from animate.components.capabilities import SalientPoint
from animate.components.claims import CLOSER, Claim
from animate.components.motion import along
from animate.components.parameters import choice, number
from animate.components.timeline import EASES, Timeline

#: For each shot scale, the range of focal length over focal length at rest.
SCALES: Mapping[str, tuple[float, float]] = {
    "wide": (1.0, 1.15),
    "medium": (1.3, 1.6),
    "close_up": (1.8, 2.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotScale:
    """The scales of the `first` and the `last` frame; `last` = "same" is that of the first.

    `first_within` and `last_within` place the focal length in the range of the scale, from 0 to 1.
    """

    first: str = choice(*SCALES)
    last: str = choice(*SCALES, also=("same",))
    first_within: float = number(0, 1, at_least=0, at_most=1, unit="place in the range of the scale, 0 to 1")
    last_within: float = number(0, 1, at_least=0, at_most=1, unit="place in the range of the scale, 0 to 1")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        # With the same scale at both ends the lens does not zoom, so the two draws must not differ.
        last_within = self.first_within if self.first == self._last else self.last_within
        start = _log_zoom(self.first, self.first_within)
        end = _log_zoom(self._last, last_within)
        return along(ZOOM, start + (end - start) * EASES[self.ease](time.progress))

    def claims(self) -> tuple[Claim, ...]:
        first, last = self.first, self._last
        if first == last:
            return (Claim(words=f"{spoken(first)} shot", framing=(first, last)),)
        closer = SCALES[last] > SCALES[first]
        return (
            Claim(
                words=f"{spoken(first)} to {spoken(last)}",
                needs=(("closer", CLOSER if closer else -CLOSER),),
                otherwise="zoom in" if closer else "zoom out",
                framing=(first, last),
            ),
        )

    @property
    def _last(self) -> str:
        return self.first if self.last == "same" else self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """The middle of the frame moves to a point of the still, or away from it.

    `point` says which: "random" is the drawn (`x`, `y`) in unit coordinates, "centre" the middle of the
    still, "saliency" its most striking point. `aim` puts the latter two into `x` and `y`.
    """

    point: str = choice("random", "centre", "saliency")
    direction: str = choice("to", "from")
    x: float = number(0.3, 0.7, at_least=0, at_most=1, unit="share of the still's width")
    y: float = number(0.3, 0.7, at_least=0, at_most=1, unit="share of the still's height")
    ease: str = choice(*EASES)

    def aim(self, salient_point: SalientPoint) -> Self:
        """The same component with its point on this still in `x` and `y`."""
        if self.point == "random":
            return self
        x, y = (0.5, 0.5) if self.point == "centre" else salient_point()
        return dataclasses.replace(self, x=x, y=y)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = EASES[self.ease](time.progress)
        share = progress if self.direction == "to" else 1 - progress
        across, down = view.widest
        return along(TRUCK, share * (self.x - 0.5) / across) - along(PEDESTAL, share * (self.y - 0.5) / down)

    def claims(self) -> tuple[Claim, ...]:
        if self.point != "saliency":
            return ()
        words, approach = (
            ("towards the subject", 1) if self.direction == "to" else ("away from the subject", -1)
        )
        return (Claim(words=words, point=(self.x, self.y), approach=approach),)


def scale_of(magnification: float) -> str:
    """The shot scale of a view that is so many times as close as the widest: the borders lie between the
    ranges of `SCALES`, at their geometric means."""
    names = list(SCALES)
    for name, wider in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
        if magnification >= math.sqrt(SCALES[wider][1] * SCALES[name][0]):
            return name
    return names[0]


def spoken(scale: str) -> str:
    """The name of a scale as labels have it."""
    return scale.replace("_", " ")


def _log_zoom(scale: str, within: float) -> float:
    low, high = np.log(SCALES[scale])
    return float(low + (high - low) * within)
