"""Pictures as they are meant to be seen: upright, with square pixels, at the model's size."""

from fractions import Fraction

import numpy as np
import pytest

from retrieval.video import (
    Sampler,
    fit,
    read_video,
)
from retrieval.video.geometry import resized, square_pixels, upright
from tests.support.clips import read_numbers, set_matrix, write_clip
from tests.support.reading import clip_of, torchcodec_or_skip

TURNS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("turn", TURNS)
def test_each_pixel_goes_where_the_matrix_sends_it(turn):
    a, b, c, d = turn
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    sent = {(a * p + c * q, b * p + d * q): image[q, p] for q in range(2) for p in range(3)}
    left, top = min(x for x, _ in sent), min(y for _, y in sent)
    seen = upright(image, np.array([[a, b, 0], [c, d, 0], [0, 0, 1]], np.int32) << 16)
    assert seen.shape == ((2, 3, 3) if a else (3, 2, 3))
    for (x, y), pixel in sent.items():
        np.testing.assert_array_equal(seen[y - top, x - left], pixel)


@pytest.mark.parametrize("turn", [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0), (-1, 0, 0, 1)])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_frames_are_upright(tmp_path, turn, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    a, b, c, d = turn
    back = np.array([[a, c, 0], [b, d, 0], [0, 0, 1]], np.int32)  # a turn's transpose is its inverse
    path = tmp_path / "a.mp4"
    write_clip(
        path, range(30), Fraction(1, 30), stored=lambda image: upright(image, back), offset=300, b_frames=0
    )
    set_matrix(path, *turn)
    clip = clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder))
    assert read_numbers(clip.frames) == [305, 315, 325]


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(12, 11), Fraction(1, 2)])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
@pytest.mark.parametrize("turned", [False, True])
def test_pixels_become_square_and_none_is_lost(tmp_path, aspect, decoder, turned):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    path = tmp_path / "a.mp4"
    write_clip(path, range(30), Fraction(1, 30), size=(64, 96), pixel_aspect=aspect)
    height, width = (64, round(96 * aspect)) if aspect > 1 else (round(64 / aspect), 96)
    if turned:
        set_matrix(path, 0, -1, 1, 0)
        height, width = width, height
    clip = clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder))
    assert clip.frames.shape == (3, height, width, 3)
    if not turned:
        assert read_numbers(clip.frames) == [5, 15, 25]


def test_a_senseless_pixel_aspect_is_not_believed():
    image = np.zeros((64, 96, 3), np.uint8)
    for aspect in (Fraction(1, 1000), Fraction(1000)):
        assert square_pixels(image, aspect).shape == image.shape


def test_shrinking_takes_all_pixels_into_account():
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resized(stripes, 16, 32) == 100).all()


def test_fit_keeps_the_centre_and_the_shorter_side():
    image = np.zeros((1, 40, 120, 3), np.uint8)
    image[:, :, 40:80] = (255, 128, 0)
    fitted = fit(image, 32)
    assert fitted.shape == (1, 3, 32, 32)
    assert fitted[0, :, 16, 16].tolist() == [255, 128, 0]
    assert (fitted[0, 0, :, 3:-3] > 240).all()
    np.testing.assert_array_equal(fit(fitted.transpose(0, 2, 3, 1), 32), fitted)
