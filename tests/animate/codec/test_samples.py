"""Samples that are not 8 bits of grey or colour: which of their values is black, and which white."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from animate.codec import decode_still, still_size
from animate.recipe import SourceRecipe
from tests.support.pictures import SOURCE, picture, saved, status_of
from tests.support.tiffs import packed, tiff

#: 48 x 64 samples as shares of white, from black at the left to white at the right.
RAMP = np.linspace(0, 1, 48)[None, :].repeat(64, axis=0)
WHITE_IS_ZERO = {262: ("H", [0])}


def ramp(bits: int) -> np.ndarray:
    return np.rint(RAMP * (2**bits - 1)).astype(np.int64)


def grey(data: bytes, **options) -> np.ndarray:
    still = decode_still(data, SourceRecipe(min_side=16, **options))
    assert (still == still[..., :1]).all() and still_size(data) == still.shape[1::-1]
    return still[..., 0].astype(int)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_the_high_byte(suffix, channels):
    wide = picture().astype(np.uint16) * 256 + 77
    wide = wide[..., 0] if channels == 1 else wide
    stored = cv2.imencode(suffix, wide if channels == 1 else wide[..., ::-1])[1].tobytes()
    still = decode_still(stored, SOURCE)
    expected = picture() if channels == 3 else np.repeat(picture()[..., :1], 3, axis=2)
    assert np.array_equal(still, expected)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, *range(9, 17)])
def test_grey_of_any_number_of_bits_keeps_its_highest_8(bits, inverted, order):
    samples = ramp(bits)
    stored = 2**bits - 1 - samples if inverted else samples
    rows = stored.astype(f"{order}u2").tobytes() if bits == 16 else packed(stored, bits)
    data = tiff(rows, 48, 64, bits, order, WHITE_IS_ZERO if inverted else {})
    expected = samples >> (bits - 8) if bits > 8 else samples * 255 // (2**bits - 1)
    assert np.array_equal(grey(data), expected)


@pytest.mark.parametrize("width", [33, 34, 35])
def test_packed_rows_end_at_whole_bytes(width):
    samples = np.random.default_rng(0).integers(0, 4096, (20, width))
    assert np.array_equal(grey(tiff(packed(samples, 12), width, 20, 12)), samples >> 4)


def test_packed_colours_keep_their_highest_8_bits():
    samples = picture(40, 30).astype(np.int64) * 16 + 9
    more = {258: ("H", [12] * 3), 262: ("H", [2]), 277: ("H", [3])}
    data = tiff(packed(samples.reshape(30, 120), 12), 40, 30, 12, more=more)
    assert np.array_equal(decode_still(data, SOURCE), picture(40, 30))


@pytest.mark.parametrize("compression", [5, 8, 32773])
@pytest.mark.parametrize("predictor", [1, 2])
def test_compressed_samples_are_the_same(compression, predictor):
    if compression == 32773 and predictor == 2:
        pytest.skip("PackBits has no predictor")
    white_is_zero = 65535 - ramp(16).astype(np.uint16)
    image = Image.fromarray(white_is_zero)
    names = {5: "tiff_lzw", 8: "tiff_adobe_deflate", 32773: "packbits"}
    info = {317: predictor} if predictor == 2 else {}
    stored = bytearray(saved(image, "TIFF", compression=names[compression], tiffinfo=info))
    at = stored.index(struct.pack("<HHIH", 262, 3, 1, 1))
    stored[at + 8] = 0  # the photometric interpretation: white is 0
    assert np.array_equal(grey(bytes(stored)), ramp(16) >> 8)


def test_tiles_are_unpacked_too():
    samples = np.random.default_rng(0).integers(0, 1024, (32, 32))
    tiles = [packed(samples[y : y + 16, x : x + 16], 10) for y in (0, 16) for x in (0, 16)]
    size = len(tiles[0])
    more = {
        322: ("I", [16]),
        323: ("I", [16]),
        324: ("I", [8 + size * i for i in range(4)]),
        325: ("I", [size] * 4),
    }
    data = tiff(b"".join(tiles), 32, 32, 10, more=more)
    # Tiles take the place of strips: those tags go under private numbers.
    for strips in (273, 278, 279):
        data = data.replace(
            struct.pack("<HHI", strips, 4, 1), struct.pack("<HHI", 65000 + strips % 100, 4, 1)
        )
    assert np.array_equal(grey(data), samples >> 2)


def test_alpha_beside_16_bits_of_grey_is_laid_over_the_background():
    alpha = np.where(RAMP > 0.5, 65535, 0)
    both = np.dstack([ramp(16), alpha]).astype("<u2")
    more = {258: ("H", [16, 16]), 277: ("H", [2]), 338: ("H", [2])}
    still = grey(tiff(both.tobytes(), 48, 64, 16, more=more), background=(9, 9, 9))
    assert np.array_equal(still, np.where(alpha, ramp(16) >> 8, 9))


@pytest.mark.parametrize("letter", ["f2", "f4", "f8", "i2", "i4", "u4"])
def test_numbers_are_scaled_by_the_limits_that_are_stated(letter):
    low, high = (-3, 5) if letter[0] == "f" else (100, 30_000)
    samples = (low + RAMP * (high - low)).astype(f"<{letter}")
    format = {"u": 1, "i": 2, "f": 3}[letter[0]]
    limits = {340: ("d", [low]), 341: ("d", [high])}
    bits = samples.itemsize * 8
    data = tiff(samples.tobytes(), 48, 64, bits, more={339: ("H", [format]), **limits})
    assert np.abs(grey(data) - RAMP * 255).max() <= 1
    assert (
        status_of(tiff(samples.tobytes(), 48, 64, bits, more={339: ("H", [format])})) == "unsupported_format"
    )


def test_samples_without_a_stated_white_are_refused():
    floats = Image.fromarray(np.ones((32, 32), np.float32))
    assert status_of(saved(floats, "TIFF")) == "unsupported_format"
    wide = Image.fromarray(np.full((32, 32), 100_000, np.int32))
    assert status_of(saved(wide, "TIFF")) == "unsupported_format"


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_tiff_of_wide_samples_that_is_cut_short_is_truncated(bits):
    rows = packed(ramp(bits), bits)
    tags = {262: ("H", [0])}
    whole = tiff(rows, 48, 64, bits, ">", tags)
    start = 8 + len(rows)
    # The directory in front, so that the end of the file is the end of the pixels.
    moved = bytearray(whole[:4] + struct.pack(">I", 8) + whole[start:])
    at = moved.index(struct.pack(">HHII", 273, 4, 1, 8))
    moved[at + 8 : at + 12] = struct.pack(">I", len(moved))
    assert np.array_equal(grey(bytes(moved) + rows), grey(whole))
    assert status_of(bytes(moved) + rows[:-100]) == "truncated"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(rows: np.ndarray, bits: int, color_type: int, width: int, key: tuple[int, ...]) -> bytes:
    """A PNG of `rows` of bytes whose colour `key` is transparent."""
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, len(rows), bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_that_of_its_stored_samples(bits):
    samples = ramp(bits)
    key = int(samples[0, 40])
    rows = (
        samples.astype(">u2").view(np.uint8) if bits == 16 else np.frombuffer(packed(samples, bits), np.uint8)
    )
    data = png(rows.reshape(64, -1), bits, 0, 48, (key,))
    expected = samples >> 8 if bits == 16 else samples * 255 // (2**bits - 1)
    assert np.array_equal(grey(data, background=(7, 7, 7)), np.where(samples == key, 7, expected))


def test_the_transparent_colour_of_16_bits_is_compared_in_all_of_them():
    samples = np.full((20, 32, 3), (0x1234, 0x5678, 0x9ABC))
    samples[:, 16:, 0] += 1  # the same high bytes, and not transparent
    rows = samples.astype(">u2").view(np.uint8).reshape(20, -1)
    still = decode_still(png(rows, 16, 2, 32, (0x1234, 0x5678, 0x9ABC)), SOURCE)
    assert (still[:, :16] == 255).all() and (still[:, 16:] == (0x12, 0x56, 0x9A)).all()


NOISY = """
import sys
from animate.codec import UndecodableImage, decode_still
from animate.recipe import SourceRecipe
for path in sys.argv[1:]:
    try:
        decode_still(open(path, "rb").read(), SourceRecipe(min_side=16))
    except UndecodableImage as error:
        print(error)
print("done", file=sys.stderr)
"""


def test_libtiff_prints_nothing(tmp_path):
    with io.BytesIO() as stream:
        Image.fromarray(picture()).save(stream, "TIFF", compression="tiff_lzw", tiffinfo={65001: "private"})
        whole = stream.getvalue()
    bits = saved(Image.fromarray(picture()).convert("1"), "TIFF", compression="group4")
    middle = len(bits) // 3
    damaged = bits[:middle] + b"\xff\0\xff" + bits[middle + 3 :]
    for name, data in (("private.tif", whole), ("cut.tif", whole[:2000] + bytes(len(whole) - 2000))):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "damaged.tif").write_bytes(damaged)
    told = subprocess.run(
        [sys.executable, "-c", NOISY, *map(str, sorted(tmp_path.iterdir()))],
        env=dict(os.environ),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stderr == "done\n"  # what the process itself prints is still there
