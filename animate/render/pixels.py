"""Unit coordinates to pixels: pixel i of n has its centre at (i + 0.5) / n."""

import numpy as np
from jaxtyping import Float64


def source_pixel_from_frame_pixel(
    source_from_view: Float64[np.ndarray, "*b 3 3"], still_size: tuple[int, int], frame_size: tuple[int, int]
) -> Float64[np.ndarray, "*b 3 3"]:
    """The same homographies in pixels, where the centre of pixel i is at i; sizes are (width, height)."""
    (width, height), (columns, rows) = still_size, frame_size
    pixel_from_unit = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], np.float64)
    unit_from_pixel = np.array([[1 / columns, 0, 0.5 / columns], [0, 1 / rows, 0.5 / rows], [0, 0, 1]])
    return pixel_from_unit @ source_from_view @ unit_from_pixel
