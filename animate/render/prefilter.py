"""How far to blur and shrink a still before sampling it, so that fine detail does not alias.

A bilinear sample looks at four source pixels. Where a frame pixel spans more than that, the rest is skipped
and fine detail flickers. So each frame is sampled from a *level* of the still: level n suits about
2 ** (n / 3) source pixels a frame pixel. Level 0 is the still itself. A higher level is the still halved
`halvings` times by exact area averaging, then smoothed by a Gaussian of 0.46 frame pixels, at full
resolution. Together with the bilinear sample that is a tent of two frame pixels to within 0.4 per cent of
full scale, which is what anti-aliased bilinear resizing is in every library; narrower Gaussians are nearer
to a box, and let edges wobble as they cross pixels.
(Shrinking to one source pixel a frame pixel and then sampling, the usual pyramid, samples twice on similar
grids: slower, and in a first trial 6 dB worse against a box.)
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

#: Standard deviation of the prefilter in frame pixels.
SIGMA_FRAME_PIXELS = 0.46

#: Number of levels by which the scale doubles.
_PER_OCTAVE = 3

#: The highest level that is made by blur alone: 2 ** (4 / 3) = 2.5 source pixels a frame pixel.
_MAX_BLUR_LEVEL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A prefiltered still: halved `halvings` times, then blurred by `sigma` pixels of the halved still."""

    halvings: int
    sigma: float


def level_of(scale: float) -> Level:
    """The level to sample where a frame pixel spans `scale` source pixels."""
    return _level(max(0, round(_PER_OCTAVE * math.log2(scale))))


@functools.cache
def _level(number: int) -> Level:
    # scale      1    1.26  1.59   2    2.52  3.17   4    5.04  6.35   8
    # number     0     1     2     3     4     5     6     7     8     9
    # halvings   0     0     0     0     0     1     1     1     2     2
    # sigma      0    0.58  0.73  0.92  1.16  0.73  0.92  1.16  0.73  0.92
    if number == 0:
        return Level(halvings=0, sigma=0.0)
    halvings = max(0, -(-(number - _MAX_BLUR_LEVEL) // _PER_OCTAVE))
    return Level(halvings=halvings, sigma=SIGMA_FRAME_PIXELS * 2 ** (number / _PER_OCTAVE - halvings))


def gaussian_taps(sigma: float) -> Float64[np.ndarray, " k"]:
    """An odd number of weights that add up to 1; those left out are under 1/25 of the middle one."""
    reach = max(1, math.floor(3 * sigma - 0.7))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return taps / taps.sum()
