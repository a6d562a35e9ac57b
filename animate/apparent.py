"""The apparent motion of a finished shot, measured: what its homographies, its blur and its exposure come to.

It does not know which components drew the shot. Lengths are in frame widths, in both directions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from animate.camera import Homographies, View, side_by_side
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


def measure(layers: Sequence[Layer], views: Sequence[View], fps: float) -> list[Motion]:
    """What the homographies, the blur and the exposure of each shot come to, whatever the others are.

    There is at least one; `views` holds those of their stills, whose frames have one size.
    """
    ends = [_Ends.of(layer.homographies, view) for layer, view in zip(layers, views, strict=True)]
    # A last frame is there twice, so that a shot of one frame has a step to the next.
    homographies = side_by_side([np.concatenate([x.homographies, x.homographies[-1:]]) for x in layers])
    middles = homographies @ _MIDDLE
    depths = middles[..., 2]
    middles = middles[..., :2] / depths[..., None]
    gone = middles - middles[:, :1]
    turned = np.array([end.way_from_unit for end in ends])[:, None]
    way = gone[..., :1] * turned[..., 0, :] + gone[..., 1:] * turned[..., 1, :]
    onward = way * np.where(way[:, -1:] < 0, -1.0, 1.0)
    shakes = (np.maximum.accumulate(onward, axis=1) - onward).max(axis=(1, 2))
    strides = way[:, 1:] - way[:, :-1]
    strides *= strides
    drifts = np.sqrt((strides[..., 0] + strides[..., 1]).max(axis=1)) * fps
    # The area that the still's pixels at the middle have in the view, up to a factor.
    areas = depths * depths * depths / determinants(homographies)
    grown = areas[:, 1:] / areas[:, :-1]
    growths = np.maximum(grown.max(axis=1), 1 / grown.min(axis=1))
    columns = (shifts(homographies, views[0]), way[:, -1], shakes, drifts, growths, middles[:, [0, -1]])
    motions = []
    for layer, view, (first, last, _, unit), *found in zip(
        layers, views, ends, *(column.tolist() for column in columns), strict=True
    ):
        (from_first, steps), (right, sunk), shake, drift_speed, growth, (start, end) = found
        widest = min(view.still_size[0] / view.frame_size[0], view.still_size[1] / view.frame_size[1])
        motions.append(
            Motion(
                furthest=max(from_first),
                net=from_first[-1],
                speed=max(steps) * fps,
                right=right,
                up=-sunk,
                drift_speed=drift_speed,
                shake=shake,
                closer=math.log(first.pixels / last.pixels),
                zoom_speed=math.log(growth) / 2 * fps,
                clockwise=_turn(first.jacobian, last.jacobian),
                swing_right=first.lean[0] - last.lean[0],
                swing_up=last.lean[1] - first.lean[1],
                steeper=math.hypot(*last.lean) - math.hypot(*first.lean),
                slowing=_slowing(steps[: max(1, len(layer.homographies) - 1)]),
                scales=(widest / first.pixels, widest / last.pixels),
                stops=float(layer.stops[-1] - layer.stops[0]),
                blur=float(layer.blur[-1] - layer.blur[0]),
                least_blur=float(min(layer.blur[0], layer.blur[-1])),
                middles=((start[0], start[1]), (end[0], end[1])),
                unit=unit,
            )
        )
    return motions


class _Ends(NamedTuple):
    """The first and the last frame of a shot, and what is measured in the mean of the two: `way_from_unit`
    makes of unit coordinates of the still, in a row, frame widths along the sides of the frame, right and
    down; `unit` is the still's width and height in frame widths."""

    first: "_Glance"
    last: "_Glance"
    way_from_unit: _Matrix
    unit: tuple[float, float]

    @classmethod
    def of(cls, homographies: Homographies, view: View) -> "_Ends":
        first, last = (_Glance.at(homography, view) for homography in homographies[[0, -1]].tolist())
        (a, b), (c, d) = _average(first.jacobian, last.jacobian)
        (across, down), frame_width = view.still_size, view.frame_size[0]
        determinant = (a * d - b * c) * frame_width
        x, y = across / determinant, down / determinant
        size = 1 / math.sqrt(abs(determinant * frame_width))
        return cls(first, last, ((d * x, -c * x), (-b * y, a * y)), (across * size, down * size))


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
