"""What a page knows of a set is what its shards hold."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from animate.inspect.catalogue import read_catalogue
from animate.inspect.opened import NoClip, find_clip, open_set, read_clip
from animate.inspect.page import known_table
from animate.inspect.pictures import grid_of
from animate.load import load_clips
from animate.shards.read import NoShards
from animate.shards.stats import stats
from tests.support.shard_sets import build_set

FORMATS = ("mp4", "frames", "virtual")


@pytest.mark.parametrize("format", FORMATS)
def test_every_clip_is_there_as_it_is_read_back(demo_set, catalogue_of, format):
    folder = demo_set(format)
    catalogue = catalogue_of(folder)
    loaded = list(load_clips(folder))
    assert [clip.key for clip in catalogue.clips] == [clip["key"] for clip in loaded]
    for entry, clip in zip(catalogue.clips, loaded, strict=True):
        table = clip["json"]
        assert (entry.caption, entry.camera) == (table["captions"][0], table["camera"])
        assert (entry.view_area, entry.union_area) == (table["view_area_min"], table["union_area"])
        opened = read_clip(catalogue.set, entry.spot)
        assert opened.record.table() == {name: table[name] for name in opened.record.table()}
        assert opened.virtual == (format == "virtual")
        assert entry.size == entry.spot.stop - entry.spot.start
    assert catalogue.counts == {"success": 12} and catalogue.choice == "all 12 clips" and catalogue.complete


def test_it_counts_as_stats_does(demo_set, catalogue_of):
    catalogue, found = catalogue_of(demo_set("mp4")), stats(str(demo_set("mp4")))
    assert catalogue.components == found.components
    assert [clip.speed for clip in catalogue.clips] == found.measures["speed, % of the still a second"]
    shots = [json.loads(read_clip(catalogue.set, clip.spot).record.shot)["shots"] for clip in catalogue.clips]
    assert catalogue.shots == sum(map(len, shots))
    for entry, of_clip in zip(catalogue.clips, shots, strict=True):
        assert set(entry.components) == {name for shot in of_clip for name in shot["components"]}


def test_rejected_inputs_are_listed_with_what_their_rows_say(hostile_set, catalogue_of):
    catalogue = catalogue_of(hostile_set[0])
    statuses = {"empty_file": 1, "missing_caption": 1, "truncated": 1, "aspect_ratio": 1}
    assert catalogue.counts == {"success": 6, **statuses}
    assert Counter(entry.status for entry in catalogue.rejected) == statuses
    assert {entry.key: entry.message for entry in catalogue.rejected}["empty"] == "zero bytes"


def test_a_set_that_is_not_finished_shows_what_is(demo_set, tmp_path, catalogue_of):
    folder = build_set(tmp_path / "set", "frames")
    for name in ("00001_stats.json", "_animate/manifest.json", "__len__"):
        (folder / name).unlink()
    catalogue = catalogue_of(folder)
    assert not catalogue.complete
    assert {clip.spot.shard for clip in catalogue.clips} == {"00000", "00002"}
    for name in ("00000_stats.json", "00002_stats.json"):
        (folder / name).unlink()
    with pytest.raises(NoShards, match="no shard of it is finished yet"):
        catalogue_of(folder)


def test_a_damaged_shard_is_named(tmp_path, catalogue_of):
    folder = build_set(tmp_path / "set", "virtual")
    tar = folder / "00001.tar"
    tar.write_bytes(tar.read_bytes()[:2048])
    with pytest.raises(NoShards, match=r"00001.*animate verify"):
        catalogue_of(folder)


def test_fewer_clips_are_chosen_by_their_keys_alone(demo_set, catalogue_of):
    one, other = catalogue_of(demo_set("mp4")).at_most(5), catalogue_of(demo_set("virtual")).at_most(5)
    keys = [clip.key for clip in one.clips]
    assert keys == [clip.key for clip in other.clips] and len(keys) == 5
    everything = [clip.key for clip in one.looked_at]
    assert keys == [key for key in everything if key in keys] and keys != everything[:5]
    assert one.choice == "5 of 12 clips, chosen by a hash of their keys"


def test_of_a_large_set_shards_are_looked_at_that_lie_evenly(demo_set):
    catalogue = read_catalogue(open_set(str(demo_set("mp4"))), most=8)
    assert {clip.spot.shard for clip in catalogue.looked_at} == {"00000", "00002"}
    assert catalogue.choice == "8 of 12 clips, in 2 of 3 shards that lie evenly over the set"
    assert catalogue.counts == {"success": 12}


def test_a_clip_is_found_by_its_key(demo_set, catalogue_of):
    shard_set = open_set(str(demo_set("frames")))
    for entry in catalogue_of(demo_set("frames")).clips:
        assert find_clip(shard_set, entry.key) == entry.spot
    with pytest.raises(NoClip, match="nobody_0"):
        find_clip(shard_set, "nobody_0")


def test_five_thousand_clips_are_less_than_three_megabytes(demo_set, catalogue_of):
    catalogue = catalogue_of(demo_set("mp4"))
    many = [
        replace(clip, key=f"photograph-{i:06d}_0", camera_caption=f"{clip.camera_caption} {i % 600}")
        for i, clip in zip(range(5000), list(catalogue.clips) * 500, strict=False)
    ]
    grid = grid_of(5, (80, 64), most_frames=64, most_side=224)
    table = known_table(replace(catalogue, clips=tuple(many)), grid, None)
    assert len(table["clips"]["key"]) == 5000
    assert len(json.dumps(table, separators=(",", ":"))) < 3_000_000
