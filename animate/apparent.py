"""The apparent motion of a finished shot, measured: what its homographies, its blur and its exposure come to.

It does not know which components drew the shot. Lengths are in frame widths, in both directions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from animate.camera import View
from animate.edit import Layer
from animate.views import determinants, shifts

#: A shot is static if no corner of its first frame is ever further from its place than this.
STATIC = 0.01

#: Two rows of two.
_Matrix = tuple[tuple[float, float], tuple[float, float]]

#: The middle of a view as a homogeneous point.
_MIDDLE = np.array([0.5, 0.5, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What is seen in a shot, from its first frame to its last unless it says otherwise.

    `furthest` is how far, at most, what is seen at a corner of the first frame lies from there in any other,
    `net` is the same for the last frame alone, and `speed` the fastest motion of a corner between two
    successive frames, in frame widths a second.

    Of the middle of the view: `right` and `up` are how far it goes over the still, in frame widths (of the
    first and the last frame on average) and along the sides of the frame, and `drift_speed` is the fastest
    part of that a second. `shake` is how far, at most, it comes back on its way, left and right or up and
    down. `closer` is the natural logarithm of how many times as large things become there, and `zoom_speed`
    the fastest part of that a second, either way. `clockwise` is the turn of the camera about its lens in
    degrees: things turn the other way.

    `swing_right` and `swing_up` are how the perspective changes: as if the camera had turned right, or up,
    until the depth changes over a frame width by that share more. `steeper` is how much stronger the
    perspective becomes, whichever way.

    `slowing` is the natural logarithm of the way of the corners in the first half of the shot over that in
    the second. `scales` are the magnifications of the first and the last frame over that of the widest view.
    `stops` and `blur` are how much brighter and more blurred the picture becomes, and `least_blur` the
    smaller of its blurs then, as standard deviations in frame widths.

    `middles` are the middles of the first and the last view on the still in unit coordinates, and `unit` is
    the still's width and height, in frame widths.
    """

    furthest: float
    net: float
    speed: float
    right: float
    up: float
    drift_speed: float
    shake: float
    closer: float
    zoom_speed: float
    clockwise: float
    swing_right: float
    swing_up: float
    steeper: float
    slowing: float
    scales: tuple[float, float]
    stops: float
    blur: float
    least_blur: float
    middles: tuple[tuple[float, float], tuple[float, float]]
    unit: tuple[float, float]

    @property
    def static(self) -> bool:
        """Nothing moves, to the eye."""
        return self.furthest < STATIC

    def nearer(self, point: tuple[float, float]) -> float:
        """How much nearer the middle of the view comes to a point of the still, in frame widths."""
        first, last = (
            math.hypot((x - point[0]) * self.unit[0], (y - point[1]) * self.unit[1]) for x, y in self.middles
        )
        return first - last


def measure(layer: Layer, view: View, fps: int) -> Motion:
    """What the homographies, the blur and the exposure of a shot come to; `view` is that of its still."""
    homographies = layer.homographies
    num_frames = len(homographies)
    first = _Glance.at(homographies[0].tolist(), view)
    last = _Glance.at(homographies[-1].tolist(), view)
    (a, b), (c, d) = _average(first.jacobian, last.jacobian)
    (across, down), frame_width = view.still_size, view.frame_size[0]
    determinant = (a * d - b * c) * frame_width
    middles = homographies @ _MIDDLE
    depths = middles[:, 2]
    middles = middles[:, :2] / depths[:, None]
    # From unit coordinates of the still to frame widths along the sides of the frame.
    x, y = across / determinant, down / determinant
    way = (middles - middles[0]) @ np.array([[d * x, -c * x], [-b * y, a * y]])
    right, sunk = way[-1].tolist()
    onward = way * (-1.0 if right < 0 else 1.0, -1.0 if sunk < 0 else 1.0)
    shake = (np.maximum.accumulate(onward, axis=0) - onward).max()
    furthest = net = drift_speed = zoom_speed = speed = slowing = 0.0
    if num_frames > 1:
        from_first, steps = shifts(homographies, view).tolist()
        furthest, net = max(from_first), from_first[-1]
        speed, slowing = max(steps) * fps, _slowing(steps)
        strides = way[1:] - way[:-1]
        drift_speed = math.sqrt((strides * strides).sum(axis=1).max()) * fps
        # The area that the still's pixels at the middle have in the view, up to a factor.
        areas = depths * depths * depths / determinants(homographies)
        grown = areas[1:] / areas[:-1]
        zoom_speed = math.log(max(grown.max(), 1 / grown.min())) / 2 * fps
    widest = min(across / frame_width, down / view.frame_size[1])
    size = 1 / math.sqrt(abs(determinant * frame_width))
    return Motion(
        furthest=furthest,
        net=net,
        speed=speed,
        right=right,
        up=-sunk,
        drift_speed=drift_speed,
        shake=float(shake),
        closer=math.log(first.pixels / last.pixels),
        zoom_speed=zoom_speed,
        clockwise=_turn(first.jacobian, last.jacobian),
        swing_right=first.lean[0] - last.lean[0],
        swing_up=last.lean[1] - first.lean[1],
        steeper=math.hypot(*last.lean) - math.hypot(*first.lean),
        slowing=slowing,
        scales=(widest / first.pixels, widest / last.pixels),
        stops=float(layer.stops[-1] - layer.stops[0]),
        blur=float(layer.blur[-1] - layer.blur[0]),
        least_blur=float(min(layer.blur[0], layer.blur[-1])),
        middles=(
            (float(middles[0, 0]), float(middles[0, 1])),
            (float(middles[-1, 0]), float(middles[-1, 1])),
        ),
        unit=(across * size, down * size),
    )


@dataclass(frozen=True, slots=True)
class _Glance:
    """One frame at its middle: the `jacobian` of source pixels from frame pixels, the source `pixels` that a
    frame pixel spans there, and how the depth grows over a frame width, right and down, by its share."""

    jacobian: _Matrix
    pixels: float
    lean: tuple[float, float]

    @classmethod
    def at(cls, homography: Sequence[Sequence[float]], view: View) -> "_Glance":
        (a, b, c), (d, e, f), (g, h, i) = homography
        (across, down), (width, height) = view.still_size, view.frame_size
        depth = (g + h) / 2 + i
        x, y = ((a + b) / 2 + c) / depth, ((d + e) / 2 + f) / depth
        per_width, per_height = 1 / (depth * width), 1 / (depth * height)
        jacobian = (
            ((a - x * g) * across * per_width, (b - x * h) * across * per_height),
            ((d - y * g) * down * per_width, (e - y * h) * down * per_height),
        )
        area = jacobian[0][0] * jacobian[1][1] - jacobian[0][1] * jacobian[1][0]
        return cls(jacobian, math.sqrt(area), (g / depth, h / depth * width / height))


def _average(first: _Matrix, last: _Matrix) -> _Matrix:
    return (
        ((first[0][0] + last[0][0]) / 2, (first[0][1] + last[0][1]) / 2),
        ((first[1][0] + last[1][0]) / 2, (first[1][1] + last[1][1]) / 2),
    )


def _turn(first: _Matrix, last: _Matrix) -> float:
    """Degrees by which the camera turned clockwise: the rotation in `last` over `first`."""
    ((a, b), (c, d)), ((e, f), (g, h)) = first, last
    # The adjugate of the first times the last.
    return math.degrees(math.atan2(a * g - c * e - (d * f - b * h), d * e - b * g + a * h - c * f))


def _slowing(steps: Sequence[float]) -> float:
    """The logarithm of the first half of a way over the second; a step in the middle counts to both."""
    half = (len(steps) + 1) // 2
    return math.log((sum(steps[:half]) + 1e-9) / (sum(steps[-half:]) + 1e-9))
