"""One still of any common format to upright sRGB pixels, or a reason why not.

What is decided here: an animation gives its first frame; transparency is laid over the recipe's background;
16-bit samples keep their high byte; an embedded RGB or CMYK profile is converted to sRGB; EXIF orientation is
applied; nothing is decoded before its size is known to be acceptable; a picture with rows missing is refused.
"""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from animate.arrays import Picture
from animate.codec.color import transform_to_srgb
from animate.codec.errors import UndecodableImage
from animate.codec.exif import ORIENTATION_TAG, orientation_of, swaps_sides, turned_upright
from animate.codec.jpeg import decode_stored, read_jpeg_header
from animate.recipe import SourceRecipe

#: What Pillow's readers raise for bytes that break the rules of their format.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError,
    ZeroDivisionError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip

#: Pillow's modes with an alpha channel.
_ALPHA_MODES = ("RGBA", "LA", "PA", "La", "RGBa")
#: Data that starts with BM is a BMP only if its second header has one of these sizes.
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)


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
        with _pillow_as_we_use_it():
            pixels = decode_stored(data, header, least)
        return np.ascontiguousarray(turned_upright(pixels, header.orientation))
    with _pillow_as_we_use_it(), _open(data, kind) as image:
        _check_size(*image.size, source)
        try:
            image.load()
            orientation = _orientation(image)
            pixels = _rgb(image, source.background)
        except _BROKEN as error:
            raise _broken(data, kind, error) from None
    return np.ascontiguousarray(turned_upright(pixels, orientation))


def still_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the upright still in `data`, from its header alone; raises `UndecodableImage`."""
    kind = _kind(data)
    if kind == "JPEG":
        header = read_jpeg_header(data)
        width, height, orientation = header.width, header.height, header.orientation
    else:
        with _pillow_as_we_use_it(), _open(data, kind) as image:
            (width, height), orientation = _stored_size(image), _orientation(image)
    return (height, width) if swaps_sides(orientation) else (width, height)


def _kind(data: bytes) -> str:
    """The name that Pillow gives to the format, which the first bytes tell."""
    if not data:
        raise UndecodableImage("empty_file", "zero bytes")
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if data.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return "JPEG2000"
    if data[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6") and data[2:3].isspace():
        return "PPM"
    brands = data[8 : int.from_bytes(data[:4], "big")][:64] if data[4:8] == b"ftyp" else b""
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if any(brand in brands for brand in (b"heic", b"heix", b"hevc", b"mif1")):
        raise UndecodableImage("undecodable", "HEIC: no decoder here reads it")
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        raise UndecodableImage("undecodable", "JPEG XL: no decoder here reads it")
    raise UndecodableImage("not_an_image", f"no image format starts with {data[:8]!r}")


@contextlib.contextmanager
def _pillow_as_we_use_it() -> Iterator[None]:
    """Pillow without its own pixel limit, because the recipe's is checked, and without its warnings.

    It warns of odd metadata and of how a palette is stored, which do not change the pixels.
    """
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _open(data: bytes, kind: str) -> Image.Image:
    """The image with its header read, but not its pixels."""
    try:
        return Image.open(io.BytesIO(data), formats=[kind])
    except UnidentifiedImageError:
        raise _broken(data, kind, ValueError("its header cannot be read")) from None
    except _BROKEN as error:
        raise _broken(data, kind, error) from None


def _broken(data: bytes, kind: str, error: Exception) -> UndecodableImage:
    """What to report when Pillow gives up: `truncated` where the data is known to be short."""
    short = "truncated" in str(error).lower() or isinstance(error, EOFError)
    if kind == "WEBP":
        short = len(data) < 8 + int.from_bytes(data[4:8], "little")
    if kind == "PNG":
        short = short or b"IEND" not in data[-16:]
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


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) as stored. For a TIFF, some releases of Pillow state the size after turning instead."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def _orientation(image: Image.Image) -> int:
    """By what the picture must still be turned: Pillow turns a TIFF while it loads it, and drops the tag."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        stated = image.getexif().get(ORIENTATION_TAG, 1)
        return stated if stated in range(1, 9) else 1
    exif = image.info.get("exif", b"")
    return orientation_of(exif) if isinstance(exif, bytes) else 1


def _rgb(image: Image.Image, background: tuple[int, int, int]) -> Picture:
    """The pixels of a loaded `image` as RGB, as they are stored: not turned upright."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError("whole-number samples outside 0..65535 have no stated white")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("floating-point samples have no stated white")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        over = image.convert("RGBA")
        red_green_blue = _in_srgb(over.convert("RGB"), image.info.get("icc_profile"))
        red_green_blue.putalpha(over.getchannel("A"))
        under = Image.new("RGBA", image.size, (*background, 255))
        return np.asarray(Image.alpha_composite(under, red_green_blue).convert("RGB"))
    return np.asarray(_in_srgb(image, image.info.get("icc_profile")).convert("RGB"))


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "P":
        image = image.convert("RGB")
    transform = transform_to_srgb(profile, image.mode) if profile else None
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is for in-place conversion only
    return converted
