"""How far to blur and shrink a still before sampling it, so that fine detail does not alias.

A bilinear sample looks at four source pixels. Where a frame pixel spans more than that, the rest is skipped
and fine detail flickers. So each view is sampled from a *level*: the still, halved by exact area averaging
while a frame pixel spans more than 2.83 pixels, then smoothed by a kernel of about 0.4 frame pixels. With the
bilinear sample that is nearly a tent of two frame pixels, which is what anti-aliased bilinear resizing is in
every library (Pillow's BILINEAR, torch's `antialias=True`). Narrower kernels are nearer to a box, and let
edges wobble as they cross pixels.

**Nothing pops.** How sharp a frame is follows from the variance of all that blurs it, and variances add up.
So the kernel has the variance that is wanted at the view's scale, less what halving has blurred before it,
less what the bilinear sample will blur after it: on a pixel nothing, half way between two most, and where a
frame pixel spans just one or two source pixels the whole frame is sampled alike. So a slow zoom never steps
from one sharpness to another, to a 64th of an octave.

A shot whose scale changes by less than three quarters of an octave, as most do, has one level, that of its
closest view; the other views are smoothed once more in the frame by what they lack, which costs a third of a
level each. Half an octave out that is 40 dB from a tent, at three quarters 38, where a level of its own has
47 and no level at all 26. Shots with more change have a level for each view.
(Shrinking to one source pixel a frame pixel and then sampling, the usual pyramid, samples twice on similar
grids: slower, and in a first trial 6 dB worse against a box.)
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from animate.camera import Homographies, View
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.views import source_scale

#: Variance of the kernel in square frame pixels, where a frame pixel spans many source pixels.
_VARIANCE = 0.18

#: Source pixels a frame pixel at which there is no kernel; it comes in from nothing.
_SHARP_AT = 0.4

#: Variance in square pixels of a bilinear sample, in the mean over all places between pixels.
_BILINEAR = 1 / 6

#: How much a kernel makes up for samples that blur more or less than that. By variance alone it would be 1;
#: what can be seen of it is finer than the rest of a picture, and 1.2 leaves the least.
_MADE_UP = 1.2

#: Variance, in square pixels of the halved still, that many halvings spare the kernel. By variance alone it
#: would be 1/4, a twelfth for the box and a sixth for sampling between larger pixels; 0.18 leaves no step.
_HALVED = 0.18

#: Steps in which the width of the whole filter follows the scale, an octave.
_STEPS_AN_OCTAVE = 64

#: Octaves by which the scale of a shot may change that has one level throughout.
_ONE_LEVEL = 0.75

#: The base two logarithm of the scale from which a still is halved once; one more doubles it.
_FIRST_HALVING = 1.5

#: Variance of a frame's own kernel, in square pixels, up to which all frames of a shot do without: the level
#: has the mean of what they need. 0.05 changes the sharpness of a frame by two per cent or so.
_UNSEEN = 0.05

#: Standard deviation of a blur of the frame, in pixels, that cannot be seen and is left out.
NARROWEST = 0.1

#: Where the window over a kernel of `sigma` pixels ends: `_REACH` + `_REACH_PER_SIGMA` * `sigma` pixels out.
_REACH, _REACH_PER_SIGMA = 1.25, 1.4

#: The `sigma` with which that is two pixels: three weights up to here, and then five.
_REACHES_TWO = (2 - _REACH) / _REACH_PER_SIGMA

#: Rounds in which the width of a windowed Gaussian is corrected: it is then right to one in a million.
_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A blur of standard deviation `across` and `down`, in pixels; 0 for none."""

    across: float = 0.0
    down: float = 0.0

    def __bool__(self) -> bool:
        return self.across > 0 or self.down > 0


#: No blur.
SHARP = Kernel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A prefiltered still: halved `halvings` times, then blurred by `kernel` in pixels of what is left."""

    halvings: int
    kernel: Kernel = SHARP


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """How one view is smoothed: the `level` that it samples, and the kernel of its frame, in frame pixels."""

    level: Level
    finish: Kernel = SHARP


def halvings_of(scale: float) -> int:
    """How many halvings of a still leave 1.41 pixels or more where a frame pixel spans `scale` of them."""
    return max(0, math.floor(math.log2(scale) - _FIRST_HALVING) + 1)


def filters_of(
    views: Homographies, still_size: tuple[int, int], frame_size: tuple[int, int], reduced: int = 0
) -> list[Filter]:
    """How to smooth each of the `views` of one shot.

    The sizes are (width, height) in pixels; that of the still is as it is at hand, halved `reduced` times by
    its decoder.
    """
    scales = source_scale(views, View(still_size=still_size, frame_size=frame_size))
    closest = float(scales.min())
    one_level = scales.max() <= closest * 2**_ONE_LEVEL
    halvings = (
        np.full(len(views), halvings_of(closest))
        if one_level
        else np.array([halvings_of(scale) for scale in scales.tolist()])
    )
    shrunk = 0.25**halvings
    wanted = _VARIANCE * np.maximum(scales**2 - _SHARP_AT**2, 0.0) * shrunk
    variances = (wanted - _HALVED * (1 - shrunk * 0.25**reduced))[:, None].repeat(2, axis=1)
    in_step = _in_step(scales * np.sqrt(shrunk), max(frame_size))
    if in_step.any():
        sampled = _sampled(views[in_step], halvings[in_step], still_size, frame_size)
        if (scales == 1.0).all() and not sampled.any():
            return [_filter(0, SHARP)] * len(views)  # pixel on pixel: there is nothing to average
        variances[in_step] -= _MADE_UP * (sampled - _BILINEAR) * (wanted[in_step] > 0)[:, None]
    variances = np.maximum(variances, 0.0)
    if not one_level:
        return [
            _filter(halved, _kernel(*variance))
            for halved, variance in zip(halvings.tolist(), variances.tolist(), strict=True)
        ]
    least = variances.min(axis=0)
    in_frame = (variances - least) / (scales**2 * shrunk)[:, None]
    halved = int(halvings[0])
    if in_frame.max() <= _UNSEEN:
        return [_filter(halved, _kernel(*variances.mean(axis=0).tolist()))] * len(views)
    level = _kernel(*least.tolist())
    return [_filter(halved, level, _kernel(*variance)) for variance in in_frame.tolist()]


def _in_step(scales: Float64[np.ndarray, " n"], pixels: int) -> Bool[np.ndarray, " n"]:
    """Whether all pixels of a frame, or every second or third, may lie alike between those of its level.

    At a scale of 1.498 every second pixel is 2.996 source pixels on from the last: over 224 pixels they drift
    by 224 / 2 * 0.004, half a pixel, and all are sampled nearly alike. Three pixels of drift even that out.
    """
    strides = np.array([[1.0], [2.0], [3.0]])
    steps = strides * scales
    drift = np.abs(steps - np.rint(steps)) * (pixels / strides)
    return np.any(drift < 3, axis=0)


def _sampled(
    views: Homographies,
    halvings: Int64[np.ndarray, " n"],
    still_size: tuple[int, int],
    frame_size: tuple[int, int],
) -> Float64[np.ndarray, "n 2"]:
    """Variance, across and down, that bilinear samples of each view have, in the mean along its diagonals.

    A sample that lies the share p of the way from one pixel to the next averages the two with the weights
    1 - p and p, whose variance is p (1 - p): 0 on a pixel, 1/4 half way, 1/6 in the mean over all places.
    """
    variances = np.empty((len(views), 2))
    for count in set(halvings.tolist()):
        halved = (max(1, still_size[0] >> count), max(1, still_size[1] >> count))
        of_count = halvings == count
        places = source_pixel_from_frame_pixel(views[of_count], halved, frame_size) @ _diagonals(frame_size)
        pixels = places[:, :2] / places[:, 2:]
        share = pixels - np.floor(pixels)  # five times as fast as `% 1.0`
        variances[of_count] = (share * (1 - share)).mean(axis=2)
    return variances


@functools.lru_cache(maxsize=16)
def _diagonals(frame_size: tuple[int, int]) -> Float64[np.ndarray, "3 k"]:
    """The pixels of a frame on its two diagonals, homogeneous."""
    number = max(frame_size)
    across, down = (np.rint(np.linspace(0, side - 1, number)) for side in frame_size)
    return np.stack([np.tile(across, 2), np.concatenate([down, down[::-1]]), np.ones(2 * number)])


def _kernel(across: float, down: float) -> Kernel:
    """A kernel of nearly these variances."""
    return _stepped(*(round(_STEPS_AN_OCTAVE / 2 * math.log2(1 + v / _BILINEAR)) for v in (across, down)))


@functools.cache
def _filter(halvings: int, level: Kernel, finish: Kernel = SHARP) -> Filter:
    return Filter(level=Level(halvings=halvings, kernel=level), finish=finish)


@functools.cache
def _stepped(across: int, down: int) -> Kernel:
    """The kernel that makes a bilinear sample so many steps wider; 0 for none."""
    sigmas = [math.sqrt(_BILINEAR * (4 ** (step / _STEPS_AN_OCTAVE) - 1)) for step in (across, down)]
    return Kernel(across=sigmas[0], down=sigmas[1])


@functools.lru_cache(maxsize=4096)
def gaussian_taps(sigma: float) -> Float64[np.ndarray, " k"]:
    """An odd number of weights that add up to 1 and have the variance `sigma` ** 2; for 0, the one weight 1.

    A Gaussian under a window of finite reach, so that the outermost weights come in from nothing as `sigma`
    grows.
    """
    variance = sigma**2
    if variance == 0:
        return np.ones(1)
    if variance <= _variance(_windowed(_REACHES_TWO)):
        return np.array([variance / 2, 1 - variance, variance / 2])
    wanted = sigma
    for _ in range(_ROUNDS):
        wanted *= sigma / math.sqrt(_variance(_windowed(wanted)))
    return _windowed(wanted)


def _windowed(sigma: float) -> Float64[np.ndarray, " k"]:
    reach = _REACH + _REACH_PER_SIGMA * sigma
    places = np.arange(1 - math.ceil(reach), math.ceil(reach))
    taps = np.exp(-0.5 * (places / sigma) ** 2) * (1 - (places / reach) ** 2)
    return taps / taps.sum()


def _variance(taps: Float64[np.ndarray, " k"]) -> float:
    return float(taps @ (np.arange(len(taps)) - len(taps) // 2) ** 2)
