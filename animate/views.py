"""What views show of a still, measured on their homographies: areas, scales, magnification, motion.

Homographies map view to source in unit coordinates, see `animate.camera`.
"""

import numpy as np
from jaxtyping import Float64

from animate.camera import CORNERS, View, Views

#: Depth that a point behind the camera is given, over that of the view: it is far out of the picture.
_NEAREST = 1e-9

#: The corners twice, as columns.
_TWO_CORNERS = np.concatenate([CORNERS, CORNERS]).T

#: For each corner of a view, the next one.
_NEXT_CORNER = np.array([1, 2, 3, 0])


def view_areas(corners: Float64[np.ndarray, "*b 4 2"]) -> Float64[np.ndarray, "*b"]:
    """Share of the still's area that each view shows: half the cross product of its diagonals."""
    x, y = corners[..., 0], corners[..., 1]
    return 0.5 * np.abs(
        (x[..., 2] - x[..., 0]) * (y[..., 3] - y[..., 1]) - (x[..., 3] - x[..., 1]) * (y[..., 2] - y[..., 0])
    )


def union_area(corners: Float64[np.ndarray, "*b t 4 2"], num_lines: int = 32) -> Float64[np.ndarray, "*b"]:
    """Share of the still's area that a path of views shows in all, right to about 1 / (2 `num_lines`), and
    exactly where one upright view holds all others.

    The still is sampled on `num_lines` horizontal lines. A view is convex, so it covers one interval of a
    line, and the lengths of the union of these intervals are exact. For the intervals 1..4, 2..3 and 6..8,
    sorted by their left ends:

        left       1   2   6
        right      4   3   8
        reached    4   4   8      the furthest right end so far
        before   -inf  4   4      `reached` before this interval
        shown      3   0   2      right - max(left, before), or 0 where that is negative: 5 in all
    """
    areas = view_areas(corners)
    largest = areas.max(axis=-1)
    low, high = corners.min(axis=(-3, -2)), corners.max(axis=(-3, -2))
    around = (high[..., 0] - low[..., 0]) * (high[..., 1] - low[..., 1])
    holds = largest >= around * (1 - 1e-9)  # an upright rectangle, and all others, as in a zoom
    if holds.all():
        return largest
    # The axes of what follows: the four edges of a view, whatever comes before t in `corners`, lines, t.
    x, y = np.moveaxis(corners, (-2, -1), (1, 0))[..., None, :]
    end_x, end_y = x[_NEXT_CORNER], y[_NEXT_CORNER]
    rise = end_y - y
    slope = (end_x - x) / np.where(np.abs(rise) < 1e-12, np.inf, rise)
    lines = ((np.arange(num_lines) + 0.5) / num_lines)[:, None]
    crossed = (lines >= y) != (lines >= end_y)
    cut = (x - y * slope) + lines * slope
    # Complex numbers sort by their real part: each left end takes its right end along.
    intervals = np.empty(cut.shape[1:], np.complex128)
    intervals.real = np.where(crossed, cut, np.inf).min(axis=0)
    intervals.imag = np.where(crossed, cut, -np.inf).max(axis=0)
    intervals.sort(axis=-1)
    left, right = intervals.real, intervals.imag
    reached = np.maximum.accumulate(right, axis=-1)
    left[..., 1:] = np.maximum(left[..., 1:], reached[..., :-1])
    # Where a line meets no view at the end of the order, left is infinite and nothing is shown.
    shown = np.maximum(right - left, 0.0).sum(axis=-1).sum(axis=-1) / num_lines
    return np.where(holds, largest, shown)


def max_speed(
    homographies: Float64[np.ndarray, "*b t 3 3"], seconds: float, view: View | Views
) -> Float64[np.ndarray, "*b"]:
    """The fastest motion between two successive frames, `seconds` apart, in frame widths a second.

    Of what is seen at the corners of a frame, it is how far it lies from there in the next frame.
    """
    if homographies.shape[-3] < 2:
        return np.zeros(homographies.shape[:-3])
    seen = homographies[..., :-1, :, :] @ CORNERS.T
    squares = _squared_shifts(seen, homographies[..., 1:, :, :], CORNERS.T, view)
    return np.sqrt(squares.max(axis=(-1, -2))) / seconds


def shifts(homographies: Float64[np.ndarray, "*b t 3 3"], view: View) -> Float64[np.ndarray, "*b 2 t-1"]:
    """How far, at most, what is seen at a corner lies from there in each later frame: what the first frame
    saw there, and what the frame before did. In frame widths; enormous where it lies behind the camera."""
    seen = homographies @ CORNERS.T
    points = np.empty((*seen.shape[:-3], seen.shape[-3] - 1, 3, 8))
    points[..., :4] = seen[..., :1, :, :]
    points[..., 4:] = seen[..., :-1, :, :]
    squares = _squared_shifts(points, homographies[..., 1:, :, :], _TWO_CORNERS, view)
    return np.sqrt(squares.reshape(*squares.shape[:-1], 2, 4).max(axis=-1)).swapaxes(-1, -2)


def _squared_shifts(
    seen: Float64[np.ndarray, "*b 3 n"],
    homographies: Float64[np.ndarray, "*b 3 3"],
    places: Float64[np.ndarray, "3 n"],
    view: View | Views,
) -> Float64[np.ndarray, "*b n"]:
    """How far homogeneous points of the source lie from `places` of each view, in frame widths, squared.

    Along the way: a frame of 9:16 that rises by its height has moved by 16/9. What lies behind the camera is
    as far away as what lies at `_NEAREST`.
    """
    points = np.linalg.inv(homographies) @ seen
    away = points[..., :2, :] / np.maximum(points[..., 2:, :], _NEAREST) - places[:2]
    away *= away
    return away[..., 0, :] + away[..., 1, :] * (view.frame_size[1] / view.frame_size[0]) ** 2


def max_magnification(
    homographies: Float64[np.ndarray, "*b t 3 3"], view: View | Views
) -> Float64[np.ndarray, "*b"]:
    """The most frame pixels that a source pixel is spread over, in its longest direction, anywhere in the
    path: a bound on the larger singular value of the Jacobian of frame pixels from source pixels.

    Where its maximum lies. With the depth w of `source_from_view` and view and source turned so that their
    first axes run along the horizon, that Jacobian is s M, s the distance from the horizon (w up to a
    factor) and M = [[k, m t], [0, m s]] at a point (t, s) of the view. Its norm |M| is convex, and even in s,
    so it grows with s, and so does s |M|: the maximum lies on the border of the view. Along a side w is
    linear and |M| at most the straight line between its values at the two corners. The product of the two
    lines is the bound; it is largest at a corner, where it is exact, unless one of them rises while the other
    falls nearly as fast:

        corners     w 1.0 and 1.2, |M| 2.0 and 1.0: w |M| is 2.0 and 1.2, the bound of the side 2.0
                    w 1.0 and 3.0, |M| 2.0 and 1.0: w |M| is 2.0 and 3.0, the bound of the side
                    (1 + 2 p) (2 - p) at p = 3/4, 3.125
    """
    scale = view.sides[..., :, None] / view.frame_size
    corners = homographies @ CORNERS.T
    depth = corners[..., 2, :]
    place = corners[..., :2, :] / depth[..., None, :]
    # Source pixels from frame pixels at each corner (the last axis), times the depth.
    jacobian = homographies[..., :2, :2, None] - homographies[..., 2, None, :2, None] * place[..., None, :]
    jacobian *= scale[..., None]
    determinant = np.abs(
        jacobian[..., 0, 0, :] * jacobian[..., 1, 1, :] - jacobian[..., 0, 1, :] * jacobian[..., 1, 0, :]
    )
    jacobian *= jacobian
    squares = jacobian.sum(axis=(-3, -2))
    # The larger singular value of the inverse is that of the matrix itself, over the determinant.
    larger = np.sqrt((squares + np.sqrt(np.maximum(squares**2 - 4 * determinant**2, 0.0))) / 2)
    norm = larger / np.maximum(determinant, 1e-300)
    at_corners = depth * norm
    rise, fall = depth[..., _NEXT_CORNER] - depth, norm[..., _NEXT_CORNER] - norm
    against = rise * fall < 0
    if not against.any():
        return at_corners.max(axis=(-1, -2))
    safe_rise, safe_fall = np.where(against, rise, 1.0), np.where(against, fall, 1.0)
    top = np.where(against, np.clip(-(depth / safe_rise + norm / safe_fall) / 2, 0.0, 1.0), 0.0)
    bound = np.maximum(at_corners, (depth + rise * top) * (norm + fall * top))
    return bound.max(axis=(-1, -2))


def source_scale(homographies: Float64[np.ndarray, "*b 3 3"], view: View) -> Float64[np.ndarray, "*b"]:
    """Source pixels that a frame pixel spans along one side, at the middle of each view."""
    still, frame = view.still_size, view.frame_size
    depth = homographies[..., 2, 0] / 2 + homographies[..., 2, 1] / 2 + homographies[..., 2, 2]
    area = determinants(homographies) / depth**3 * (still[0] * still[1]) / (frame[0] * frame[1])
    return np.sqrt(area)


def determinants(matrices: Float64[np.ndarray, "*b 3 3"]) -> Float64[np.ndarray, "*b"]:
    """Determinants by cofactors: for a few 3 x 3 matrices five times as fast as `np.linalg.det`."""
    a, b, c = matrices[..., 0, :], matrices[..., 1, :], matrices[..., 2, :]
    return (
        a[..., 0] * (b[..., 1] * c[..., 2] - b[..., 2] * c[..., 1])
        - a[..., 1] * (b[..., 0] * c[..., 2] - b[..., 2] * c[..., 0])
        + a[..., 2] * (b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0])
    )
