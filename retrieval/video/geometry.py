"""From stored pixels to the picture as it is meant to be seen, and from that to a model's size.

A stored picture may lie on its side, be mirrored, or have pixels that are no squares. The display matrix
(ISO 14496-12, 6.2.2) says where a stored point (p, q), counted right and down, is shown:

    | a b u |
    | c d v |    (p, q) -> (a p + c q + x, b p + d q + y)
    | x y w |

Only the nearest of the eight quarter turns and mirror images is applied: others would leave empty corners.
"""

from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Int32, UInt8

RgbImage = UInt8[np.ndarray, "h w 3"]
Matrix = Int32[np.ndarray, "3 3"]

#: Pixels wider or higher than this are not believed: real ones go up to 2:1.
MAX_ASPECT = 4


def upright(image: RgbImage, matrix: Matrix) -> RgbImage:
    """The picture turned and mirrored as its display matrix says."""
    (a, b), (c, d) = matrix[:2, :2].tolist()
    right, down = a, d
    if abs(b) + abs(c) > abs(a) + abs(d):
        # Rows become columns. Turned to the left, a = d = 0, b = -1, c = 1: then the new columns are flipped.
        image, right, down = image.transpose(1, 0, 2), c, b
    return image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]


def square_pixels(image: RgbImage, aspect: Fraction) -> RgbImage:
    """The picture with square pixels: the side that has too few of them is stretched, so no detail is lost.

    `aspect` is the width of a stored pixel over its height.
    """
    height, width = image.shape[:2]
    if not Fraction(1, MAX_ASPECT) <= aspect <= MAX_ASPECT:
        return image
    if aspect > 1:
        return resized(image, height, round(width * aspect))
    return resized(image, round(height / aspect), width)


def resized(image: RgbImage, height: int, width: int) -> RgbImage:
    """The picture at another size: bicubic where it grows, means of areas where it shrinks."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def fit(images: UInt8[np.ndarray, "t h w 3"], size: int) -> UInt8[np.ndarray, "t 3 size size"]:
    """Shorter side to `size` (bicubic, antialiased), centre cropped: CLIP's own preprocessing."""
    height, width = images.shape[1:3]
    if (height, width) != (size, size):
        import torch  # takes seconds to load: whoever only looks at videos need not wait for it

        scale = size / min(height, width)
        new_size = (max(size, round(height * scale)), max(size, round(width * scale)))
        channels_last = torch.from_numpy(images).permute(0, 3, 1, 2)
        images = (
            torch.nn.functional.interpolate(channels_last, size=new_size, mode="bicubic", antialias=True)
            .permute(0, 2, 3, 1)
            .numpy()
        )
        top, left = (new_size[0] - size) // 2, (new_size[1] - size) // 2
        images = images[:, top : top + size, left : left + size]
    planes = np.empty((len(images), 3, size, size), dtype=np.uint8)
    for image, into in zip(images, planes, strict=True):
        cv2.split(image, list(into))  # a fifth of the time of numpy's transposed copy
    return planes
