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

    `progress` is the place of each moment on the shot's timeline, 0 where its moves begin and 1 where they
    end: before any change 0 at the first frame and 1 at the last. It may go beyond, where the shot's moves
    have not begun or are over. `frame` is the step in progress from one frame to the next before any change.
    `window` is the share of the shot that the clip would show at the pace of life.
    """

    progress: Array
    frame: float
    window: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Where each moment lies on the shot's own timeline.

    `progress` is in 0..1 and says how far the shot's moves are. `seconds` are those of life since the moves
    began, which last `duration` seconds: where progress rests at 0 or 1, seconds go on.
    """

    progress: Array
    seconds: Array
    duration: float

    @classmethod
    def of(cls, clock: Clock, clip_seconds: float) -> "Timeline":
        """The timeline that a clip of `clip_seconds` shows by `clock`.

        The moves of a clip of 3 s last 3 s in life. If it shows half of them (window 0.5), they last 6 s. At
        twice the pace of life its progress goes from -0.5 to 1.5: the clip films 6 s of life, from 1.5 s
        before the moves begin to 1.5 s after they have ended.
        """
        duration = clip_seconds / clock.window
        progress = np.clip(clock.progress, 0.0, 1.0)
        return cls(progress=progress, seconds=clock.progress * duration, duration=duration)


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
