"""The order of an epoch as a law: every clip once, takes of one still together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.order import epoch_order, pack


def order(stills: np.ndarray, seed: int = 0, *, together: int = 4, batch_size: int = 8) -> np.ndarray:
    return epoch_order(stills, np.random.default_rng(seed), together=together, batch_size=batch_size)


@given(
    stills=st.lists(st.integers(0, 12), max_size=60),
    together=st.integers(1, 9),
    batch_size=st.integers(2, 12),
    seed=st.integers(0, 99),
)
def test_every_clip_stands_in_an_epoch_once(stills, together, batch_size, seed):
    numbers = np.array(stills, dtype=np.int64)
    drawn = order(numbers, seed, together=together, batch_size=batch_size)
    assert sorted(drawn) == list(range(len(stills)))
    assert (drawn == order(numbers, seed, together=together, batch_size=batch_size)).all()


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=40),
    batch_size=st.integers(4, 12),
    seed=st.integers(0, 99),
)
def test_only_a_still_at_the_end_of_a_batch_stands_in_two(counts, batch_size, seed):
    stills = np.repeat(np.arange(len(counts)), counts)
    batches = np.arange(len(stills)) // batch_size
    drawn = stills[order(stills, seed, batch_size=batch_size)]
    cut = [still for still in range(len(counts)) if len(set(batches[drawn == still])) > 1]
    for still in cut:
        places = np.flatnonzero(drawn == still)
        assert places.max() - places.min() + 1 == len(places), "its takes are neighbours"
    assert len(cut) == len({batches[drawn == still].min() for still in cut}), "one a batch"


@pytest.mark.parametrize(("takes", "together", "runs"), [(4, 4, 4), (8, 4, 4), (3, 8, 3), (6, 2, 2)])
def test_takes_of_a_still_stand_in_batches_of_their_own(takes, together, runs):
    """24 stills; where runs go into batches without a rest, none is cut."""
    stills = np.repeat(np.arange(24), takes)
    drawn = stills[order(stills, together=together, batch_size=12)]
    for batch in drawn.reshape(-1, 12):
        assert (np.unique(batch, return_counts=True)[1] % runs == 0).all()


def test_stills_are_mixed_and_each_epoch_draws_other_takes():
    stills = np.repeat(np.arange(12), 6)
    first, second = order(stills, 0, together=3, batch_size=6), order(stills, 1, together=3, batch_size=6)
    assert (first != second).any()
    partners = [{frozenset(run) for run in drawn.reshape(-1, 3).tolist()} for drawn in (first, second)]
    assert len(partners[0] & partners[1]) < 12, "of 24"
    assert (stills[first].reshape(-1, 6)[:, 0] != stills[first].reshape(-1, 6)[:, 3]).any()


def test_one_together_is_the_plain_shuffle():
    stills = np.repeat(np.arange(5), 4)
    plain = np.random.default_rng(3).permutation(20)
    assert (order(stills, 3, together=1) == plain).all()


def test_runs_that_fit_come_first_and_one_is_cut_where_none_does():
    #       a  b  c  d  e
    runs = [0, 3, 6, 8, 9], [3, 3, 2, 1, 3]
    assert pack(*runs, 4) == [(0, 3), (8, 1), (3, 3), (6, 1), (7, 1), (9, 3)]
    assert runs == ([0, 3, 6, 8, 9], [3, 3, 2, 1, 3])
