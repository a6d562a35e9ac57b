"""What the chunks of a PNG say that Pillow does not say, or says too late."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from PIL import Image

from animate.codec.exif import orientation_of
from animate.codec.strips import strips

#: Colour types of the header.
_GREY, _RGB = 0, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader:
    """`bits` of a sample and `color_type` as stored; `key` is the colour whose pixels are transparent, in
    stored samples, empty if there is none. `orientation` is EXIF's, 1 to 8.
    """

    bits: int
    color_type: int
    key: tuple[int, ...]
    orientation: int


def read_png_header(data: bytes) -> PngHeader:
    """What the chunks of a PNG say, of which only the heads are looked at.

    EXIF counts wherever it stands. It was registered in 2017 for any place, and writers put it behind the
    pixels; the specification of 2025 wants it before them, because a browser that draws while it loads cannot
    turn the picture later. Here nothing is drawn before all is there.
    """
    bits, color_type = 8, _RGB
    key: tuple[int, ...] = ()
    exif = b""
    position = 8
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        body = position + 8
        if name == b"IHDR" and length == 13 and body + 13 <= len(data):
            bits, color_type = data[body + 8], data[body + 9]
        elif name == b"tRNS" and color_type in (_GREY, _RGB):
            content = data[body : body + length]
            key = struct.unpack(f">{len(content) // 2}H", content[: len(content) // 2 * 2])
        elif name == b"eXIf" and not exif:
            exif = data[body : body + length]
        elif name == b"IEND":
            break
        position = body + length + 4
    return PngHeader(bits=bits, color_type=color_type, key=key, orientation=orientation_of(exif))


#: Makes of some rows of a loaded image, cut out of it, the same rows as their format means them.
FinishRows = Callable[[Image.Image, slice], Image.Image]


def transparency(data: bytes, header: PngHeader) -> FinishRows:
    """What gives rows of the image in `data` 8-bit samples, and its transparent colour, if any, as alpha.

    Pixels are compared as they are stored: Pillow compares them after it has widened samples of 2 and 4 bits
    and cut those of 16. To be called before the image is loaded: it may load it itself, for a while.
    """
    if not header.key or header.color_type not in (_GREY, _RGB):
        return lambda image, rows: image
    if header.bits < 16:
        largest = 2**header.bits - 1  # higher bits of the key count for nothing
        samples = tuple((sample & largest) * 255 // largest for sample in header.key)
        key = samples if len(samples) == 3 else samples[0]

        def with_key(image: Image.Image, rows: slice) -> Image.Image:
            image.info["transparency"] = key
            return image

        return with_key
    if header.color_type == _GREY:
        return lambda image, rows: _grey_with_alpha(np.asarray(image), header.key[0])
    low = _has_low_bytes(data, header.key)
    high = np.array([sample >> 8 for sample in header.key], np.uint8)

    def with_alpha(image: Image.Image, rows: slice) -> Image.Image:
        over = image.convert("RGB")
        over.info.pop("transparency", None)
        is_key = (np.asarray(over) == high).all(axis=2) & low[rows]
        over.putalpha(Image.fromarray(~is_key * np.uint8(255)))
        return over

    return with_alpha


def _grey_with_alpha(grey: np.ndarray, key: int) -> Image.Image:
    return Image.fromarray(np.dstack([(grey >> 8).astype(np.uint8), (grey != key) * np.uint8(255)]))


def _has_low_bytes(data: bytes, key: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Which pixels of an image of three samples of 16 bits have the lower bytes of `key`.

    Pillow drops them: of big-endian samples it keeps the first byte, of little-endian ones the second. Told
    that these are little-endian, it drops the higher ones.
    """
    low = np.array([sample & 255 for sample in key], np.uint8)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        [(name, extents, offset, _)] = image.tile
        # A plain tuple: what Pillow calls it has changed over its releases.
        image.tile = [(name, extents, offset, "RGB;16L")]  # pyright: ignore[reportAttributeAccessIssue]
        image.load()
        width, height = image.size
        found = np.empty((height, width), bool)
        for rows in strips(width, height):
            found[rows] = (np.asarray(image.crop((0, rows.start, width, rows.stop))) == low).all(axis=2)
    return found
