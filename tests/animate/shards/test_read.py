"""Finished shards are found and read again, wherever they lie."""

import fsspec
import pytest

import animate
from animate.data import Clip
from animate.shards.place import Place
from animate.shards.plan import read_plan
from animate.shards.read import NoShards, find_tars, finished_shards, read_marker, read_table, stored_rows
from tests.support.shard_sets import build_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_set(tmp_path_factory.mktemp("sets") / "mp4", "mp4")


def test_shards_are_found_by_folder_pattern_list_and_url(folder):
    names = [str(folder / f"{i:05d}.tar") for i in range(3)]
    assert find_tars(folder) == find_tars(str(folder)) == find_tars(f"{folder}/") == names
    assert find_tars(str(folder / "{00000..00002}.tar")) == names
    assert find_tars([names[2], names[0]]) == [names[2], names[0]]
    assert [name.removeprefix("file://") for name in find_tars(f"{folder}/*.tar")] == names
    store = fsspec.filesystem("memory")
    try:
        store.put(f"{folder}/", "/loaded/", recursive=True)
        assert len(find_tars("memory://loaded")) == 3
        urls = ["memory://loaded", "memory://loaded/{00000..00002}.tar", "memory://loaded/*.tar"]
        for url in urls:
            keys = [clip["key"] for clip in animate.load_clips(url)]
            assert keys == [clip["key"] for clip in animate.load_clips(folder)]
    finally:
        store.rm("/loaded", recursive=True)


def test_where_there_are_no_shards_is_said(tmp_path):
    for urls in (tmp_path, tmp_path / "none.tar", f"{tmp_path}/*.tar", [f"{tmp_path}/{{0..1}}.tar"]):
        with pytest.raises(NoShards, match=str(tmp_path)):
            find_tars(urls)


def test_a_set_reads_as_it_was_written(folder):
    place, plan = Place.at(folder), read_plan(Place.at(folder))
    assert plan is not None
    assert finished_shards(place) == ["00000", "00001", "00002"]
    for name in finished_shards(place):
        record, table = read_marker(place, name), read_table(place, name)
        assert record is not None
        rows = list(stored_rows(place, name, plan.columns))
        assert len(rows) == len(table) == record.inputs
        assert sum(isinstance(row, Clip) for _, row in rows) == record.clips
        assert [take.key for take, _ in rows] == table["key"].to_pylist()


def test_a_marker_that_says_something_else_is_no_marker(tmp_path):
    (tmp_path / "00000_stats.json").write_text('{"name": "00000"}')
    with pytest.raises(ValueError, match="no marker"):
        read_marker(Place.at(tmp_path), "00000")
    assert read_marker(Place.at(tmp_path), "00001") is None
