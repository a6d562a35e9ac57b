"""TIFF: what its directory says, and the samples that Pillow does not read or reads wrongly.

Pillow reads samples of 1, 2, 4, 8 and 16 bits, and of those only some that are inverted, signed or beside an
alpha channel. The rest is unpacked here: the directory is rewritten so that Pillow, which undoes the
compression, takes a row for a row of grey bytes, and the bytes are made samples by the directory as it was.
"""

import ctypes
import functools
import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, TiffImagePlugin

from animate.codec.errors import UndecodableImage
from animate.codec.exif import ORIENTATION_TAG
from animate.codec.ifd import Directory, read_directory

#: Tags of the directory (TIFF 6.0, part 1; DNG 1.4 for the last).
_REDUCED, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _CHILDREN = 277, 284, 317, 322, 330
_PRINTER, _EXTRA, _FORMAT, _LEAST, _MOST, _XMP, _DNG = 337, 338, 339, 340, 341, 700, 50706

#: How samples are stored, by their tag.
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
#: What samples mean: grey with white as 0, grey with black as 0, colour.
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
#: What the pixels of a sensor mean: behind a colour filter, or linear.
_SENSOR = (32803, 34892)
#: Compressions of bytes, whatever these mean: none, LZW, deflate (two numbers), PackBits, LZMA, Zstandard.
_OF_BYTES = (1, 5, 8, 32946, 32773, 34925, 50000)
#: What an extra sample is: alpha that the colour was multiplied by, or not.
_ASSOCIATED, _UNASSOCIATED = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffHeader:
    """What the first directory says. Sizes are as stored, not turned upright.

    `bits` is that of each sample; `kind` is one of `_UNSIGNED` and so on, 0 where samples differ. `extra`
    says what each sample beyond grey or colour is. `black` and `white` are the stated limits, if there are.
    """

    directory: Directory
    width: int
    height: int
    orientation: int
    compression: int
    photometric: int
    samples: int
    bits: tuple[int, ...]
    kind: int
    extra: tuple[int, ...]
    planar: bool
    predictor: int
    tile_width: int
    black: float | None
    white: float | None

    @property
    def colors(self) -> int:
        return 3 if self.photometric == _RGB else 1

    @property
    def alpha(self) -> int | None:
        """What kind of alpha the first extra sample is, if it is one."""
        stated = self.extra[0] if self.extra and self.samples > self.colors else None
        return stated if stated in (_ASSOCIATED, _UNASSOCIATED) else None

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads the samples, and rightly, if anybody does."""
        if self.photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB):
            return True
        if self.kind == _SIGNED and self.colors == 1 and self.bits == (8,):
            return True  # some writers call bytes signed that are not
        if self.kind != _UNSIGNED or not set(self.bits) <= {1, 2, 4, 8, 16}:
            return False
        grey_16 = self.colors == 1 and 16 in self.bits
        return not grey_16 or (self.photometric == _BLACK_IS_ZERO and self.samples == 1)


def read_tiff_header(data: bytes) -> TiffHeader:
    """What the first directory of a TIFF says; `UndecodableImage` if it states no size."""
    directory = read_directory(data)
    width = directory.integer(_WIDTH, 0) if directory else 0
    height = directory.integer(_HEIGHT, 0) if directory else 0
    if directory is None or width < 1 or height < 1:
        raise UndecodableImage("undecodable", "TIFF: its header cannot be read")
    samples = directory.integer(_SAMPLES, 1)
    kinds = set(directory.integers(_FORMAT)[:samples]) or {_UNSIGNED}
    orientation = directory.integer(ORIENTATION_TAG, 1)
    return TiffHeader(
        directory=directory,
        width=width,
        height=height,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        compression=directory.integer(_COMPRESSION, 1),
        photometric=directory.integer(_PHOTOMETRIC, _WHITE_IS_ZERO),
        samples=samples,
        bits=directory.integers(_BITS)[:samples] or (1,),
        kind=kinds.pop() if len(kinds) == 1 else 0,
        extra=directory.integers(_EXTRA),
        planar=directory.integer(_PLANAR, 1) == 2 and samples > 1,
        predictor=directory.integer(_PREDICTOR, 1),
        tile_width=directory.integer(_TILE_WIDTH, 0) or width,
        black=min(directory.numbers(_LEAST), default=None),
        white=max(directory.numbers(_MOST), default=None),
    )


def check_tiff(header: TiffHeader) -> None:
    """`UndecodableImage` if nothing here makes a picture of such a TIFF."""
    entries = header.directory.entries
    is_thumbnail = header.directory.integer(_REDUCED, 0) & 1 and _CHILDREN in entries
    if _DNG in entries or header.photometric in _SENSOR or is_thumbnail:
        # Its first directory is the sensor's pixels or a thumbnail, and neither is the picture.
        raise UndecodableImage("unsupported_format", "camera raw: develop it first, with rawpy for instance")
    if header.compression not in TiffImagePlugin.COMPRESSION_INFO:
        raise UndecodableImage("unsupported_format", f"TIFF with compression {header.compression}: not read")
    if header.is_plain:
        return
    what = f"TIFF with samples of {'/'.join(map(str, header.bits))} bits, format {header.kind}"
    whole_bytes = header.bits[0] in (8, 16, 32) or (header.bits[0] == 64 and header.kind == _FLOAT)
    packed = 9 <= header.bits[0] <= 15 and header.kind == _UNSIGNED
    if (
        len(set(header.bits)) > 1
        or not (whole_bytes or packed)
        or header.kind not in (_UNSIGNED, _SIGNED, _FLOAT)
        or (header.kind == _FLOAT and header.bits[0] == 8)
        or header.planar
        or header.samples < header.colors
        or header.compression not in _OF_BYTES
        or header.predictor not in (1, 2)
        or (header.predictor == 2 and not (whole_bytes and header.kind != _FLOAT))
        or _PHOTOMETRIC not in entries
        or (header.tile_width * header.samples * header.bits[0]) % 8 * (header.tile_width != header.width)
    ):
        raise UndecodableImage("unsupported_format", f"{what}: not read in this arrangement")
    if _scale_is_unknown(header):
        raise UndecodableImage(
            "unsupported_format",
            f"{what}: no stated white (SMinSampleValue, SMaxSampleValue); store 8 or 16 bits",
        )


def upright_tiff(header: TiffHeader) -> bytes:
    """The file with its picture marked as upright, for Pillow to read.

    Otherwise Pillow turns the picture, at another moment in each of its releases, and the size with it; where
    there is no tag for the orientation, it looks for one in XMP.
    """
    block = header.directory.rewritten({ORIENTATION_TAG: 1}, {_XMP: _XMP + 1})
    if header.is_plain:
        return block
    directory = read_directory(block)
    assert directory is not None
    row_bits = header.samples * header.bits[0]
    changes = {_WIDTH: -(-header.width * row_bits // 8), _TILE_WIDTH: header.tile_width * row_bits // 8}
    changes |= {_BITS: 8, _SAMPLES: 1, _FORMAT: _UNSIGNED, _PHOTOMETRIC: _BLACK_IS_ZERO}
    changes |= {_PREDICTOR: 1, _PLANAR: 1}
    return directory.rewritten(changes, {_EXTRA: _PRINTER})


def unpacked(image: Image.Image, header: TiffHeader) -> Image.Image:
    """The picture, with 8-bit samples, whose rows Pillow has loaded as the grey bytes of `image`."""
    if header.is_plain:
        return image
    stored = _samples(np.asarray(image), header)[..., : header.colors + 1]
    black, white = (header.black or 0.0, header.white or 0.0) if _needs_scale(header) else (0.0, 0.0)
    if white > black:
        shares = (np.nan_to_num(stored.astype(np.float64)) - black) / (white - black)
        pixels = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    else:
        pixels = (stored >> (header.bits[0] - 8)).astype(np.uint8)
    if header.photometric == _WHITE_IS_ZERO:
        pixels[..., 0] = 255 - pixels[..., 0]
    colors = "RGB" if header.colors == 3 else "L"
    if header.alpha is None:
        channels, mode = pixels[..., : header.colors], colors
    else:
        channels, mode = pixels, colors + ("a" if header.alpha == _ASSOCIATED else "A")
    picture = Image.frombytes(mode, (header.width, header.height), np.ascontiguousarray(channels).tobytes())
    if "icc_profile" in image.info:
        picture.info["icc_profile"] = image.info["icc_profile"]
    return picture


@functools.cache
def silence_libtiff() -> None:
    """Warnings and errors of libtiff, which it would print to the terminal, go nowhere from here on.

    What matters of them is in what Pillow raises. libtiff has one handler for the whole process, so it is
    taken away once and for all: to do so around each picture, or to send the process' error stream elsewhere
    meanwhile, would swallow what other threads print. The library is the one that Pillow carries or is linked
    with; where it is linked statically (Windows) its functions cannot be found, and it goes on printing.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # without any, errors would be printed
    try:
        library = ctypes.CDLL(Image.core.__file__)
        for name in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
            function = getattr(library, name)
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            function(None)
    except (AttributeError, OSError, TypeError):
        return


def _needs_scale(header: TiffHeader) -> bool:
    return header.kind != _UNSIGNED or header.bits[0] > 16


def _scale_is_unknown(header: TiffHeader) -> bool:
    if not _needs_scale(header):
        return False
    black, white = header.black, header.white
    return header.alpha is not None or black is None or white is None or white <= black


def _samples(rows: UInt8[np.ndarray, "h b"], header: TiffHeader) -> Shaped[np.ndarray, "h w s"]:
    """The samples in the bytes of the rows."""
    bits, height = header.bits[0], header.height
    shape = (height, header.width, header.samples)
    if bits % 8:
        return _unpack(rows, header.width * header.samples, bits).reshape(shape)
    letter = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}[header.kind]
    stored = np.ascontiguousarray(rows).view(f"{header.directory.order}{letter}{bits // 8}").reshape(shape)
    if header.predictor == 1:
        return stored
    native = stored.astype(stored.dtype.newbyteorder("="))
    for left in range(0, header.width, header.tile_width):  # each sample is what it differs by from the last
        tile = native[:, left : left + header.tile_width]
        np.cumsum(tile, axis=1, dtype=native.dtype, out=tile)
    return native


def _unpack(rows: UInt8[np.ndarray, "h b"], count: int, bits: int) -> Shaped[np.ndarray, "h n"]:
    """The first `count` samples of 9 to 15 `bits` in each row, packed with the highest bit first.

    12 bits:  AAAAAAAA AAAABBBB BBBBBBBB      sample 1 begins in byte 1, 4 bits into it: it is the upper 12 of
              byte 0   byte 1   byte 2        the lower 20 bits of (byte 1, byte 2, byte 3)
    """
    begin = np.arange(count) * bits
    byte, shift = begin // 8, (24 - bits - begin % 8).astype(np.uint32)
    samples = np.empty((len(rows), count), np.uint16)
    for row, stored in enumerate(np.pad(rows, ((0, 0), (0, 2))).astype(np.uint32)):
        three = stored[byte] << 16 | stored[byte + 1] << 8 | stored[byte + 2]
        samples[row] = (three >> shift) & (2**bits - 1)
    return samples
