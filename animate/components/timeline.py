"""The clock of a shot: where on its own timeline each frame of the clip lies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

Array = Float64[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Progress of each frame and how it runs, while components retime it.

    `progress` is 0 at the first frame and 1 at the last, before `Timeline` reads it as a place on the
    shot's own timeline. `frame` is the distance in progress between two frames. `rate` is how much faster
    than life the shot plays, `window` how much of the shot's timeline the clip shows.
    """

    progress: Array
    frame: float
    rate: float = 1.0
    window: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Where each frame lies on the shot's own timeline.

    `progress` in 0..1, `seconds` the same in seconds of the shot, which lasts `duration` seconds.
    """

    progress: Array
    seconds: Array
    duration: float

    @classmethod
    def of(cls, clock: Clock, clip_seconds: float) -> "Timeline":
        duration = clip_seconds * clock.rate / clock.window
        return cls(progress=clock.progress, seconds=clock.progress * duration, duration=duration)


EASES: Mapping[str, Callable[[Any], Any]] = {
    "linear": lambda p: p,
    "ease_in": lambda p: p * p,
    "ease_out": lambda p: p * (2 - p),
    "ease_in_out": lambda p: p * p * (3 - 2 * p),
}


def burst(time: Timeline, at: float, seconds: float) -> Array:
    """0 before, 1 after, and a smooth step of `seconds` around `at` (a share of the shot) in between."""
    step = np.clip((time.seconds - at * time.duration) / seconds + 0.5, 0.0, 1.0)
    return EASES["ease_in_out"](step)
