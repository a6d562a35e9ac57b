"""Frames of the model's size, from the cache where nothing is drawn."""

from fractions import Fraction

import numpy as np

from retrieval.cache import Cache
from retrieval.datasets import Fitted, FrameReader
from retrieval.video import Sampler
from tests.support.clips import write_clip


def test_cached_frames_are_the_decoded_ones_and_follow_the_settings(tmp_path):
    path = write_clip(tmp_path / "a.mp4", range(20), Fraction(1, 10))
    cache = Cache(folder=tmp_path / "cache")

    def reader(size: int = 32, position: str = "middle", cache: Cache | None = cache) -> FrameReader:
        sampler = Sampler(num_frames=3, position=position)
        return FrameReader(sampler=sampler, size=size, decoder="pyav", cache=cache)

    def stored() -> int:
        return sum(path.is_file() for path in (tmp_path / "cache").rglob("*"))

    plain, first, again = (some.read(path, None) for some in (reader(cache=None), reader(), reader()))
    assert isinstance(plain, Fitted)
    for other in (first, again):
        assert isinstance(other, Fitted)
        np.testing.assert_array_equal(other.frames, plain.frames)
        np.testing.assert_array_equal(other.seconds, plain.seconds)
    assert stored() == 1
    reader(size=16).read(path, None)
    assert stored() == 2
    # What is drawn anew each time is not kept; what cannot be read is looked at again each time.
    reader(position="random").read(path, np.random.default_rng(0))
    reader().read(tmp_path / "none.mp4", None)
    reader().read(b"no video", None)
    assert stored() == 2
