"""The orientation that a camera recorded, and pixels turned upright by it."""

import struct

import numpy as np
from jaxtyping import UInt8

#: EXIF tag of the orientation.
ORIENTATION_TAG = 0x0112

#: Number that EXIF gives to the type of its value, a 16-bit integer.
_SHORT = 3


def orientation_of(exif: bytes) -> int:
    """The orientation, 1 to 8, in an EXIF block with or without its `Exif` header; 1 if there is none."""
    block = exif[6:] if exif[:6] == b"Exif\0\0" else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (entries,) = struct.unpack_from(order + "H", block, start)
        for entry in range(min(entries, 512)):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", block, start + 2 + 12 * entry)
            if tag == ORIENTATION_TAG and kind == _SHORT:
                return value if 1 <= value <= 8 else 1
    except struct.error:  # a block that is cut short has no orientation
        return 1
    return 1


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
