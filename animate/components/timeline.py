"""The timeline of a shot, and where on it each frame of the clip lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

#: One number for each moment.
Array = Float64[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the components that change time hand from one to the next.

    `progress` is the place of each moment on the shot's timeline: before any change 0 at the first frame and
    1 at the last. `frame` is the step in progress from one frame to the next. `rate` is how many times as
    fast as in life the shot plays, `window` the share of the shot's timeline that the clip shows.
    """

    progress: Array
    frame: float
    rate: float = 1.0
    window: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Where each moment lies on the shot's own timeline.

    `progress` is in 0..1, `seconds` is the same in seconds of the shot, and the shot lasts `duration`
    seconds.
    """

    progress: Array
    seconds: Array
    duration: float

    @classmethod
    def of(cls, clock: Clock, clip_seconds: float) -> "Timeline":
        """The timeline that a clip of `clip_seconds` shows by `clock`.

        A clip of 3 s at twice the pace of life (rate 2) films 6 s. If that is half of the shot (window 0.5),
        the shot lasts 12 s.
        """
        duration = clip_seconds * clock.rate / clock.window
        return cls(progress=clock.progress, seconds=clock.progress * duration, duration=duration)


#: How a move spreads over the shot: progress in 0..1 to the share of the move that is done.
EASES: Mapping[str, Callable[[Any], Any]] = {
    "linear": lambda p: p,
    "ease_in": lambda p: p * p,
    "ease_out": lambda p: p * (2 - p),
    "ease_in_out": lambda p: p * p * (3 - 2 * p),
}


def burst(time: Timeline, at: float, seconds: float) -> Array:
    """A smooth step from 0 to 1 that takes `seconds`; its middle lies at the share `at` of the shot."""
    step = np.clip((time.seconds - at * time.duration) / seconds + 0.5, 0.0, 1.0)
    return EASES["ease_in_out"](step)
