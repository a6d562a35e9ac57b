"""Sampling a picture through homographies with OpenCV, as fast as OpenCV can.

A view without perspective is sampled by `cv2.warpAffine`. For one with perspective, `cv2.warpPerspective`
spends half its time on coordinates. So they are computed here, exactly at every fourth pixel and linearly in
between, and sampled by `cv2.remap`, which takes two thirds of the time in all. Where the perspective is so
strong that this could be off by more than `TOLERANCE`, `cv2.warpPerspective` is used.
"""

import functools
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from animate.arrays import Picture

#: Pixels between the points of the grid.
STEP = 4

#: Most that an interpolated coordinate may be off, in source pixels; OpenCV itself samples at 1/32.
TOLERANCE = 1 / 64

#: Bilinear, by matrices from frame to source.
_SAMPLING = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


class Grid(NamedTuple):
    """Homogeneous source points at every `STEP`-th pixel, from one step outside the frame: those of column j
    and row i are the sum of `columns[:, j]` and `rows[:, i]`."""

    columns: Float32[np.ndarray, "3 columns"]
    rows: Float32[np.ndarray, "3 rows"]


class Warp(NamedTuple):
    """A homography from frame pixels to source pixels, ready to sample through.

    `affine` says that `matrix` has no perspective; `grid` is None where `matrix` itself is to be used.
    """

    matrix: Float64[np.ndarray, "3 3"]
    affine: bool
    grid: Grid | None


def prepare(matrices: Float64[np.ndarray, "n 3 3"], size: tuple[int, int]) -> list[Warp]:
    """A `Warp` for each of `matrices`, for frames of `size` (width, height)."""
    affine = (matrices[:, 2, :2] == 0).all(axis=1)
    if affine.all():
        return [Warp(matrix=matrix, affine=True, grid=None) for matrix in matrices]
    gridded = ~affine & (_largest_error(matrices, size) <= TOLERANCE)
    singles = matrices.astype(np.float32)
    columns = singles[:, :, 0, None] * _nodes(size[0])
    rows = singles[:, :, 1, None] * _nodes(size[1]) + singles[:, :, 2, None]
    return [
        Warp(matrix=matrix, affine=bool(affine[i]), grid=Grid(columns[i], rows[i]) if gridded[i] else None)
        for i, matrix in enumerate(matrices)
    ]


def sample(picture: Picture, warp: Warp, frame: UInt8[np.ndarray, "rows columns 3"]) -> None:
    """Fills `frame` with `picture` seen through `warp`; outside `picture` its edge pixels are repeated."""
    size = (frame.shape[1], frame.shape[0])
    if warp.affine:
        cv2.warpAffine(picture, warp.matrix[:2], size, frame, _SAMPLING, cv2.BORDER_REPLICATE)
    elif warp.grid is None:
        cv2.warpPerspective(picture, warp.matrix, size, frame, _SAMPLING, cv2.BORDER_REPLICATE)
    else:
        x, y = interpolated(warp.grid, size)
        cv2.remap(picture, x, y, cv2.INTER_LINEAR, frame, cv2.BORDER_REPLICATE)


def interpolated(grid: Grid, size: tuple[int, int]) -> Float32[np.ndarray, "2 height width"]:
    """Source x and y of every pixel of a frame of `size`, linear between every `STEP`-th."""
    points = grid.columns[:, None, :] + grid.rows[:, :, None]
    nodes = points[:2] / points[2]
    _, rows, columns = nodes.shape
    # Both planes in one call, one below the other; what mixes them lies outside of the frame.
    below = cv2.resize(nodes.reshape(2 * rows, columns), (columns * STEP, 2 * rows * STEP))
    planes = below.reshape(2, rows * STEP, columns * STEP)
    return planes[:, STEP : STEP + size[1], STEP : STEP + size[0]]


@functools.lru_cache(maxsize=16)
def _nodes(pixels: int) -> Float32[np.ndarray, " k"]:
    """Pixel coordinates of the grid along a side: the middle of each run of `STEP`, and one more at each end.

    For a side of 8 pixels and a step of 4:

        pixel                0  1  2  3  4  5  6  7
        node       -2.5        1.5         5.5        9.5

    `interpolated` enlarges these four to 16 entries, of which entry k is pixel k - 4, so it finds pixels 0..7
    in entries 4..11. Because of the outer nodes, pixels 0, 1, 6 and 7 lie between two nodes too.
    """
    return np.arange(-1, -(-pixels // STEP) + 1, dtype=np.float32) * STEP + np.float32((STEP - 1) / 2)


def _largest_error(
    matrices: Float64[np.ndarray, "n 3 3"], size: tuple[int, int]
) -> Float64[np.ndarray, " n"]:
    """A bound on the error of linear interpolation, in source pixels.

    Between nodes h apart, linear interpolation is off by at most h^2 / 8 times the second derivative. Along a
    row the source coordinate is x(u) = (a u + c) / (g u + d), with x'' = -2 g x' / (g u + d). The bound takes
    the larger g of the two axes, the smallest g u + d in the frame (`nearest`), and for x' the mean slope
    across the frame times the ratio of the largest to the smallest g u + d (`slope`).

    With h = 4, g = 1e-5, g u + d near 1 and a slope of 2 source pixels a frame pixel, x'' is 4e-5 and the
    bound 2 * 16 / 8 * 4e-5 = 1.6e-4 source pixels, far below `TOLERANCE`.
    """
    corners = np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [*size, 1]], np.float64)
    points = matrices @ corners.T
    nearest = points[:, 2].min(axis=1)
    sources = points[:, :2] / points[:, 2:]
    reach = np.abs(sources[:, :, None] - sources[:, :, :, None]).max(axis=(1, 2, 3))
    slope = reach / min(size) * (points[:, 2].max(axis=1) / nearest)
    bend = 2 * np.abs(matrices[:, 2, :2]).max(axis=1) * slope / nearest
    # Twice, because the errors along rows and along columns may add up.
    return 2 * STEP**2 / 8 * bend
