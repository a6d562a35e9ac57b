"""Embedded profiles are converted to sRGB."""

import struct

import numpy as np
import pytest
from PIL import ImageCms

from animate.codec import (
    decode_still,
)
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
