"""Which frames a sampler chooses, held against the frames that are shown at its moments."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.video import (
    SAMPLERS,
    Sampler,
)
from tests.support.reading import shown_at

timelines = st.lists(st.integers(1, 50), min_size=1, max_size=40).map(
    lambda gaps: (np.cumsum([0, *gaps[:-1]]), int(np.sum(gaps)))
)


@given(times=timelines, num_frames=st.integers(1, 20))
def test_middle_of_segments_is_what_is_shown_then(times, num_frames):
    starts, end = times
    chosen = Sampler(num_frames=num_frames).choose(starts, end, Fraction(1, 10), None)
    moments = [Fraction(end * (2 * i + 1), 2 * num_frames) for i in range(num_frames)]
    assert chosen.tolist() == shown_at(moments, starts.tolist())


@given(times=timelines, num_frames=st.integers(1, 20), seed=st.integers(0, 100))
def test_random_position_takes_each_frame_from_its_own_segment(times, num_frames, seed):
    starts, end = times
    sampler = Sampler(num_frames=num_frames, position="random")
    chosen = sampler.choose(starts, end, Fraction(1), np.random.default_rng(seed))
    again = sampler.choose(starts, end, Fraction(1), np.random.default_rng(seed))
    ends = np.append(starts[1:], end)
    for i in range(num_frames):
        inside = (starts[chosen] < end * (i + 1) / num_frames) & (ends[chosen] >= end * i / num_frames)
        assert inside.any()
    assert chosen.tolist() == again.tolist()


@given(times=timelines, num_frames=st.integers(1, 20), tick=st.fractions("1/90", 2, max_denominator=90))
def test_one_a_second_then_evenly_spread(times, num_frames, tick):
    starts, end = times
    chosen = Sampler(name="one_fps_then_uniform", num_frames=num_frames).choose(starts, end, tick, None)
    seconds, moment = [], 0
    while moment < end * tick:
        seconds.append(Fraction(moment))
        moment += 1
    each_second = shown_at(seconds, [start * tick for start in starts.tolist()])
    assert len(chosen) == min(num_frames, len(each_second))
    assert set(chosen.tolist()) <= set(each_second)
    if num_frames > 1:
        assert (chosen[0], chosen[-1]) == (each_second[0], each_second[-1])


def test_samplers_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match=f"sampler = 'best': must be one of {', '.join(SAMPLERS)}"):
        Sampler(name="best")
    with pytest.raises(ValueError, match="num_frames = 0"):
        Sampler(num_frames=0)
    with pytest.raises(ValueError, match="position = 'end'"):
        Sampler(position="end")
    with pytest.raises(ValueError, match="needs a generator"):
        Sampler(position="random").choose(np.arange(3), 3, Fraction(1), None)
