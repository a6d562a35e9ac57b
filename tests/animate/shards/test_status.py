"""How far a build is, looked at while it is made."""

import os
import time

import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.shard import build_shard
from animate.shards.place import BuildRefused
from animate.shards.status import status
from cli.animate.status import _span
from tests.support.shard_sets import all_files, recipe_of


def test_a_build_is_looked_at_before_it_is_finished(tmp_path):
    def two_of_three(assignment, on_row=None):
        if assignment.shard.index == 2:
            raise KeyboardInterrupt
        if assignment.shard.index == 1:
            seen.append(status(str(tmp_path)))
        return build_shard(assignment, on_row)

    seen = []
    with pytest.raises(KeyboardInterrupt):
        build_shards(recipe_of("frames"), tmp_path, workforce=HERE, make_shard=two_of_three)
    [during] = seen
    assert (during.complete, during.shards_finished, during.shards_planned) == (False, 1, 3)
    assert during.seconds_left is None  # of one shard nobody can tell
    for number, ago in ((0, 100), (1, 40)):
        moment = time.time() - ago
        os.utime(tmp_path / f"0000{number}_stats.json", (moment, moment))
    before = all_files(tmp_path)
    after = status(str(tmp_path))
    assert (after.complete, after.shards_finished, after.in_hand) == (False, 2, 0)
    assert (after.inputs, after.inputs_planned, after.clips) == (8, 12, 8)
    assert after.seconds_a_shard == pytest.approx(60, abs=0.1)
    assert after.seconds_since == pytest.approx(40, abs=5)
    assert after.seconds_left == pytest.approx(60, abs=0.1)
    assert all_files(tmp_path) == before
    build_shards(recipe_of("frames"), tmp_path, workforce=HERE)
    assert status(str(tmp_path)).complete


def test_a_damaged_marker_is_named_and_does_not_count(tmp_path):
    build_shards(recipe_of("frames"), tmp_path, workforce=HERE)
    (tmp_path / "00001_stats.json").write_text("{")
    found = status(str(tmp_path))
    assert (found.damaged, found.shards_finished, found.complete) == (("00001",), 2, False)


@pytest.mark.parametrize("suffix", [".tar", ".parquet", "_stats.json"])
def test_a_set_of_which_a_file_went_away_is_finished_no_longer(tmp_path, suffix):
    """It was called finished, beside 2 of 3 shards."""
    build_shards(recipe_of("frames"), tmp_path, workforce=HERE)
    (tmp_path / f"00001{suffix}").unlink()
    found = status(str(tmp_path))
    assert (found.complete, found.shards_finished) == (False, 2)


def test_where_no_build_was_planned_there_is_none(tmp_path):
    with pytest.raises(BuildRefused, match="holds no shard set"):
        status(str(tmp_path))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (60, "0:01:00"), (36_610, "10:10:10")]
)
def test_spans_of_time(seconds, text):
    assert _span(seconds) == text
