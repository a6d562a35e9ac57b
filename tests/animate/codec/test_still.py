"""Laws of stills: what each format decodes to, and what is refused and why."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, features

from animate.codec import (
    UndecodableImage,
    decode_still,
)
from animate.recipe import SourceRecipe
from tests.support.pictures import PHOTO, SOURCE, difference, picture, saved, status_of

#: Not in pillow-simd, which is a fork of an older Pillow.
HAS_AVIF = features.check("avif")


LOSSLESS = {
    "png": lambda image: saved(image, "PNG"),
    "bmp": lambda image: saved(image, "BMP"),
    "tiff": lambda image: saved(image, "TIFF"),
    "tiff lzw": lambda image: saved(image, "TIFF", compression="tiff_lzw"),
    "ppm": lambda image: saved(image, "PPM"),
    "webp": lambda image: saved(image, "WEBP", lossless=True),
    "jpeg 2000": lambda image: saved(image, "JPEG2000"),
}


LOSSY = {
    "jpeg": lambda image: saved(image, "JPEG", quality=95),
    "progressive jpeg": lambda image: saved(image, "JPEG", quality=95, progressive=True),
    "jpeg 4:4:4": lambda image: saved(image, "JPEG", quality=95, subsampling=0),
    "jpeg with restarts": lambda image: saved(image, "JPEG", quality=95, restart_marker_rows=1),
    "jpeg stored as rgb": lambda image: saved(image, "JPEG", quality=95, keep_rgb=True),
    "mpo": lambda image: saved(
        image, "MPO", quality=95, save_all=True, append_images=[ImageOps.invert(Image.fromarray(image))]
    ),
    "webp": lambda image: saved(image, "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_every_pixel(kind):
    still = decode_still(LOSSLESS[kind](picture()), SOURCE)
    assert still.flags.c_contiguous
    assert np.array_equal(still, picture())


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_formats_give_the_picture(kind):
    still = decode_still(LOSSY[kind](picture()), SOURCE)
    assert still.flags.c_contiguous
    assert difference(still, picture()) < 2.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_greyscale_becomes_three_equal_channels(kind):
    grey = Image.fromarray(picture()).convert("L")
    still = decode_still(saved(grey, kind, quality=95) if kind != "PNG" else saved(grey, kind), SOURCE)
    assert (still == still[..., :1]).all()
    assert difference(still[..., 0], np.asarray(grey)) < 2


@pytest.mark.parametrize(
    ("inks", "color"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((255, 255, 0, 0), (0, 0, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 128), (127, 127, 127)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_gives_the_colours_that_its_inks_print(kind, inks, color):
    stored = saved(Image.new("CMYK", (64, 48), inks), kind, quality=95)
    assert np.abs(decode_still(stored, SOURCE).astype(int) - color).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes_are_looked_up(kind):
    flat = Image.fromarray(picture()).quantize(64)
    assert np.array_equal(decode_still(saved(flat, kind), SOURCE), np.asarray(flat.convert("RGB")))


def test_two_tone_pictures_are_black_and_white():
    bits = Image.fromarray(picture()).convert("1")
    assert np.array_equal(decode_still(saved(bits, "PNG"), SOURCE), np.asarray(bits.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("background", [(255, 255, 255), (255, 0, 64)])
def test_alpha_is_laid_over_the_background_of_the_recipe(kind, background):
    alpha = np.linspace(0, 255, 96, dtype=np.uint8)[None, :].repeat(64, axis=0)
    image = Image.fromarray(np.dstack([picture(), alpha]))
    stored = saved(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    share = alpha[..., None] / 255
    expected = picture() * share + np.array(background) * (1 - share)
    still = decode_still(stored, SourceRecipe(min_side=16, background=background))
    assert np.abs(still - expected).max() <= 1.01


def test_alpha_beside_grey_and_in_a_palette_counts_too():
    grey_alpha = Image.merge("LA", [Image.new("L", (64, 48), 10), Image.new("L", (64, 48), 0)])
    assert (decode_still(saved(grey_alpha, "PNG"), SOURCE) == 255).all()
    palette = Image.new("P", (64, 48), 3)
    palette.putpalette([9] * 768)
    assert (decode_still(saved(palette, "PNG", transparency=3), SOURCE) == 255).all()
    assert (decode_still(saved(palette, "GIF", transparency=3), SOURCE) == 255).all()
    keyed = Image.new("RGB", (64, 48), (1, 2, 3))
    assert (decode_still(saved(keyed, "PNG", transparency=(1, 2, 3)), SOURCE) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind):
    first, second = Image.new("RGB", (64, 48), (255, 0, 0)), Image.new("RGB", (64, 48), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = saved(first, kind, save_all=True, append_images=[second], duration=100, **options)
    with Image.open(io.BytesIO(stored)) as image:
        assert image.n_frames == 2
    assert (decode_still(stored, SOURCE) == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", "empty_file"),
        (b"<html><body>404</body></html>", "not_an_image"),
        (b"\xff", "not_an_image"),
        (b"BM, the initials of a text", "not_an_image"),
        (b"\0\0\0\x20ftypisom" + bytes(32), "not_an_image"),
        (b"%PDF-1.7\n", "not_an_image"),
        (b"\0\0\0\x20ftypheic" + bytes(32), "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x05rubbish" * 9 + b"IEND\xaeB`\x82", "undecodable"),
        (b"GIF89a" + bytes(4), "undecodable"),
        (b"\xff\xd8\xff\xe0", "truncated"),
    ],
)
def test_what_is_no_picture_says_why(data, status):
    assert status_of(data) == status


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_cut_anywhere_are_whole_or_refused(kind):
    whole = saved(PHOTO, kind)
    pixels = decode_still(whole, SOURCE)
    seen = set()
    for cut in np.linspace(26, len(whole) - 1, 25).astype(int):
        try:
            assert np.array_equal(decode_still(whole[:cut], SOURCE), pixels)
        except UndecodableImage as error:
            seen.add(error.fault.status)
    assert seen <= {"truncated", "undecodable"}
    assert status_of(whole[: len(whole) // 2]) == "truncated"


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"no picture at all")
    return header + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def test_too_many_pixels_are_refused_before_they_are_decoded():
    # Neither holds pixels: a decoder that was asked for them would find the picture broken.
    assert status_of(png_header(60_000, 60_000)) == "too_many_pixels"
    jpeg = bytearray(saved(picture(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    assert status_of(bytes(jpeg)) == "too_many_pixels"
    assert status_of(png_header(20_000, 20_000), SourceRecipe(max_pixels=500_000_000)) != "too_many_pixels"


def test_the_limit_on_pixels_is_exact_and_leaves_pillows_own_alone():
    before = Image.MAX_IMAGE_PIXELS
    for kind in ("JPEG", "PNG"):
        stored = saved(picture(), kind)
        assert decode_still(stored, SourceRecipe(min_side=16, max_pixels=96 * 64)).shape == (64, 96, 3)
        assert status_of(stored, SourceRecipe(min_side=16, max_pixels=96 * 64 - 1)) == "too_many_pixels"
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_small_and_narrow_pictures_are_refused(kind):
    assert status_of(saved(picture(96, 63), kind), SourceRecipe(min_side=64)) == "too_small"
    assert decode_still(saved(picture(96, 64), kind), SourceRecipe(min_side=64)).shape == (64, 96, 3)
    narrow = SourceRecipe(min_side=16, max_aspect=2.0)
    assert status_of(saved(picture(129, 64), kind), narrow) == "aspect_ratio"
    assert status_of(saved(picture(64, 129), kind), narrow) == "aspect_ratio"
    assert decode_still(saved(picture(128, 64), kind), narrow).shape == (64, 128, 3)


FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", *(("AVIF",) if HAS_AVIF else ()))


STORED = {kind: saved(picture(48, 40), kind) for kind in FORMATS}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    seed=st.integers(0, 2**32 - 1),
)
def test_damaged_bytes_are_a_picture_or_a_reason(kind, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(STORED[kind])
    for at in rng.integers(0, len(data), int(rng.integers(1, 12))):
        data[at] = rng.integers(256)
    still = None
    with contextlib.suppress(UndecodableImage):  # anything else that is raised fails the test
        still = decode_still(bytes(data), SourceRecipe(min_side=1, max_pixels=10**6, max_aspect=1e6))
    assert still is None or (still.dtype == np.uint8 and still.ndim == 3 and still.shape[2] == 3)
