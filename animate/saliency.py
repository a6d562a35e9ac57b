"""The most striking point of a still, which framing looks at: a small classical measure.

Spectral residual (Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", CVPR 2007) on 32 x 32
thumbnails of brightness and of two opponent colours, with a mild preference for the middle, where
photographers put their subjects.
"""

import cv2
import numpy as np
from jaxtyping import Float64

from animate.arrays import Picture

#: Side of the thumbnails in pixels.
_SIDE = 32

#: Rows: brightness, red against green, blue against yellow.
_OPPONENTS = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [-0.5, -0.5, 1]])


def salient_point(still: Picture) -> tuple[float, float]:
    """The most striking point, (x, y) in unit coordinates, rounded to three decimals.

    It is the middle of a still that is smaller than a thumbnail or nearly of one colour.
    """
    if min(still.shape[:2]) < _SIDE or np.ptp(still) < 8:
        return 0.5, 0.5
    channels = np.moveaxis(_thumbnail(still) @ _OPPONENTS.T, -1, 0)
    surprise = np.einsum("c,cij->ij", np.ptp(channels, axis=(1, 2)), _spectral_residual(channels))
    place = (np.arange(_SIDE) + 0.5) / _SIDE
    middle = np.exp(-(((place - 0.5) / 0.35) ** 2) / 2)
    weight = _smooth(surprise, 2) * middle * middle[:, None]
    y, x = np.unravel_index(int(np.argmax(weight)), weight.shape)
    return round(float(place[x]), 3), round(float(place[y]), 3)


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


def _spectral_residual(channels: Float64[np.ndarray, "c 32 32"]) -> Float64[np.ndarray, "c 32 32"]:
    """How much each place stands out: what its spectrum has beyond the local mean, transformed back.

    Each channel is scaled to a mean of 1.
    """
    spectrum = np.fft.fft2(channels - channels.mean(axis=(1, 2), keepdims=True))
    amplitude = np.abs(spectrum) + 1e-3
    # spectrum / amplitude is the phase. Its new amplitude is the old one over its local geometric mean.
    residual = spectrum / amplitude * np.exp(np.log(amplitude) - _smooth(np.log(amplitude), 1))
    surprise = np.abs(np.fft.ifft2(residual)) ** 2
    return surprise / np.maximum(surprise.mean(axis=(1, 2), keepdims=True), 1e-12)


def _smooth(values: np.ndarray, reach: int) -> np.ndarray:
    """Means over squares of side 2 `reach` + 1 in the last two axes, which wrap around."""
    for axis in (-1, -2):
        values = np.mean([np.roll(values, shift, axis) for shift in range(-reach, reach + 1)], axis=0)
    return values
