"""Framing: how much of the still the first and the last frame show, and what they look at."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from animate.camera import PEDESTAL, TRUCK, ZOOM, Poses, View
from animate.components.capabilities import SalientPoint
from animate.components.motion import along
from animate.components.parameters import choice, number
from animate.components.timeline import EASES, Timeline

#: Shot scales as ranges of focal length over focal length at rest.
SCALES: Mapping[str, tuple[float, float]] = {
    "wide": (1.0, 1.15),
    "medium": (1.3, 1.6),
    "close_up": (1.8, 2.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotScale:
    """The scale of the `first` and of the `last` frame, each placed `within` its range."""

    first: str = choice(*SCALES)
    last: str = choice(*SCALES)
    first_within: float = number(0, 1, at_least=0, at_most=1)
    last_within: float = number(0, 1, at_least=0, at_most=1)
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        # The same scale twice is a fixed lens, not a drift from one end of its range to the other.
        last_within = self.first_within if self.first == self.last else self.last_within
        start = _log_zoom(self.first, self.first_within)
        end = _log_zoom(self.last, last_within)
        return along(ZOOM, start + (end - start) * EASES[self.ease](time.progress))

    def words(self) -> str:
        names = [scale.replace("_", " ") for scale in (self.first, self.last)]
        return f"{names[0]} shot" if names[0] == names[1] else f"{names[0]} to {names[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """The frame's middle moves to a point of the still, or away from one.

    `point` says which: `random` is the drawn (x, y), `centre` the middle, `saliency` the most striking place.
    x and y are in unit coordinates.
    """

    point: str = choice("random", "centre", "saliency")
    direction: str = choice("to", "from")
    x: float = number(0.3, 0.7, at_least=0, at_most=1)
    y: float = number(0.3, 0.7, at_least=0, at_most=1)
    ease: str = choice(*EASES)

    def aim(self, salient_point: SalientPoint) -> Self:
        """The same component with (x, y) where its point lies on this still."""
        if self.point == "random":
            return self
        x, y = (0.5, 0.5) if self.point == "centre" else salient_point()
        return dataclasses.replace(self, x=x, y=y)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = EASES[self.ease](time.progress)
        share = progress if self.direction == "to" else 1 - progress
        across, down = view.widest
        return along(TRUCK, share * (self.x - 0.5) / across) - along(PEDESTAL, share * (self.y - 0.5) / down)

    def words(self) -> str:
        if self.point == "centre":
            return ""
        return "towards the subject" if self.direction == "to" else "away from the subject"


def _log_zoom(scale: str, within: float) -> float:
    low, high = np.log(SCALES[scale])
    return float(low + (high - low) * within)
