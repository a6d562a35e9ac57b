"""Embedded profiles are converted to sRGB."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from animate.codec import decode_still
from animate.codec.color import CurvesAndMatrix, convert_pixels, transform_to_srgb
from tests.support.pictures import SOURCE, difference, picture, saved


def swapped_profile() -> bytes:
    """An sRGB profile under another name, whose red and blue are exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        while (at := profile.find(name)) >= 0:
            profile[at : at + len(name)] = name.replace(b"s", b"x")
    count = struct.unpack_from(">I", profile, 128)[0]
    for entry in range(count):
        at = 132 + 12 * entry
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_embedded_profile_is_converted_to_srgb(kind):
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    options = {"lossless": True} if kind == "WEBP" else options
    plain = decode_still(saved(picture(), kind, **options), SOURCE)
    marked = decode_still(saved(picture(), kind, icc_profile=swapped_profile(), **options), SOURCE)
    assert difference(np.ascontiguousarray(marked[..., ::-1]), plain) < 1.5


def test_an_srgb_profile_and_a_broken_one_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode_still(saved(picture(), "JPEG"), SOURCE)
    for profile in (srgb, b"rubbish" * 40):
        assert np.array_equal(decode_still(saved(picture(), "JPEG", icc_profile=profile), SOURCE), plain)


def with_curves(curve: bytes) -> bytes:
    """The sRGB profile under another name, its three tone curves replaced by `curve`."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        profile = profile.replace(name, name.replace(b"s", b"x"))
    [number] = struct.unpack_from(">I", profile, 128)
    for entry in range(132, 132 + 12 * number, 12):
        if profile[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            struct.pack_into(">II", profile, entry + 4, len(profile), len(curve))
    profile += curve
    struct.pack_into(">I", profile, 0, len(profile))
    return bytes(profile)


def parametric(form: int, *numbers: float) -> bytes:
    fixed = [round(number * 65536) for number in numbers]
    return b"para" + bytes(4) + struct.pack(f">HH{len(fixed)}i", form, 0, *fixed)


def table(*values: int) -> bytes:
    content = b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)
    return content + bytes(-len(content) % 4)


@pytest.mark.parametrize(
    "curve",
    [
        table(),
        table(round(2.2 * 256)),
        table(*(round(65535 * (i / 1023) ** 1.8) for i in range(1024))),
        table(0, 9000, 65535),
        parametric(0, 2.2),
        parametric(1, 2.4, 1.1, -0.1),
        parametric(2, 2.0, 1.05, -0.05, 0.0),
        parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
        parametric(4, 2.2, 0.95, 0.05, 0.1, 0.05, 0.0, 0.0),
    ],
    ids=["linear", "gamma", "table", "three", "para0", "para1", "para2", "para3", "para4"],
)
def test_curves_and_a_matrix_give_what_lcms_gives(curve):
    profile = with_curves(curve)
    transform = transform_to_srgb(profile, "RGB")
    assert isinstance(transform, CurvesAndMatrix)
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    source = ImageCms.getOpenProfile(io.BytesIO(profile))
    lcms = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    expected = np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), lcms)).astype(int)
    difference = np.abs(convert_pixels(pixels, transform) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.05


@pytest.mark.parametrize(
    "curve",
    [
        b"",
        b"para",
        b"curv\0\0\0\0\xff\xff\xff\xff",
        parametric(9, 1.0),
        parametric(1, 2.0, 0, 0),
        parametric(1, 2.4, 0.9, 0.1),  # a black that is not black: lcms makes it so
    ],
)
def test_a_curve_that_is_none_is_left_to_lcms(curve):
    assert not isinstance(transform_to_srgb(with_curves(curve), "RGB"), CurvesAndMatrix)
