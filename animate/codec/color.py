"""Embedded colour profiles to sRGB.

One photograph in ten carries a profile that is not sRGB (Adobe RGB, a camera's own, Display P3). Read as
sRGB its colours are visibly wrong, so they are converted; a profile that is sRGB under another name costs
one dictionary look-up.
"""

import functools
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms

from animate.arrays import Picture

#: Colour space in the header of a profile, and the Pillow mode of pixels in it. Grey is not converted.
_MODES = {b"RGB ": "RGB", b"CMYK": "CMYK"}


@functools.lru_cache(maxsize=64)
def transform_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion of `mode` pixels under an ICC `profile` to sRGB.

    None if there is nothing to do: the profile is sRGB, describes another mode, or cannot be read (viewers
    then show the pixels as they are).
    """
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if _MODES.get(profile[16:20]) != mode or "sRGB" in ImageCms.getProfileDescription(source):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
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


def convert_pixels(pixels: UInt8[np.ndarray, "h w c"], transform: ImageCms.ImageCmsTransform) -> Picture:
    """`pixels` (3 channels RGB, 4 channels CMYK with 255 = full ink) through `transform`."""
    height, width, channels = pixels.shape
    mode = "RGB" if channels == 3 else "CMYK"
    image = Image.frombytes(mode, (width, height), pixels.tobytes())
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is for in-place conversion only
    return np.asarray(converted)
