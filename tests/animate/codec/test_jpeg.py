"""JPEG: broken ones, smaller decodes, and those that are written here."""

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from animate.codec import (
    UndecodableImage,
    decode_jpeg,
    decode_still,
    encode_jpeg,
)
from animate.recipe import SourceRecipe
from tests.support.pictures import PHOTO, SOURCE, difference, picture, saved, status_of

EXIF_ORIENTATION = 0x0112


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_a_jpeg_cut_anywhere_is_truncated(progressive, closed):
    whole = saved(PHOTO, "JPEG", quality=90, progressive=progressive)
    scan = whole.index(b"\xff\xda")
    for cut in np.linspace(scan + 20, len(whole) - 30, 12).astype(int):
        # `closed`: somebody put an end marker behind what was left.
        status = status_of(whole[:cut] + (b"\xff\xd9" if closed else b""))
        assert status == "truncated" or (closed and status == "undecodable")


def test_stray_bytes_between_segments_do_no_harm():
    whole = saved(PHOTO, "JPEG", quality=90)
    tables = whole.index(b"\xff\xdb")
    stray = whole[:tables] + b"\0\0\0" + whole[tables:] + b"and more behind the end"
    assert difference(decode_still(stray, SOURCE), decode_still(whole, SOURCE)) < 0.5


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("at_least", "divisor"), [((200, 150), 1), ((160, 120), 2), ((80, 60), 4), ((81, 30), 2), ((1, 1), 8)]
)
def test_a_smaller_decode_is_the_full_one_averaged(orientation, at_least, divisor):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = saved(cv2.resize(PHOTO, (320, 240)), "JPEG", quality=95, exif=exif)
    width, height = at_least if orientation == 1 else at_least[::-1]
    full = decode_still(stored, SOURCE)
    small = decode_still(stored, SOURCE, at_least=(width, height))
    assert small.shape == (full.shape[0] // divisor, full.shape[1] // divisor, 3)
    averaged = cv2.resize(full, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert difference(small, averaged) < 2


def test_limits_are_those_of_the_full_size():
    stored = saved(picture(320, 240), "JPEG")
    limits = SourceRecipe(min_side=200, max_pixels=320 * 240)
    assert decode_still(stored, limits, at_least=(40, 30)).shape == (30, 40, 3)


def test_sides_that_do_not_divide_round_up():
    assert decode_still(saved(picture(101, 67), "JPEG"), SOURCE, at_least=(50, 33)).shape == (34, 51, 3)


def test_jpegs_have_halved_chroma_and_come_back():
    stored = encode_jpeg(PHOTO, 95)
    assert simplejpeg.decode_jpeg_header(stored)[2:] == ("YCbCr", "420")
    assert difference(decode_jpeg(encode_jpeg(picture(), 95)), picture()) < 2
    with pytest.raises(UndecodableImage):
        decode_jpeg(stored[: len(stored) // 2])
