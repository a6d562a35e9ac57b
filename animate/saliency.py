"""The most striking place of a still, which framing looks at: a small classical measure.

A place counts as far as it is unlike what is usual in the still (spectral residual: Hou and Zhang, "Saliency
Detection: A Spectral Residual Approach", CVPR 2007) and cut off from the border, along which lies mostly
background (geodesic saliency: Wei, Wen, Zhu and Sun, "Geodesic Saliency Using Background Priors", ECCV 2012),
both on 32 x 32 thumbnails of brightness and of two opponent colours. Not the one cell that counts most is
returned, but the middle of the window that holds most, as a close-up shows a window; it is also steadier.
`benchmarks/saliency.py` compares it with others on photographs.
"""

import cv2
import numpy as np
from jaxtyping import Float64

from animate.arrays import Picture

#: One number for each cell of a thumbnail.
_Map = Float64[np.ndarray, "32 32"]

#: Brightness, red against green, blue against yellow.
_Channels = Float64[np.ndarray, "3 32 32"]

#: Side of the thumbnails in pixels.
_SIDE = 32

#: Middles of the cells along one side, in unit coordinates.
_PLACES = (np.arange(_SIDE) + 0.5) / _SIDE

#: Rows: brightness, red against green, blue against yellow.
_OPPONENTS = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [-0.5, -0.5, 1]])

#: The range of a channel over the thumbnail below which a still counts as of one colour, in code values.
_LEAST_CONTRAST = 8.0

#: Standard deviations of the mild preference for the middle, where photographers put their subjects, and of
#: the window, in which a close-up sees most of its light. In sides of the still.
_MIDDLE, _WINDOW = 0.5, 1 / 6

#: Steps in which the window moves to where most is.
_STEPS = 5

#: How far above the middle of the window a frame looks, in heights of the still: heads are above bodies.
_HEADROOM = 0.06

#: Rounds of sweeps in which distances from the border spread through the thumbnail, also around corners.
_ROUNDS = 6


def salient_point(still: Picture) -> tuple[float, float]:
    """Where the eye goes, (x, y) in unit coordinates, rounded to three decimals.

    It is the middle of a still that is smaller than a thumbnail or nearly of one colour.
    """
    if min(still.shape[:2]) < _SIDE:
        return 0.5, 0.5
    channels = np.ascontiguousarray(np.moveaxis(_thumbnail(still) @ _OPPONENTS.T, -1, 0))
    contrasts = np.ptp(channels, axis=(1, 2))
    if contrasts.max() < _LEAST_CONTRAST:
        return 0.5, 0.5
    surprise = np.einsum("c,cij->ij", contrasts, _spectral_residual(channels))
    weight = _smooth(surprise, 2) * _distance_from_border(channels) * _window(0.5, 0.5, _MIDDLE)
    if not weight.any():
        return 0.5, 0.5
    x, y = _centroid(weight)
    for _ in range(_STEPS):
        x, y = _centroid(weight * _window(x, y, _WINDOW))
    return round(x, 3), round(max(y - _HEADROOM, 0.0), 3)


def _thumbnail(still: Picture) -> Float64[np.ndarray, "32 32 3"]:
    """The means of 32 x 32 cells of whole pixels. A large still is shrunk first, to no less than 64 x 64."""
    factor = min(still.shape[:2]) // (2 * _SIDE)
    if factor > 1:
        height, width = (side // factor for side in still.shape[:2])
        whole = still[: height * factor, : width * factor]
        still = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    small = still.astype(np.float64)
    for axis in (0, 1):
        starts = np.arange(_SIDE) * small.shape[axis] // _SIDE
        counts = np.diff(starts, append=small.shape[axis])
        small = np.add.reduceat(small, starts, axis) / np.expand_dims(counts, (1 - axis, 2))
    return small


def _spectral_residual(channels: _Channels) -> _Channels:
    """How much each place stands out: what its spectrum has beyond the local mean, transformed back.

    Each channel is scaled to a mean of 1.
    """
    spectrum = np.fft.fft2(channels - channels.mean(axis=(1, 2), keepdims=True))
    amplitude = np.abs(spectrum) + 1e-3
    # spectrum / amplitude is the phase. Its new amplitude is the old one over its local geometric mean.
    residual = spectrum / amplitude * np.exp(np.log(amplitude) - _smooth(np.log(amplitude), 1))
    surprise = np.abs(np.fft.ifft2(residual)) ** 2
    return surprise / np.maximum(surprise.mean(axis=(1, 2), keepdims=True), 1e-12)


def _distance_from_border(channels: _Channels) -> _Map:
    """The least change of colour, added up from cell to cell, on any way from the border of the thumbnail.

    A sweep along an axis lets distances spread all the way along it. `walked` is the change added up from
    the first cell of the axis; the way from cell j on to cell i > j costs walked[i] - walked[j]:

        walked                  0   1   5   5   9
        distance before         0  inf inf inf  0
        least (distance - walked) so far  0   0   0   0  -9     plus walked:  0   1   5   5   0
        least (distance + walked) from the end  0   9   9   9   9     minus walked:  0   8   4   4   0
        distance after          0   1   4   4   0
    """
    distance = np.full((_SIDE, _SIDE), np.inf)
    distance[[0, -1]] = distance[:, [0, -1]] = 0.0
    down, right = np.zeros((2, _SIDE, _SIDE))
    down[1:] = np.cumsum(np.linalg.norm(np.diff(channels, axis=1), axis=0), axis=0)
    right[:, 1:] = np.cumsum(np.linalg.norm(np.diff(channels, axis=2), axis=0), axis=1)
    for _ in range(_ROUNDS):
        for axis, walked in enumerate((down, right)):
            onward = np.minimum.accumulate(distance - walked, axis) + walked
            back = np.flip(np.minimum.accumulate(np.flip(distance + walked, axis), axis), axis) - walked
            distance = np.minimum(onward, back)
    return distance


def _window(x: float, y: float, deviation: float) -> _Map:
    """Gaussian weights around (x, y), 1 at most."""
    across, down = (np.exp(-(((_PLACES - middle) / deviation) ** 2) / 2) for middle in (x, y))
    return down[:, None] * across


def _centroid(weight: _Map) -> tuple[float, float]:
    total = weight.sum()
    return float(weight.sum(axis=0) @ _PLACES / total), float(weight.sum(axis=1) @ _PLACES / total)


def _smooth(values: np.ndarray, reach: int) -> np.ndarray:
    """Means over squares of side 2 `reach` + 1 in the last two axes, which wrap around."""
    places = np.arange(_SIDE)
    for axis in (-1, -2):
        rolled = [values.take((places - shift) % _SIDE, axis) for shift in range(-reach, reach + 1)]
        values = sum(rolled[1:], start=rolled[0]) / len(rolled)
    return values
