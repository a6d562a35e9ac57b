"""A pinhole camera in front of a still: poses in, homographies out.

The still is a plane. At rest the camera faces the middle of the still from distance 1 and sees the largest
upright rectangle of the frame's shape that fits into it. A move is one pose for each frame, and each pose
gives one homography

    view_from_source = K(t) [R(t) - T(t) nT / d] K0^-1

of which this file computes the inverse, `source_from_view`, in closed form.

Conventions. Unit coordinates: x and y run from 0 at the left and top edge to 1 at the right and bottom edge,
of the still and of the view alike, so nothing here depends on pixels. Camera axes: x right, y down, z
forward. A pose is a row of seven numbers, in the columns below. At rest all are 0. The poses of several moves
add up.

    PAN, TILT, ROLL        radians; positive turns right, up, clockwise (as the operator sees it)
    TRUCK, PEDESTAL        to the right and up, in widths (heights) of the frame at rest
    DOLLY                  towards the still, in distances to it: 0.25 is a quarter of the way
    ZOOM                   natural logarithm of focal length over focal length at rest
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

#: Columns of a pose.
PAN, TILT, ROLL, TRUCK, PEDESTAL, DOLLY, ZOOM = range(7)

#: How many columns those are.
NUM_AXES = 7

#: One pose a moment.
Poses = Float64[np.ndarray, "t 7"]

#: One homography a moment, from view to source in unit coordinates.
Homographies = Float64[np.ndarray, "t 3 3"]

#: Angle that the longer side of the frame spans at rest: that of a normal lens.
FIELD_OF_VIEW_DEGREES = 50.0

#: Decimals to which homographies are rounded.
_HOMOGRAPHY_DECIMALS = 12

#: How far inside the still a view stays, relative to its size: room for that rounding.
_MARGIN = 1e-9

#: A frame that fits only when it is narrower than this, in widths at rest, shows a point and does not fit. It
#: keeps six digits of the rounded homographies.
_NARROWEST = 1e-6

#: Each row gives a number that is >= 0 for a homogeneous source point (x w, y w, w) inside the still: x w,
#: (1 - x) w, y w, (1 - y) w, and w itself, which is positive in front of the camera.
_INSIDE = np.array([[1, 0, 0], [-1, 0, 1], [0, 1, 0], [0, -1, 1], [0, 0, 1]], dtype=np.float64)

#: Corners of a view as homogeneous points, clockwise from the top left.
_CORNERS = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=np.float64)

#: Depth that a point behind the camera is given, over that of the view: it is far out of the picture.
_NEAREST = 1e-9

#: The corners twice, as columns.
_TWO_CORNERS = np.concatenate([_CORNERS, _CORNERS]).T


#: For each corner of a view, the next one.
_NEXT_CORNER = np.array([1, 2, 3, 0])


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The shape of a still and of the frame that films it, both (width, height) in any common unit."""

    still_size: tuple[int, int]
    frame_size: tuple[int, int]

    @property
    def widest(self) -> tuple[float, float]:
        """Share of the still's width and height that the view at rest shows; one of them is 1."""
        ratio = (self.frame_size[0] * self.still_size[1]) / (self.frame_size[1] * self.still_size[0])
        return min(1.0, ratio), min(1.0, 1.0 / ratio)

    @property
    def widest_area(self) -> float:
        """Share of the still's area that the view at rest shows."""
        across, down = self.widest
        return across * down

    @property
    def half_extents(self) -> tuple[float, float]:
        """Half the frame's width and height at rest, in distances to the still."""
        width, height = self.frame_size
        half = math.tan(math.radians(FIELD_OF_VIEW_DEGREES) / 2) / max(width, height)
        return half * width, half * height

    @property
    def source_pixels_per_frame_pixel(self) -> float:
        """Source pixels that one frame pixel spans at rest, when both sizes are in pixels."""
        return self.widest[0] * self.still_size[0] / self.frame_size[0]


def source_from_view(
    poses: Float64[np.ndarray, "*b 7"], tighten: Float64[np.ndarray, "*#b"] | float, view: View
) -> Float64[np.ndarray, "*b 3 3"]:
    """Homographies from view to source, h33 = 1.

    `tighten` in (0, 1] is the factor by which the frame is narrowed on top of the poses' own zoom.
    """
    return _narrowed(source_from_ray(poses, view), tighten * np.exp(-poses[..., ZOOM]), view)


def source_from_ray(poses: Float64[np.ndarray, "*b 7"], view: View) -> Float64[np.ndarray, "*b 3 3"]:
    """Matrices from a ray in camera axes to the homogeneous source point where it meets the still."""
    sines, cosines = np.sin(poses[..., :3]), np.cos(poses[..., :3])
    sp, st, sr = sines[..., PAN], sines[..., TILT], sines[..., ROLL]
    cp, ct, cr = cosines[..., PAN], cosines[..., TILT], cosines[..., ROLL]
    (across, down), (share_x, share_y) = view.half_extents, view.widest
    depth = 1 - poses[..., DOLLY]
    truck, pedestal = poses[..., TRUCK] * 2 * across, poses[..., PEDESTAL] * -2 * down

    # Pan after tilt after roll: the columns are the camera's right, down and forward axes.
    rotation = np.empty((*poses.shape[:-1], 3, 3))
    rotation[..., 0, 0] = cp * cr + sp * st * sr
    rotation[..., 0, 1] = -cp * sr + sp * st * cr
    rotation[..., 0, 2] = sp * ct
    rotation[..., 1, 0] = ct * sr
    rotation[..., 1, 1] = ct * cr
    rotation[..., 1, 2] = -st
    rotation[..., 2, 0] = -sp * cr + cp * st * sr
    rotation[..., 2, 1] = sp * sr + cp * st * cr
    rotation[..., 2, 2] = cp * ct

    forward = rotation[..., 2, :]
    result = np.empty_like(rotation)
    scale_x, scale_y = share_x / (2 * across), share_y / (2 * down)
    result[..., 0, :] = (
        scale_x * (depth[..., None] * rotation[..., 0, :] + truck[..., None] * forward) + 0.5 * forward
    )
    result[..., 1, :] = (
        scale_y * (depth[..., None] * rotation[..., 1, :] + pedestal[..., None] * forward) + 0.5 * forward
    )
    result[..., 2, :] = forward
    return result


def widest_fit(
    poses: Float64[np.ndarray, "*b t 7"], view: View
) -> tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b t 3 3"]]:
    """The largest `tighten`, at most 1, that keeps every view of a path inside the still, and those views as
    `source_from_view` gives them. Where no `tighten` does, it is 0 or less and the views have no meaning.

    The homogeneous source point of a corner is linear in the half extents of the frame. So each edge of the
    still limits the width of the frame in closed form, and nothing is searched for: with the distance e from
    the middle of the view to an edge, and half extents that reach r towards that edge, the factor is e / r.
    """
    across, down = view.half_extents
    rays = source_from_ray(poses, view)
    edges = _INSIDE @ rays
    reach = np.abs(edges[..., 0]) * across + np.abs(edges[..., 1]) * down
    widths = (edges[..., 2] / np.maximum(reach, 1e-300)).min(axis=-1) * np.exp(poses[..., ZOOM])
    tighten = np.minimum(widths.min(axis=-1) * (1 - _MARGIN), 1 - _MARGIN)
    tighten = np.where(tighten < _NARROWEST, 0.0, tighten)
    with np.errstate(divide="ignore", invalid="ignore"):
        return tighten, _narrowed(rays, tighten[..., None] * np.exp(-poses[..., ZOOM]), view)


def project(
    homographies: Float64[np.ndarray, "*b 3 3"], points: Float64[np.ndarray, "n 2"]
) -> Float64[np.ndarray, "*b n 2"]:
    """Points of the view, in unit coordinates, as points of the source."""
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    return _dehomogenise(homogeneous @ homographies.swapaxes(-1, -2))


def view_corners(homographies: Float64[np.ndarray, "*b 3 3"]) -> Float64[np.ndarray, "*b 4 2"]:
    """Corners of each view on the still, clockwise from the top left."""
    return _dehomogenise(_CORNERS @ homographies.swapaxes(-1, -2))


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
    largest = _holds_all(corners)
    if largest is not None:
        return largest
    # The axes of what follows: the four edges of a view, whatever comes before t in `corners`, lines, t.
    x, y = np.moveaxis(corners, (-2, -1), (1, 0))[..., None, :]
    end_x, end_y = x[_NEXT_CORNER], y[_NEXT_CORNER]
    rise = end_y - y
    slope = (end_x - x) / np.where(np.abs(rise) < 1e-12, np.inf, rise)
    lines = ((np.arange(num_lines) + 0.5) / num_lines)[:, None]
    crossed = (lines >= y) != (lines >= end_y)
    cut = (x - y * slope) + lines * slope
    left = np.where(crossed, cut, np.inf).min(axis=0)
    right = np.where(crossed, cut, -np.inf).max(axis=0)
    order = np.argsort(left, axis=-1)
    left, right = np.take_along_axis(left, order, -1), np.take_along_axis(right, order, -1)
    reached = np.maximum.accumulate(right, axis=-1)
    left[..., 1:] = np.maximum(left[..., 1:], reached[..., :-1])
    # Where a line meets no view at the end of the order, left is infinite and nothing is shown.
    return np.maximum(right - left, 0.0).sum(axis=-1).mean(axis=-1)


def _holds_all(corners: Float64[np.ndarray, "*b t 4 2"]) -> Float64[np.ndarray, "*b"] | None:
    """The largest of the views of each path, if it holds all others: an upright rectangle, as in a zoom."""
    areas = view_areas(corners)
    low, high = corners.min(axis=(-3, -2)), corners.max(axis=(-3, -2))
    largest = areas.max(axis=-1)
    around = (high - low).prod(axis=-1)
    return largest if (largest >= around * (1 - 1e-9)).all() else None


def max_speed(
    homographies: Float64[np.ndarray, "*b t 3 3"], seconds: float, view: View
) -> Float64[np.ndarray, "*b"]:
    """The fastest motion between two successive frames, `seconds` apart, in frame widths a second.

    Of what is seen at the corners of a frame, it is how far it lies from there in the next frame.
    """
    if homographies.shape[-3] < 2:
        return np.zeros(homographies.shape[:-3])
    seen = homographies[..., :-1, :, :] @ _CORNERS.T
    squares = _squared_shifts(seen, homographies[..., 1:, :, :], _CORNERS.T, view)
    return np.sqrt(squares.max(axis=(-1, -2))) / seconds


def shifts(homographies: Float64[np.ndarray, "t 3 3"], view: View) -> Float64[np.ndarray, "2 t-1"]:
    """How far, at most, what is seen at a corner lies from there in each later frame: what the first frame
    saw there, and what the frame before did. In frame widths; enormous where it lies behind the camera."""
    seen = homographies @ _CORNERS.T
    points = np.empty((len(homographies) - 1, 3, 8))
    points[:, :, :4] = seen[0]
    points[:, :, 4:] = seen[:-1]
    squares = _squared_shifts(points, homographies[1:], _TWO_CORNERS, view)
    return np.sqrt(squares.reshape(-1, 2, 4).max(axis=2)).T


def _squared_shifts(
    seen: Float64[np.ndarray, "*b 3 n"],
    homographies: Float64[np.ndarray, "*b 3 3"],
    places: Float64[np.ndarray, "3 n"],
    view: View,
) -> Float64[np.ndarray, "*b n"]:
    """How far homogeneous points of the source lie from `places` of each view, in frame widths, squared.

    Along the way: a frame of 9:16 that rises by its height has moved by 16/9. What lies behind the camera is
    as far away as what lies at `_NEAREST`.
    """
    points = np.linalg.inv(homographies) @ seen
    away = points[..., :2, :] / np.maximum(points[..., 2:, :], _NEAREST) - places[:2]
    away *= away
    return away[..., 0, :] + away[..., 1, :] * (view.frame_size[1] / view.frame_size[0]) ** 2


def max_magnification(homographies: Float64[np.ndarray, "*b t 3 3"], view: View) -> Float64[np.ndarray, "*b"]:
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
    (still_width, still_height), (width, height) = view.still_size, view.frame_size
    scale = np.array(
        [[still_width / width, still_width / height], [still_height / width, still_height / height]]
    )
    corners = homographies @ _CORNERS.T
    depth = corners[..., 2, :]
    place = corners[..., :2, :] / depth[..., None, :]
    # Source pixels from frame pixels at each corner (the last axis), times the depth.
    jacobian = homographies[..., :2, :2, None] - homographies[..., 2, None, :2, None] * place[..., None, :]
    jacobian *= scale[:, :, None]
    determinant = np.abs(
        jacobian[..., 0, 0, :] * jacobian[..., 1, 1, :] - jacobian[..., 0, 1, :] * jacobian[..., 1, 0, :]
    )
    jacobian *= jacobian
    squares = jacobian.sum(axis=(-3, -2))
    # The larger singular value of the inverse is that of the matrix itself, over the determinant.
    larger = np.sqrt((squares + np.sqrt(np.maximum(squares**2 - 4 * determinant**2, 0.0))) / 2)
    norm = larger / np.maximum(determinant, 1e-300)
    at_corners = depth * norm
    following = [1, 2, 3, 0]
    rise, fall = depth[..., following] - depth, norm[..., following] - norm
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


def _narrowed(
    rays: Float64[np.ndarray, "*b 3 3"], narrowing: Float64[np.ndarray, "*b"], view: View
) -> Float64[np.ndarray, "*b 3 3"]:
    """Homographies from view to source of a frame `narrowing` times as wide as at rest. Overwrites `rays`."""
    across, down = view.half_extents
    rays[..., :, 0] *= (2 * across * narrowing)[..., None]
    rays[..., :, 1] *= (2 * down * narrowing)[..., None]
    rays[..., :, 2] -= (rays[..., :, 0] + rays[..., :, 1]) / 2
    return np.round(rays / rays[..., 2:, 2:], _HOMOGRAPHY_DECIMALS)


def determinants(matrices: Float64[np.ndarray, "*b 3 3"]) -> Float64[np.ndarray, "*b"]:
    """Determinants by cofactors: for a few 3 x 3 matrices five times as fast as `np.linalg.det`."""
    a, b, c = matrices[..., 0, :], matrices[..., 1, :], matrices[..., 2, :]
    return (
        a[..., 0] * (b[..., 1] * c[..., 2] - b[..., 2] * c[..., 1])
        - a[..., 1] * (b[..., 0] * c[..., 2] - b[..., 2] * c[..., 0])
        + a[..., 2] * (b[..., 0] * c[..., 1] - b[..., 1] * c[..., 0])
    )


def _dehomogenise(points: Float64[np.ndarray, "*b n 3"]) -> Float64[np.ndarray, "*b n 2"]:
    """(x w, y w, w) as (x, y)."""
    return points[..., :2] / points[..., 2:]
