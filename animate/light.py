"""sRGB to linear light and back.

Dissolves, shutter, focus and exposure act on light, not on code values: half way through a dissolve, half of
the light comes from each picture. The sRGB curve (IEC 61966-2-1) is applied by table: exactly into linear
light, and to within half a code value back.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

#: The sRGB code values 0..255 as 0..1.
_CODES = np.arange(256) / 255

#: Linear light of each sRGB code value, 0..1.
TO_LINEAR: Float32[np.ndarray, "256"] = np.where(
    _CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4
).astype(np.float32)

#: Steps from no light to full light in the table from linear light to sRGB.
SRGB_STEPS = (1 << 14) - 1


def _srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


#: sRGB code value of linear light k / SRGB_STEPS, up to the last k of 16 bits.
_TO_SRGB: UInt8[np.ndarray, "65536"] = np.rint(
    255 * _srgb(np.minimum(np.arange(1 << 16) / SRGB_STEPS, 1.0))
).astype(np.uint8)


def to_linear(frame: UInt8[np.ndarray, "*b"]) -> Float32[np.ndarray, "*b"]:
    """sRGB code values as linear light in 0..1."""
    return cv2.LUT(frame, TO_LINEAR).reshape(frame.shape)


def to_srgb(light: Float32[np.ndarray, "*b"]) -> UInt8[np.ndarray, "*b"]:
    """Linear light as sRGB code values; whatever is brighter than white becomes white."""
    return steps_to_srgb(light * np.float32(SRGB_STEPS) + np.float32(0.5))


def steps_to_srgb(steps: Float32[np.ndarray, "*b"]) -> UInt8[np.ndarray, "*b"]:
    """Linear light in steps, half a step added, as sRGB code values. Overwrites `steps`."""
    np.clip(steps, 0, len(_TO_SRGB) - 1, out=steps)
    return cv2.LUT(steps.astype(np.uint16), _TO_SRGB).reshape(steps.shape)


def exposure_table(stops: float) -> UInt8[np.ndarray, "256"]:
    """For each sRGB code value, the code value of `stops` more exposure."""
    return to_srgb(TO_LINEAR * np.float32(2.0**stops))
