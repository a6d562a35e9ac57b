"""Embedded colour profiles to sRGB.

One photograph in ten carries a profile that is not sRGB (Adobe RGB, a camera's own, Display P3). Read as
sRGB its colours are visibly wrong, so they are converted; a profile that is sRGB under another name costs
one dictionary look-up.
"""

import functools
import io
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8
from PIL import Image, ImageCms

from animate.arrays import Picture
from animate.light import SRGB_STEPS, steps_to_srgb

#: Colour space in the header of a profile, and the Pillow mode of pixels in it. Grey is not converted.
_MODES = {b"RGB ": "RGB", b"CMYK": "CMYK"}


#: The tags of the three tone curves, red first.
_CURVES = (b"rTRC", b"gTRC", b"bTRC")

#: The tags of tables from colours to a connection space.
_TABLES = {b"A2B0", b"A2B1", b"A2B2"}

#: How many numbers each of the five forms of a parametric curve has (ICC.1, 10.18), its power first.
_PARAMETERS = (1, 3, 4, 5, 7)


@dataclass(frozen=True, slots=True)
class CurvesAndMatrix:
    """A conversion to sRGB by a tone curve for each channel and a matrix.

    `light` holds the linear light of each code value, for each channel; `matrix` makes of these the light of
    sRGB in `SRGB_STEPS`, half a step added for rounding. A picture takes half the time that lcms takes.
    """

    light: Float32[np.ndarray, "1 256 3"]
    matrix: Float32[np.ndarray, "3 4"]

    def __call__(self, pixels: Picture) -> Picture:
        return steps_to_srgb(cv2.transform(cv2.LUT(pixels, self.light), self.matrix))


#: A conversion of pixels to sRGB.
Transform = CurvesAndMatrix | ImageCms.ImageCmsTransform


@functools.lru_cache(maxsize=64)
def transform_to_srgb(profile: bytes, mode: str) -> Transform | None:
    """The conversion of `mode` pixels under an ICC `profile` to sRGB.

    None if there is nothing to do: the profile is sRGB, describes another mode, or cannot be read (viewers
    then show the pixels as they are).
    """
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if _MODES.get(profile[16:20]) != mode or "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return _curves_and_matrix(profile, source) or ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, struct.error, np.linalg.LinAlgError):
        return None


def _curves_and_matrix(profile: bytes, source: ImageCms.ImageCmsProfile) -> CurvesAndMatrix | None:
    """The conversion by curves and matrix, as lcms makes it; None for a profile that has tables instead, and
    for one whose black is not black, which lcms makes so."""
    content = dict(_tags(profile))
    if profile[16:20] != b"RGB " or profile[20:24] != b"XYZ " or _TABLES & content.keys():
        return None
    curves = [_curve(content.get(tag, b"")) for tag in _CURVES]
    colorants, srgb = _colorants(source), _colorants(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")))
    if colorants is None or srgb is None or any(curve is None or curve[0] > 1e-4 for curve in curves):
        return None
    matrix = np.linalg.inv(srgb) @ colorants * SRGB_STEPS
    return CurvesAndMatrix(
        np.stack([curve for curve in curves if curve is not None], axis=-1)[None].astype(np.float32),
        np.hstack([matrix, np.full((3, 1), 0.5)]).astype(np.float32),
    )


def _tags(profile: bytes) -> list[tuple[bytes, bytes]]:
    """The tags of an ICC profile, each with its content."""
    [number] = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(number, 256)))
    return [(tag, profile[start : start + size]) for tag, start, size in entries]


def _colorants(source: ImageCms.ImageCmsProfile) -> Float64[np.ndarray, "3 3"] | None:
    """XYZ under D50, down, of red, green and blue, across."""
    profile: Any = source.profile  # Pillow's stubs know few of its attributes
    colorants = (profile.red_colorant, profile.green_colorant, profile.blue_colorant)
    return np.array([xyz for xyz, _ in colorants if xyz]).T if all(colorants) else None


def _curve(content: bytes) -> Float64[np.ndarray, "256"] | None:
    """Linear light of each code value by a tone curve (ICC.1, 10.6 and 10.18); None for what is none."""
    codes = np.arange(256) / 255
    if content[:4] == b"curv":
        [number] = struct.unpack_from(">I", content, 8)
        values = np.frombuffer(content, ">u2", number, 12)
        if number == 0:
            return codes
        if number == 1:
            return codes ** (values[0] / 256)
        return np.interp(codes, np.linspace(0, 1, number), values / 65535)
    if content[:4] == b"para":
        [form] = struct.unpack_from(">H", content, 8)
        if form >= len(_PARAMETERS):
            return None
        given = np.frombuffer(content, ">i4", _PARAMETERS[form], 12) / 65536
        power, a, b, c, d, e, f = np.pad(given, (0, 7 - len(given))).tolist()
        if form == 0:
            a = 1.0
        elif a == 0 or power <= 0:
            return None
        elif form in (1, 2):
            # Here c is what is added on both sides of -b / a; the last two forms call that e and f.
            c, d, e, f = 0.0, -b / a, c, c
        return np.where(codes >= d, np.maximum(a * codes + b, 0.0) ** power + e, c * codes + f)
    return None


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """An `image` in CIE L*a*b* (white D50, as in TIFF) as sRGB."""
    converted = ImageCms.applyTransform(image, _lab_transform())
    assert converted is not None  # None is for in-place conversion only
    return converted


@functools.cache
def _lab_transform() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def convert_pixels(pixels: UInt8[np.ndarray, "h w c"], transform: Transform) -> Picture:
    """`pixels` (3 channels RGB, 4 channels CMYK with 255 = full ink) through `transform`."""
    if isinstance(transform, CurvesAndMatrix):
        return transform(pixels)
    height, width, channels = pixels.shape
    mode = "RGB" if channels == 3 else "CMYK"
    image = Image.frombytes(mode, (width, height), pixels.tobytes())
    return np.asarray(apply_transform(image, transform))


def apply_transform(image: Image.Image, transform: Transform) -> Image.Image:
    """`image` through `transform`."""
    if isinstance(transform, CurvesAndMatrix):
        return Image.fromarray(transform(np.asarray(image)))
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is for in-place conversion only
    return converted
