"""The size that a header states and the pixels that are decoded are turned by the same orientation."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin, features

from animate.codec import decode_still, still_size
from animate.codec.exif import orientation_of, turned_upright
from tests.support.pictures import SOURCE, difference, picture, saved
from tests.support.tiffs import exif_block, tiff

EXIF_ORIENTATION = 0x0112
HAS_AVIF = features.check("avif")
KINDS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "TIFF compressed", *(("AVIF",) if HAS_AVIF else ()))


def turned(kind: str, exif: Image.Exif | bytes) -> bytes:
    options = {"quality": 100, "subsampling": 0} if kind in ("JPEG", "MPO") else {}
    options = {"lossless": True} if kind == "WEBP" else options
    options = {"quality": 100} if kind == "AVIF" else options
    options = {"compression": "tiff_lzw"} if kind == "TIFF compressed" else options
    return saved(picture(), kind.split()[0], exif=exif, **options)


def orientation_seen(data: bytes) -> int:
    """The orientation by which `picture()` is turned; the stated size must follow it."""
    still = decode_still(data, SOURCE)
    assert still_size(data) == still.shape[1::-1] and still.flags.c_contiguous
    expected = {number: turned_upright(picture(), number) for number in range(1, 9)}
    return min(
        (number for number in expected if expected[number].shape == still.shape),
        key=lambda number: difference(still, np.ascontiguousarray(expected[number])),
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_turned_upright(kind, orientation):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = turned(kind, exif)
    image = Image.fromarray(picture())
    image.getexif()[EXIF_ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    still = decode_still(stored, SOURCE)
    assert difference(still, expected) < 1.5
    assert still.flags.c_contiguous
    assert still_size(stored) == still.shape[1::-1]


def jpeg(*segments: bytes, behind: bytes = b"") -> bytes:
    """The picture with APP1 `segments` in front, and another one `behind` the pixels."""
    plain = saved(picture(), "JPEG", quality=100, subsampling=0)
    written = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in segments)
    late = b"\xff\xe1" + struct.pack(">H", len(behind) + 2) + behind if behind else b""
    return plain[:2] + written + plain[2:-2] + late + plain[-2:]


def png(*, before: bytes = b"", behind: bytes = b"") -> bytes:
    """The picture with an eXIf chunk `before` its pixels and another one `behind` them."""
    plain = saved(picture(), "PNG")
    chunks = [
        struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
        if body
        else b""
        for body in (before, behind)
    ]
    first, last = plain.index(b"IDAT") - 4, plain.rindex(b"IEND") - 4
    return plain[:first] + chunks[0] + plain[first:last] + chunks[1] + plain[last:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("letter", ["B", "H", "I"])
def test_whole_numbers_of_any_width_say_the_orientation(letter, order):
    block = exif_block(6, letter, order)
    assert orientation_seen(jpeg(b"Exif\0\0" + block)) == 6
    assert orientation_seen(png(before=block)) == 6
    rows = picture().reshape(64, -1).tobytes()
    more = {0x0112: (letter, [6]), 258: ("H", [8] * 3), 262: ("H", [2]), 277: ("H", [3])}
    assert orientation_seen(tiff(rows, 96, 64, 8, order, more)) == 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_png_says_it_before_its_pixels_or_behind_them(orientation):
    assert orientation_seen(png(before=exif_block(orientation))) == orientation
    assert orientation_seen(png(behind=exif_block(orientation))) == orientation


def test_the_first_of_two_chunks_counts():
    assert orientation_seen(png(before=exif_block(3), behind=exif_block(6))) == 3


def test_the_rest_of_a_long_exif_block_takes_nothing_back():
    head = b"Exif\0\0" + exif_block(6)
    assert orientation_seen(jpeg(head, b"Exif\0\0" + bytes(200))) == 6
    assert orientation_seen(jpeg(b"http://ns.adobe.com/xap/1.0/\0<x/>", head)) == 6


def test_what_follows_the_pixels_of_a_jpeg_is_not_looked_at():
    assert orientation_seen(jpeg(behind=b"Exif\0\0" + exif_block(6))) == 1


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    "</rdf:RDF></x:xmpmeta>"
)


def test_xmp_and_text_chunks_turn_nothing():
    # As in Chromium and Firefox, which look at EXIF only.
    assert orientation_seen(jpeg(b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode())) == 1
    xmp, profile, app1 = (PngImagePlugin.PngInfo() for _ in range(3))
    xmp.add_itxt("XML:com.adobe.xmp", XMP)
    content = (b"Exif\0\0" + exif_block(6)).hex()
    profile.add_text("Raw profile type exif", f"\nexif\n{len(content) // 2:8}\n{content}\n", zip=True)
    app1.add_text("Raw profile type APP1", f"\ngeneric profile\n{len(content) // 2:8}\n{content}\n")
    for info in (xmp, profile, app1):
        assert orientation_seen(saved(picture(), "PNG", pnginfo=info)) == 1
    assert orientation_seen(saved(picture(), "WEBP", lossless=True, xmp=XMP.encode())) == 1
    assert orientation_seen(saved(picture(), "TIFF", tiffinfo={700: XMP.encode()})) == 1


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow does not read AVIF")
def test_an_avif_is_turned_once_and_by_what_the_container_says():
    stored = turned("AVIF", b"Exif\0\0" + exif_block(6))
    with Image.open(io.BytesIO(stored)) as image:
        assert image.size == (96, 64)  # the decoder leaves the turning to us
    assert orientation_seen(stored) == 6
    angle = stored.index(b"irot") + 4
    assert stored[angle] == 3
    # A container that turns nothing: what EXIF says is only information.
    assert orientation_seen(stored[:angle] + b"\0" + stored[angle + 1 :]) == 1


@pytest.mark.parametrize("orientations", [(1, 6), (6, 1), (8, 3)])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_the_first_page_of_a_tiff_has_its_own_orientation(orientations, compression):
    pages = []
    for orientation in orientations:
        page = Image.fromarray(picture())
        page.encoderinfo = {"tiffinfo": {EXIF_ORIENTATION: orientation}}
        pages.append(page)
    first, second = orientations
    stored = saved(
        pages[0],
        "TIFF",
        save_all=True,
        append_images=pages[1:],
        compression=compression,
        tiffinfo={EXIF_ORIENTATION: first},
    )
    with Image.open(io.BytesIO(stored)) as image:
        assert image.n_frames == 2
        image.seek(1)
        if image.getexif().get(EXIF_ORIENTATION, 1) != second:
            pytest.skip("this Pillow, as those before 11.2, gives every page the orientation of the first")
    assert orientation_seen(stored) == first


def test_a_second_picture_in_a_jpeg_does_not_turn_the_first():
    stored = turned("JPEG", b"Exif\0\0" + exif_block(1)) + turned("JPEG", b"Exif\0\0" + exif_block(6))
    assert orientation_seen(stored) == 1


@given(st.binary(max_size=60))
def test_a_broken_exif_block_states_no_orientation(noise):
    for order in (b"II*\0", b"MM\0*", b"II+\0"):
        assert orientation_of(b"Exif\0\0" + order + noise) in range(1, 9)
    assert orientation_of(noise[:8]) == 1
