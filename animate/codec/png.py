"""What the chunks of a PNG say that Pillow does not say, or says too late."""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from animate.codec.exif import orientation_of

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


def with_transparency(image: Image.Image, data: bytes, header: PngHeader) -> Image.Image:
    """The loaded `image` of `data` with 8-bit samples and its transparent colour, if it has one, as alpha.

    Pixels are compared as they are stored: Pillow compares them after it has widened samples of 2 and 4 bits
    and cut those of 16.
    """
    if not header.key or header.color_type not in (_GREY, _RGB):
        return image
    if header.bits < 16:
        largest = 2**header.bits - 1  # higher bits of the key count for nothing
        key = tuple((sample & largest) * 255 // largest for sample in header.key)
        image.info["transparency"] = key if len(key) == 3 else key[0]
        return image
    if header.color_type == _GREY:
        grey = np.asarray(image).astype(np.uint16, copy=False)
        alpha = (grey != header.key[0]) * np.uint8(255)
        return Image.fromarray(np.dstack([(grey >> 8).astype(np.uint8), alpha]))
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if whole is None or whole.shape[2:] != (4,):
        raise ValueError("its 16-bit samples cannot be compared with its transparent colour")
    over = image.convert("RGB")
    over.info.pop("transparency", None)
    over.putalpha(Image.fromarray(np.where(whole[..., 3] > 0, 255, 0).astype(np.uint8)))
    return over
