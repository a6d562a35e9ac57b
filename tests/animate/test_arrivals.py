"""What comes in any order, put in order."""

import random

import pytest

from animate.arrivals import in_groups, in_order


def test_each_thing_leaves_as_soon_as_all_before_it_are_there():
    arrivals, left = iter([(0, "a"), (3, "d"), (1, "b"), (2, "c")]), []
    comes = in_order(arrivals)
    for _ in range(2):
        left.append(next(comes))
    assert list(arrivals) == [(2, "c")], "b left before c was asked for"
    assert left == ["a", "b"]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_is_put_in_order(seed):
    things = [(place, {"content": bytes([place % 256]) * (place % 50)}) for place in range(200)]
    random.Random(seed).shuffle(things)
    assert list(in_order(things)) == [thing for _, thing in sorted(things, key=lambda one: one[0])]


def test_a_place_that_never_comes_is_not_passed_over_in_silence():
    with pytest.raises(AssertionError, match="place 1 never came"):
        list(in_order([(0, "a"), (2, "c")]))


def test_groups_are_whole_neighbours():
    arrivals = [(0, "a"), (3, "d"), (1, "b"), (2, "c"), (4, "e")]
    assert list(in_groups(arrivals, 2)) == [(0, ["a", "b"]), (1, ["c", "d"]), (2, ["e"])]
