"""What a clip's pixels are in each format, and back."""

import numpy as np
import pytest

from animate.codec import decode_jpeg, decode_mp4
from animate.formats import WRITERS, media_suffixes, stored_frames
from animate.recipe import Format, VideoRecipe


def frames(num_frames: int) -> np.ndarray:
    ramp = np.linspace(20, 230, 64, dtype=np.uint8)
    return np.stack([np.dstack([ramp[None].repeat(48, 0)] * 3) // (1 + i % 3) for i in range(num_frames)])


VIDEO = VideoRecipe(size=(64, 48), num_frames=6, fps=3, jpeg_quality=95, crf=12)


def test_mp4_stores_the_film_and_its_middle_frame():
    members = WRITERS["mp4"](b"still", frames(6), VIDEO)
    assert sorted(members) == ["jpg", "mp4"]
    assert decode_mp4(members["mp4"]).shape == (6, 48, 64, 3)
    assert np.abs(decode_jpeg(members["jpg"]).astype(int) - frames(6)[3]).mean() < 2


@pytest.mark.parametrize(
    ("num_frames", "last"), [(1, "00.jpg"), (12, "11.jpg"), (100, "99.jpg"), (101, "100.jpg")]
)
def test_frames_are_numbered_so_that_they_sort(num_frames, last):
    members = WRITERS["frames"](b"still", frames(num_frames), VIDEO)
    assert len(members) == num_frames
    assert list(members) == sorted(members) and list(members)[-1] == last
    assert np.abs(decode_jpeg(members[last]).astype(int) - frames(num_frames)[-1]).mean() < 2


def test_virtual_stores_the_still_untouched():
    assert WRITERS["virtual"](b"any bytes at all", None, VIDEO) == {"jpg": b"any bytes at all"}


@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_a_format_has_the_members_that_it_says(format: Format):
    video = VideoRecipe(size=(64, 48), num_frames=6, fps=3, format=format)
    members = WRITERS[format](b"still", frames(6), video)
    assert sorted(members) == media_suffixes(video)
    stored = stored_frames(members)
    assert stored is None if format == "virtual" else np.shape(stored) == (6, 48, 64, 3)
