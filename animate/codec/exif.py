"""The orientation that a camera recorded, and pixels turned upright by it.

Only EXIF says how a picture is to be turned. An orientation in XMP, or in a text chunk of a PNG
(ImageMagick's "Raw profile type exif"), is not looked at: Chromium and Firefox look at neither, so a picture
with nothing else was most likely published, seen and captioned unturned.
"""

import numpy as np
from jaxtyping import UInt8

from animate.codec.ifd import read_directory

#: EXIF tag of the orientation.
ORIENTATION_TAG = 0x0112


def stated_orientation(exif: bytes) -> int | None:
    """The orientation, 1 to 8, in an EXIF block with or without its `Exif` header; None if it states none.

    The standard has a 16-bit integer; some writers use 8 or 32 bits, which are read as well.
    """
    directory = read_directory(exif[6:] if exif[:6] == b"Exif\0\0" else exif)
    value = directory.integer(ORIENTATION_TAG, 0) if directory else 0
    return value if 1 <= value <= 8 else None


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block; 1, upright as it is stored, if it states none."""
    return stated_orientation(exif) or 1


def swaps_sides(orientation: int) -> bool:
    """Whether the upright picture is as wide as the stored one is high."""
    return orientation >= 5


def turned_upright(pixels: UInt8[np.ndarray, "h w c"], orientation: int) -> UInt8[np.ndarray, "h2 w2 c"]:
    """`pixels` as they are to be seen.

    `orientation` says where the stored row 0 and column 0 belong: for 6, a common one, row 0 is the right
    edge and column 0 the top, so rows and columns are swapped and then mirrored left to right.
    """
    if swaps_sides(orientation):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
