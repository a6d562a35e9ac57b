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
from collections.abc import Sequence
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
CORNERS = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=np.float64)


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
    def shares(self) -> Float64[np.ndarray, "2"]:
        """`widest` as an array."""
        return np.array(self.widest)

    @property
    def sides(self) -> Float64[np.ndarray, "2"]:
        """`still_size` as an array."""
        return np.array(self.still_size, dtype=np.float64)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Several `View`s through one frame, one for each of `b` paths: what says the same there, as arrays."""

    shares: Float64[np.ndarray, "b 1 2"]
    sides: Float64[np.ndarray, "b 1 2"]
    widest_area: Float64[np.ndarray, "b 1"]
    frame_size: tuple[int, int]
    half_extents: tuple[float, float]

    @classmethod
    def of(cls, views: Sequence[View]) -> "Views":
        """`views`, at least one, whose frames have one size."""
        return cls(
            shares=np.array([view.widest for view in views])[:, None],
            sides=np.array([view.still_size for view in views], dtype=np.float64)[:, None],
            widest_area=np.array([[view.widest_area] for view in views]),
            frame_size=views[0].frame_size,
            half_extents=views[0].half_extents,
        )


def side_by_side(paths: Sequence[Float64[np.ndarray, "t ..."]]) -> Float64[np.ndarray, "b longest ..."]:
    """Paths of any lengths in one array. Shorter ones rest on their last entry until the longest is over, so
    that the least, the most and the last of each stay what they are:

        0 1 2   and   5 6 7 8 9   are   0 1 2 2 2   and   5 6 7 8 9
    """
    places = np.arange(max(map(len, paths)))
    return np.stack([path[np.minimum(places, len(path) - 1)] for path in paths])


def source_from_view(
    poses: Float64[np.ndarray, "*b 7"], tighten: Float64[np.ndarray, "*#b"] | float, view: View
) -> Float64[np.ndarray, "*b 3 3"]:
    """Homographies from view to source, h33 = 1.

    `tighten` in (0, 1] is the factor by which the frame is narrowed on top of the poses' own zoom.
    """
    return _narrowed(source_from_ray(poses, view), tighten * np.exp(-poses[..., ZOOM]), view)


def source_from_ray(poses: Float64[np.ndarray, "*b 7"], view: View | Views) -> Float64[np.ndarray, "*b 3 3"]:
    """Matrices from a ray in camera axes to the homogeneous source point where it meets the still."""
    sines, cosines = np.sin(poses[..., :3]), np.cos(poses[..., :3])
    sp, st, sr = sines[..., PAN], sines[..., TILT], sines[..., ROLL]
    cp, ct, cr = cosines[..., PAN], cosines[..., TILT], cosines[..., ROLL]
    sp_st, cp_st = sp * st, cp * st

    # Pan after tilt after roll: the columns are the camera's right, down and forward axes.
    rotation = np.empty((*poses.shape[:-1], 3, 3))
    rotation[..., 0, 0] = cp * cr + sp_st * sr
    rotation[..., 0, 1] = sp_st * cr - cp * sr
    rotation[..., 0, 2] = sp * ct
    rotation[..., 1, 0] = ct * sr
    rotation[..., 1, 1] = ct * cr
    rotation[..., 1, 2] = -st
    rotation[..., 2, 0] = cp_st * sr - sp * cr
    rotation[..., 2, 1] = sp * sr + cp_st * cr
    rotation[..., 2, 2] = cp * ct

    # The still's x and y: from the camera's place on along a ray, then counted from the still's corner.
    extents = 2 * np.array(view.half_extents)
    aside = poses[..., TRUCK : PEDESTAL + 1] * extents * (1, -1)
    depth = 1 - poses[..., DOLLY]
    forward = rotation[..., 2:, :]
    along = depth[..., None, None] * rotation[..., :2, :] + aside[..., None] * forward
    rotation[..., :2, :] = (view.shares / extents)[..., None] * along + 0.5 * forward
    return rotation


def widest_fit(
    poses: Float64[np.ndarray, "*b t 7"], view: View | Views
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
    return _dehomogenise(CORNERS @ homographies.swapaxes(-1, -2))


def _narrowed(
    rays: Float64[np.ndarray, "*b 3 3"], narrowing: Float64[np.ndarray, "*b"], view: View | Views
) -> Float64[np.ndarray, "*b 3 3"]:
    """Homographies from view to source of a frame `narrowing` times as wide as at rest. Overwrites `rays`."""
    rays[..., :2] *= narrowing[..., None, None] * (2 * np.array(view.half_extents))
    rays[..., :, 2] -= (rays[..., :, 0] + rays[..., :, 1]) / 2
    return np.round(rays / rays[..., 2:, 2:], _HOMOGRAPHY_DECIMALS)


def _dehomogenise(points: Float64[np.ndarray, "*b n 3"]) -> Float64[np.ndarray, "*b n 2"]:
    """(x w, y w, w) as (x, y)."""
    return points[..., :2] / points[..., 2:]
