"""Mixing light: sRGB to linear light and back, and what is done in between.

Dissolves, shutter, focus and exposure act on light, not on code values: a dissolve half way through holds
half the photons of each picture. The sRGB curve (IEC 61966-2-1) is applied by table: exact into linear light,
and to within half a code value back.
"""

import numpy as np
from jaxtyping import Float32, UInt8

_CODES = np.arange(256) / 255

#: Linear light of each sRGB code value, 0..1.
TO_LINEAR: Float32[np.ndarray, "256"] = np.where(
    _CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4
).astype(np.float32)

_STEPS = 1 << 14


def _srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


#: sRGB code value of linear light k / (_STEPS - 1).
_TO_SRGB: UInt8[np.ndarray, "16384"] = np.rint(255 * _srgb(np.arange(_STEPS) / (_STEPS - 1))).astype(np.uint8)


def to_linear(frame: UInt8[np.ndarray, "*b"]) -> Float32[np.ndarray, "*b"]:
    """sRGB code values as linear light in 0..1."""
    return np.take(TO_LINEAR, frame)


def to_srgb(light: Float32[np.ndarray, "*b"]) -> UInt8[np.ndarray, "*b"]:
    """Linear light as sRGB code values; what is brighter than white is white."""
    steps = light * np.float32(_STEPS - 1) + np.float32(0.5)
    return np.take(_TO_SRGB, steps.astype(np.int32), mode="clip")


def exposure_table(stops: float) -> UInt8[np.ndarray, "256"]:
    """sRGB code value of each sRGB code value exposed `stops` brighter."""
    return to_srgb(TO_LINEAR * np.float32(2.0**stops))
