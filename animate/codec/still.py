"""One still of any common format to upright sRGB pixels, or a reason why not.

What is decided here: an animation gives its first frame, a file with pages its first page; transparency is
laid over the recipe's background; samples of more than 8 bits keep the highest 8; an embedded RGB or CMYK
profile is converted to sRGB; EXIF orientation is applied, and size and pixels follow from one reading of it;
nothing is decoded before its size is known to be acceptable; a picture with rows missing is refused.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from animate.arrays import Picture
from animate.codec.color import apply_transform, lab_to_srgb, transform_to_srgb
from animate.codec.errors import UndecodableImage
from animate.codec.exif import orientation_of, swaps_sides, turned_upright
from animate.codec.jpeg import decode_stored, read_jpeg_header
from animate.codec.jxl import jxl_size
from animate.codec.png import FinishRows, read_png_header, transparency
from animate.codec.quiet import pillow_as_we_use_it, silence_libtiff
from animate.codec.reader import TURNED_BY_READER, reader_of
from animate.codec.signature import image_format
from animate.codec.strips import packed_rows, strips
from animate.codec.tiff import check_tiff, read_tiff_header, unpacked, upright_tiff
from animate.recipe import SourceRecipe

#: What Pillow's readers raise for bytes that break the rules of their format.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError,
    ZeroDivisionError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip

#: Pillow's modes of 8-bit samples that take 4 bytes a pixel.
_FOUR_BYTES = ("RGB", "RGBA", "LA", "RGBX", "CMYK", "YCbCr", "LAB", "La", "RGBa")
#: Pillow's modes with an alpha channel.
_ALPHA_MODES = ("RGBA", "LA", "PA")
#: Those whose colour was multiplied by it.
_PREMULTIPLIED = ("La", "RGBa")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """An image of which Pillow has read the header: `size` (width, height) is as stored, not turned upright.

    `finished` makes of the image, when it is loaded, the picture with all that its format says; what
    `prepared` gives, before it is loaded, does the same for some of its rows.
    """

    image: Image.Image
    size: tuple[int, int]
    orientation: int
    finished: Callable[[Image.Image], Image.Image]
    prepared: Callable[[], FinishRows] = lambda: lambda image, rows: image


def decode_still(data: bytes, source: SourceRecipe, at_least: tuple[int, int] | None = None) -> Picture:
    """The still in `data`: upright, sRGB, C-contiguous, within the limits of `source`.

    With `at_least` (width, height) in upright pixels, a JPEG may be decoded at a half, a quarter or an eighth
    of its size (rounded up) if both sides stay that large. The limits always apply to the full size. Raises
    `UndecodableImage`, whose status says what is wrong.
    """
    kind = _kind(data)
    if kind == "JPEG":
        header = read_jpeg_header(data)
        _check_size(header.width, header.height, source)
        width, height = at_least or (0, 0)
        least = (height, width) if swaps_sides(header.orientation) else (width, height)
        with pillow_as_we_use_it():
            pixels = decode_stored(data, header, least)
        return np.ascontiguousarray(turned_upright(pixels, header.orientation))
    if kind == "JPEG XL" and reader_of(kind):
        _check_size(*jxl_size(data), source)
    with _opened(data, kind) as opened:
        _check_size(*opened.size, source)
        try:
            finish_rows = opened.prepared()
            memory = _load_into_memory(opened.image)
            size = _pack(opened.finished(opened.image), finish_rows, source.background, memory)
        except UndecodableImage:
            raise
        except _BROKEN as error:
            raise _broken(data, kind, error) from None
    if size != opened.size:
        raise UndecodableImage("undecodable", f"{kind}: the pixels are not as many as its header states")
    width, height = size
    memory.resize(height * width * 3, refcheck=False)  # nothing but the closed image refers to it
    pixels = packed_rows(memory, width, height)
    return np.ascontiguousarray(turned_upright(pixels, opened.orientation))


def still_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the upright still in `data`, from its header alone; raises `UndecodableImage`."""
    kind = _kind(data)
    if kind == "JPEG":
        header = read_jpeg_header(data)
        width, height, orientation = header.width, header.height, header.orientation
    elif kind == "JPEG XL" and reader_of(kind):
        (width, height), orientation = jxl_size(data), 1
    else:
        with _opened(data, kind) as opened:
            (width, height), orientation = opened.size, opened.orientation
    return (height, width) if swaps_sides(orientation) else (width, height)


def _kind(data: bytes) -> str:
    """The format of the data; `UndecodableImage` if it is that of no image."""
    if not data:
        raise UndecodableImage("empty_file", "zero bytes")
    kind = image_format(data)
    if kind is None:
        raise UndecodableImage("not_an_image", f"no image format starts with {data[:8]!r}")
    return kind


@contextlib.contextmanager
def _opened(data: bytes, kind: str) -> Iterator[_Opened]:
    """The image with its header read, but not its pixels."""
    with pillow_as_we_use_it():
        reader = reader_of(kind)
        if reader == "TIFF":
            header = read_tiff_header(data)
            check_tiff(header)
            silence_libtiff()
            with _open(upright_tiff(header), reader) as image:
                yield _Opened(
                    image=image,
                    size=(header.width, header.height),
                    orientation=header.orientation,
                    finished=lambda loaded: unpacked(loaded, header),
                )
        elif reader == "PNG":
            chunks = read_png_header(data)
            with _open(data, reader) as image:
                yield _Opened(
                    image=image,
                    size=image.size,
                    orientation=chunks.orientation,
                    finished=lambda loaded: loaded,
                    prepared=lambda: transparency(data, chunks),
                )
        else:
            with _open(data, reader) as image:
                # Pillow puts into the EXIF block of an AVIF what the file says in its own words.
                exif = b"" if reader in TURNED_BY_READER else image.info.get("exif")
                orientation = orientation_of(exif) if isinstance(exif, bytes) else 1
                yield _Opened(
                    image=image, size=image.size, orientation=orientation, finished=lambda loaded: loaded
                )


def _open(data: bytes, reader: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=[reader])
    except UnidentifiedImageError:
        raise _broken(data, reader, ValueError("its header cannot be read")) from None
    except _BROKEN as error:
        raise _broken(data, reader, error) from None


def _broken(data: bytes, kind: str, error: Exception) -> UndecodableImage:
    """What to report when Pillow gives up: `truncated` where the data is known to be short."""
    short = "truncated" in str(error).lower() or isinstance(error, EOFError)
    if kind == "WEBP":
        short = len(data) < 8 + int.from_bytes(data[4:8], "little")
    if kind == "PNG":
        short = short or b"IEND" not in data[-16:]
    if "not available" in str(error):  # Pillow was built without the library
        return UndecodableImage("unsupported_format", f"{kind}: {error}; install pillow from PyPI")
    return UndecodableImage("truncated" if short else "undecodable", f"{kind}: {error}")


def _check_size(width: int, height: int, source: SourceRecipe) -> None:
    stated = f"{width} x {height} pixels"
    if width < 1 or height < 1:
        raise UndecodableImage("undecodable", stated)
    if width * height > source.max_pixels:
        raise UndecodableImage("too_many_pixels", f"{stated}: above max_pixels = {source.max_pixels}")
    if min(width, height) < source.min_side:
        raise UndecodableImage("too_small", f"{stated}: a side is under min_side = {source.min_side}")
    if max(width, height) > source.max_aspect * min(width, height):
        raise UndecodableImage("aspect_ratio", f"{stated}: sides differ by more than {source.max_aspect}")


def _load_into_memory(image: Image.Image) -> UInt8[np.ndarray, "n"]:
    """Memory of 4 bytes a pixel into which the pixels of `image` were loaded, if its reader heeds that.

    Pillow's own memory cannot be given back row by row, so that with it a still would take 4 bytes a pixel
    and 3 for the result.
    """
    width, height = image.size
    memory = np.zeros(width * height * 4, np.uint8)
    if image.mode in _FOUR_BYTES:
        image.im = Image.core.map_buffer(memory, image.size, "raw", 0, (image.mode, 0, 1))
    image.load()
    return memory


def _pack(
    image: Image.Image, finish: FinishRows, background: tuple[int, int, int], memory: UInt8[np.ndarray, "n"]
) -> tuple[int, int]:
    """Writes the RGB of the finished `image`, 3 bytes a pixel, to the front of `memory`; gives its size.

    `image` may lie in the same memory.
    """
    width, height = image.size
    if width * height * 4 > memory.size:
        raise ValueError("more pixels than its header states")
    packed = packed_rows(memory, width, height)
    for rows in strips(width, height):
        packed[rows] = _rgb(finish(image.crop((0, rows.start, width, rows.stop)), rows), background)
    return width, height


def _rgb(image: Image.Image, background: tuple[int, int, int]) -> Picture:
    """The pixels of a finished `image` as RGB, as they are stored: not turned upright."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise UndecodableImage("unsupported_format", "samples outside 0..65535 have no stated white")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise UndecodableImage("unsupported_format", "floating-point samples have no stated white")
    if image.mode in _PREMULTIPLIED:
        image = image.convert(image.mode.upper())
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        over = image.convert("RGBA")
        red_green_blue = _in_srgb(over.convert("RGB"), image.info.get("icc_profile"))
        red_green_blue.putalpha(over.getchannel("A"))
        under = Image.new("RGBA", image.size, (*background, 255))
        return np.asarray(Image.alpha_composite(under, red_green_blue).convert("RGB"))
    return np.asarray(_in_srgb(image, image.info.get("icc_profile")).convert("RGB"))


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        return lab_to_srgb(image)
    if image.mode in ("P", "YCbCr"):
        image = image.convert("RGB")
    transform = transform_to_srgb(profile, image.mode) if profile else None
    return image if transform is None else apply_transform(image, transform)
