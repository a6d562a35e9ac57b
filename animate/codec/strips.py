"""Rows of a picture a few at a time: steps that need memory of their own then need little of it."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8

from animate.arrays import Picture

#: So many pixels, or one row if that has more, are in a strip.
PIXELS = 2**18

#: As many, where pixels become linear light and go back: with their light they stay in a processor's cache,
#: which takes a fifth less time.
CONVERTED_PIXELS = 2**15


def strips(width: int, height: int, pixels: int | None = None) -> Iterator[slice]:
    """The rows of a picture in strips of `PIXELS`, or of `pixels`, from the top."""
    rows = max(1, (pixels or PIXELS) // max(1, width))
    return (slice(first, min(first + rows, height)) for first in range(0, height, rows))


def packed_rows(memory: UInt8[np.ndarray, "n"], width: int, height: int) -> Picture:
    """The front of `memory` as an RGB picture.

    `memory` may hold the picture with 4 bytes a pixel, if rows are written when they have been read:

        rows of 2 pixels   r g b a r g b a   r g b a r g b a   ...
        after the first    R G B R G B b a   r g b a r g b a   ...
        after the second   R G B R G B R G   B R G B r g b a   ...
    """
    return memory[: height * width * 3].reshape(height, width, 3)


def converted(
    pixels: UInt8[np.ndarray, "h w c"], convert: Callable[[UInt8[np.ndarray, "h w c"]], Picture]
) -> Picture:
    """`pixels` of 3 or 4 channels through `convert`, strip by strip, in their own memory if that may be."""
    if not (pixels.flags.writeable and pixels.flags.c_contiguous):
        pixels = pixels.copy()
    height, width, _ = pixels.shape
    found = packed_rows(pixels.reshape(-1), width, height)
    for rows in strips(width, height, CONVERTED_PIXELS):
        found[rows] = convert(pixels[rows])
    return found
