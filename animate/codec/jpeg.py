"""JPEG through libjpeg-turbo: its header, its pixels, and pixels to JPEG."""

import io
import math
from dataclasses import dataclass

import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image

from animate.arrays import Picture
from animate.codec.color import Transform, convert_pixels, transform_to_srgb
from animate.codec.errors import UndecodableImage
from animate.codec.exif import stated_orientation
from animate.codec.strips import converted

#: What libjpeg says of data that ends early.
_TRUNCATED = ("premature end",)

#: What it says of data that is damaged inside.
_DAMAGED = ("bad huffman code", "instead of rst", "inconsistent progression")

#: Markers of the segment that states the size and the number of channels.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

#: Markers that stand alone, without a length and content behind them.
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """What a JPEG says before its pixels.

    `width` and `height` are in pixels as stored, not turned upright. `orientation` is EXIF's, 1 to 8,
    `profile` the ICC profile, empty if there is none.
    """

    width: int
    height: int
    channels: int
    orientation: int
    profile: bytes


def read_jpeg_header(data: bytes) -> JpegHeader:
    """What the segments before the pixels say; `UndecodableImage` if they break off.

    A segment begins with FF and its marker. Two bytes give its length, which counts themselves but not the FF
    and the marker. `position` goes from the FF of one segment to the next:

        FF D8   FF E1  00 10  (14 bytes)   FF C0  00 11  (15 bytes)   FF DA ...
        start   Exif   length body         size   length body         pixels
    """
    width = height = channels = 0
    orientation = 1
    profile: list[tuple[int, bytes]] = []
    position, end = 2, len(data)
    while True:
        position = data.find(b"\xff", position)
        while 0 <= position < end - 1 and data[position + 1] == 0xFF:
            position += 1  # fill bytes
        if position < 0 or position + 1 >= end:
            raise UndecodableImage("truncated", "the JPEG ends inside its header")
        marker = data[position + 1]
        position += 2
        if marker == 0 or marker in _WITHOUT_LENGTH:
            continue
        if marker in (0xDA, 0xD9):  # the pixels, or the end of the file
            break
        length = int.from_bytes(data[position : position + 2], "big")
        if position + max(length, 2) > end:
            raise UndecodableImage("truncated", "the JPEG ends inside its header")
        if length < 2:
            raise UndecodableImage("undecodable", f"JPEG segment {marker:#x} has length {length}")
        body = position + 2
        if marker in _START_OF_FRAME and length >= 8:
            height, width = (
                int.from_bytes(data[body + 1 : body + 3], "big"),
                int.from_bytes(data[body + 3 : body + 5], "big"),
            )
            channels = data[body + 5]
        elif marker == 0xE1 and data.startswith(b"Exif\0\0", body):
            # A long EXIF block goes on in a second segment, which has no directory of its own.
            orientation = stated_orientation(data[body : position + length]) or orientation
        elif marker == 0xE2 and data.startswith(b"ICC_PROFILE\0", body):
            profile.append((data[body + 12], data[body + 14 : position + length]))
        position += length
    if not width or not height:
        raise UndecodableImage("undecodable", "the JPEG states no size")
    return JpegHeader(
        width=width,
        height=height,
        channels=channels,
        orientation=orientation,
        profile=b"".join(piece for _, piece in sorted(profile)),
    )


def decode_stored(data: bytes, header: JpegHeader, at_least: tuple[int, int]) -> Picture:
    """The pixels in sRGB, as they are stored: not turned upright. Every row must be there.

    The result is no smaller than `at_least` (width, height); (0, 0) asks for the full size. If half, a
    quarter or an eighth of the size (rounded up) is enough, the decoder uses fewer DCT coefficients, which is
    faster than to decode all pixels and average them.
    """
    stored = "CMYK" if header.channels == 4 else "RGB"
    divisor = _divisor(header, at_least)
    least_height, least_width = math.ceil(header.height / divisor), math.ceil(header.width / divisor)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, stored, min_height=least_height, min_width=least_width, min_factor=divisor
        )
    except ValueError as error:
        pixels = _decode_again(data, str(error), stored)
    if stored == "RGB":
        transform = transform_to_srgb(header.profile, "RGB") if header.profile else None
        if transform is None:
            return pixels
        return converted(pixels, lambda rows: convert_pixels(rows, transform))
    transform = transform_to_srgb(header.profile, "CMYK") if header.profile else None
    return converted(pixels, lambda rows: _rgb_of_ink(255 - rows, transform))


def _rgb_of_ink(ink: UInt8[np.ndarray, "h w 4"], transform: Transform | None) -> Picture:
    """CMYK, which is stored inverted in JPEG, as Adobe began to, and comes here as it is printed."""
    if transform is not None:
        return convert_pixels(ink, transform)
    image = Image.frombytes("CMYK", (ink.shape[1], ink.shape[0]), ink.tobytes())
    return np.asarray(image.convert("RGB"))


def decode_jpeg(data: bytes) -> Picture:
    """The pixels of a JPEG that `encode_jpeg` wrote; `UndecodableImage` if they are not all there."""
    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError as error:
        raise UndecodableImage("undecodable", f"not a whole JPEG: {error}") from None


def encode_jpeg(frame: Picture, quality: int) -> bytes:
    """`frame` as a JPEG with 4:2:0 chroma; `quality` is libjpeg's, 1 to 100."""
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(frame), quality=quality, colorspace="RGB", colorsubsampling="420"
    )


def _divisor(header: JpegHeader, at_least: tuple[int, int]) -> int:
    width, height = at_least
    if width < 1 or height < 1:
        return 1
    return next((k for k in (8, 4, 2) if header.width >= k * width and header.height >= k * height), 1)


def _decode_again(data: bytes, complaint: str, stored: str) -> UInt8[np.ndarray, "h w c"]:
    """The pixels, by Pillow, of a JPEG for which libjpeg-turbo raised `complaint`.

    Stray bytes between segments and odd version numbers are common and do no harm, and Pillow knows more ways
    to sample chroma. Data that is missing or damaged is refused all the same.
    """
    lowered = complaint.lower()
    if any(text in lowered for text in _TRUNCATED) or data.rfind(b"\xff\xd9") < 0:
        raise UndecodableImage("truncated", complaint)
    if any(text in lowered for text in _DAMAGED):
        raise UndecodableImage("undecodable", complaint)
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            image.load()
            if (image.mode == "CMYK") != (stored == "CMYK"):
                image = image.convert(stored)
            pixels = np.asarray(image if stored == "CMYK" else image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UndecodableImage("undecodable", f"{complaint}; {error}") from None
    return 255 - pixels if stored == "CMYK" else pixels  # Pillow has undone Adobe's inversion
