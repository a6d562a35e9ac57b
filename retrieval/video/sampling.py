"""Which frames of a video are seen: pure functions of its presentation times.

Times are whole ticks, so a frame that starts exactly at a chosen moment is chosen, whatever the frame
rate: the frame shown at a moment is the last one that started at or before it. No frame is chosen twice; a
video with fewer frames than wanted gives fewer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Int64

Ticks = Int64[np.ndarray, "n"]
Chosen = Int64[np.ndarray, "k"]


def uniform_segments(
    starts: Ticks, end: int, tick: Fraction, num_frames: int, rng: np.random.Generator | None
) -> Chosen:
    """Equal segments of time; from each the frame shown at its middle, or at a moment drawn with `rng`."""
    del tick
    if rng is None:
        # The middle of segment i is end * (2i + 1) / 2n; compared in whole numbers it needs no rounding.
        #   starts 0 3 6 9, end 12, n = 3: middles 2, 6, 10 show the frames that start at 0, 6 and 9
        return _shown(starts * (2 * num_frames), (2 * np.arange(num_frames, dtype=np.int64) + 1) * end)
    return _shown(starts, end * (np.arange(num_frames) + rng.random(num_frames)) / num_frames)


def one_fps_then_uniform(
    starts: Ticks, end: int, tick: Fraction, num_frames: int, rng: np.random.Generator | None
) -> Chosen:
    """The frames shown at 0, 1, 2, … seconds; of more than `num_frames`, as many evenly spaced ones.

    CLIP4Clip's rule: the first and the last of them are always kept. Nothing is drawn.
    """
    del rng
    # Three frames a second for 5 s, at most 3 of them: each second shows frames 0 3 6 9 12, of which evenly
    # spaced are 0 6 12.
    seconds = np.arange(max(1, -(-end * tick.numerator // tick.denominator)), dtype=np.int64)
    each_second = _shown(starts * tick.numerator, seconds * tick.denominator)
    if len(each_second) <= num_frames:
        return each_second
    return each_second[np.linspace(0, len(each_second) - 1, num_frames, dtype=np.int64)]


def _shown(starts: np.ndarray, moments: np.ndarray) -> Chosen:
    return np.unique(np.maximum(np.searchsorted(starts, moments, side="right") - 1, 0)).astype(np.int64)


SAMPLERS: dict[str, Callable[[Ticks, int, Fraction, int, np.random.Generator | None], Chosen]] = {
    "uniform_segments": uniform_segments,
    "one_fps_then_uniform": one_fps_then_uniform,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """A rule by name, how many frames it may take, and where in a segment (`uniform_segments` alone)."""

    name: str = "uniform_segments"
    num_frames: int = 12
    position: str = "middle"

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise ValueError(f"sampler = {self.name!r}: must be one of {', '.join(SAMPLERS)}")
        if self.num_frames < 1:
            raise ValueError(f"num_frames = {self.num_frames}: must be 1 or more")
        if self.position not in ("middle", "random"):
            raise ValueError(f"position = {self.position!r}: must be middle or random")

    @property
    def draws(self) -> bool:
        """Whether two readings of a video may give different frames."""
        return self.position == "random" and self.name == "uniform_segments"

    def label(self) -> str:
        """How result files name the rule."""
        where = f" {self.position}" if self.name == "uniform_segments" else ""
        return f"{self.name}{where} {self.num_frames}"

    def choose(self, starts: Ticks, end: int, tick: Fraction, rng: np.random.Generator | None) -> Chosen:
        """Indices of the chosen frames, ascending.

        `starts` are the frames' first moments in ticks of `tick` seconds, ascending from 0; `end` is the
        moment when the last one is over. `rng` is needed, and used, only where the sampler draws.
        """
        if not len(starts):
            raise ValueError("starts: a video without frames has none to choose")
        if self.draws and rng is None:
            raise ValueError("position = 'random': needs a generator to draw with")
        return SAMPLERS[self.name](starts, end, tick, self.num_frames, rng if self.draws else None)
