"""Where the eye goes first in a still: a small classical measure, for framing.

Spectral residual (Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", CVPR 2007) on a 64 x 64 grey
thumbnail, with a mild preference for the middle, where photographers put their subjects.
"""

import numpy as np
from jaxtyping import UInt8

_SIDE = 64


def salient_point(still: UInt8[np.ndarray, "h w 3"]) -> tuple[float, float]:
    """(x, y) in unit coordinates of the most striking place, rounded to three decimals."""
    rows = np.linspace(0, still.shape[0] - 1, _SIDE).round().astype(int)
    columns = np.linspace(0, still.shape[1] - 1, _SIDE).round().astype(int)
    grey = still[rows[:, None], columns].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    if np.ptp(grey) < 1:
        return 0.5, 0.5
    spectrum = np.fft.fft2(grey)
    logarithm = np.log(np.abs(spectrum) + 1e-9)
    residual = logarithm - _smooth(logarithm, 1)
    surprise = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    place = (np.arange(_SIDE) + 0.5) / _SIDE
    middle = np.exp(-(((place - 0.5) / 0.35) ** 2) / 2)
    weight = _smooth(surprise, 4) * middle * middle[:, None]
    y, x = np.unravel_index(int(np.argmax(weight)), weight.shape)
    return round(float(place[x]), 3), round(float(place[y]), 3)


def _smooth(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean over a square of 2 `reach` + 1, wrapping around."""
    for axis in (0, 1):
        values = sum(np.roll(values, shift, axis) for shift in range(-reach, reach + 1)) / (2 * reach + 1)
    return values
