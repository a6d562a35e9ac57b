"""What a shard set holds, as numbers and as plots."""

import pytest

from animate.build import build_shards
from animate.codec import decode_still
from animate.executor import HERE
from animate.recipe import SourceRecipe, read_recipe
from animate.shards.read import NoShards
from animate.shards.stats import plot, stats

SMALL = ["video.size=64", "video.num_frames=4", "takes=2", "source.name=demo"]


def test_stats_count_every_row_and_plot(tmp_path):
    report = build_shards(read_recipe(None, SMALL), tmp_path, workforce=HERE)
    found = stats(str(tmp_path))
    assert sum(found.statuses.values()) == report.inputs
    assert found.statuses["success"] == report.clips
    assert found.looked_at == report.clips
    assert {len(values) for values in found.measures.values()} == {report.clips}
    assert sum(found.components.values()) >= report.clips
    assert all(0 < area <= 1 for area in found.measures["smallest view area"])
    assert decode_still(plot(found), SourceRecipe()).shape == (1200, 1280, 3)


def test_stats_of_nothing_is_an_error(tmp_path):
    with pytest.raises(NoShards):
        stats(str(tmp_path))
