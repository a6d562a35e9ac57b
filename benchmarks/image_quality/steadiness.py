"""Does the sharpness of a slow zoom change from frame to frame by more than the scene's own?

The sharpness of a frame is the standard deviation of its Laplacian. A supersampled frame has one as well,
which changes with what comes into view. What counts is the ratio of the two; a step is by how much it changes
from one frame to the next. Averages over a clip cannot see a pop, the largest step can.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from benchmarks import measure
from benchmarks.image_quality.supersampled import METHODS, SIZE, box_reference

#: Source pixels a frame pixel in the first and the last frame of a zoom, and its frames: 64 an octave or so.
ZOOMS = ((0.7, 1.3, 58), (1.2, 2.4, 64), (2.2, 4.0, 55), (3.6, 6.0, 47))

#: Most that the ratio of sharpness may change from one frame to the next.
LIMIT = 0.03


def steps(photographs: Sequence[Path], stills: int) -> list[dict[str, Any]]:
    """For each still, zoom and method: the largest step, and the largest change over the whole zoom."""
    rows = []
    for name, still in _stills(photographs, stills):
        for first, last, num_frames in ZOOMS:
            path = zoom(first, last, num_frames, still)
            reference = np.array([sharpness(box_reference(still, view)) for view in path])
            for method, film in METHODS.items():
                ratio = np.log(np.array([sharpness(frame) for frame in film(still, path)]) / reference)
                rows.append(
                    {
                        "still": name,
                        "zoom": f"{first:g} to {last:g}",
                        "method": method,
                        "largest_step": round(float(np.expm1(np.abs(np.diff(ratio)).max())), 4),
                        "whole_range": round(float(np.expm1(np.ptp(ratio))), 4),
                    }
                )
    return rows


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """No step of more than `LIMIT` in any zoom."""
    claims = []
    for method in ("default", "best"):
        worst = max((row for row in rows if row["method"] == method), key=lambda row: row["largest_step"])
        claim = f"sharpness, {method}: largest step ({worst['still']}, {worst['zoom']})"
        claims.append(measure.target(claim, worst["largest_step"], LIMIT, at_most=True))
    return claims


def zoom(first: float, last: float, num_frames: int, still: np.ndarray) -> np.ndarray:
    """Views that stay on one point, a little off the middle, as a lens zooms evenly."""
    height, width = still.shape[:2]
    views = []
    for scale in np.geomspace(first, last, num_frames):
        across, down = scale * SIZE / width, scale * SIZE / height
        x, y = (0.5 + 0.013 * (1 - extent) for extent in (across, down))
        views.append([[across, 0, x - across / 2], [0, down, y - down / 2], [0, 0, 1]])
    return np.array(views)


def sharpness(frame: np.ndarray) -> float:
    """Standard deviation of the Laplacian of the frame's brightness, in code values."""
    return float(cv2.Laplacian(frame.astype(np.float32).mean(axis=2), cv2.CV_32F).std())


def _stills(photographs: Sequence[Path], stills: int) -> list[tuple[str, np.ndarray]]:
    """Photographs at their own size, mirrored at their edges until the widest view fits: no seams, all detail
    real."""
    side = math.ceil(ZOOMS[-1][1] * SIZE) + 64
    pictures = []
    for number, path in enumerate(photographs[:stills]):
        still = simplejpeg.decode_jpeg(path.read_bytes(), "RGB")
        rows, columns = (_mirrored(length, side) for length in still.shape[:2])
        pictures.append((f"photograph {number}", np.ascontiguousarray(still[rows][:, columns])))
    return pictures


def _mirrored(length: int, wanted: int) -> np.ndarray:
    """Indices of `wanted` pixels in a row of `length` that is mirrored again and again: 0 1 2 2 1 0 0 1 …"""
    places = np.arange(wanted) % (2 * length)
    return np.minimum(places, 2 * length - 1 - places)
