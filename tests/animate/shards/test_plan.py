"""A plan is small however many shards it has, and is read as it was written."""

import json

import pytest

from animate.data import Part, ShardPlan
from animate.shards.place import PLAN, BuildRefused, Place
from animate.shards.plan import Plan, cut, read_plan, write_plan


def plan_of(*shards: ShardPlan) -> Plan:
    return Plan(recipe={}, source={"name": "table"}, shards=shards, columns={}, frozen_files={"a": "1"})


def test_a_hundred_thousand_shards_are_a_small_plan(tmp_path):
    parts = [Part(reader="urls", path=f"listing-{i:05d}.parquet", rows=1000) for i in range(100)]
    plan = plan_of(*cut(parts, 1))
    assert len(plan.shards) == 100_000
    write_plan(Place.at(tmp_path), plan)
    assert (tmp_path / PLAN).stat().st_size < 20_000
    assert read_plan(Place.at(tmp_path)) == plan


def test_shards_of_every_kind_are_read_as_they_were_written(tmp_path):
    """Parts of a known length and of none, a last shard that is shorter, and tries of what failed."""
    parts = [
        Part(reader="files", path="listing.parquet", rows=7),
        Part(reader="tar_stream", path="https://example.org/0.tar", rows=None),
        Part(reader="tar_stream", path="https://example.org/1.tar", rows=None),
    ]
    shards = list(cut(parts, 3))
    assert [(shard.start, shard.stop) for shard in shards] == [(0, 3), (3, 6), (6, 7), (0, None), (0, None)]
    again = Part(reader="urls", path="retry-001.parquet", rows=4)
    for start, stop, failed in ((0, 3, {"gone": 3}), (3, 4, {"download_timed_out": 1})):
        shards.append(ShardPlan(index=len(shards), part=again, start=start, stop=stop, again=failed))
    plan = plan_of(*shards)
    write_plan(Place.at(tmp_path), plan)
    assert read_plan(Place.at(tmp_path)) == plan


def test_the_plan_of_another_release_is_refused(tmp_path):
    write_plan(Place.at(tmp_path), plan_of(*cut([Part(reader="tar", path="0.tar", rows=1)], 1)))
    table = json.loads((tmp_path / PLAN).read_text())
    (tmp_path / PLAN).write_text(json.dumps({**table, "version": 2}))
    with pytest.raises(BuildRefused, match="has version 2, not 3: another release of animate made it"):
        read_plan(Place.at(tmp_path))
