"""Laws of reading shards back: the same clips from any format and any address, new takes on request."""

import dataclasses
import json
import shutil
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest

import animate
import animate.film
from animate.build import build_shards
from animate.codec import encode_mp4
from animate.executor import HERE
from animate.shards.verify import verify
from tests.support.shard_sets import build_set, recipe_of

FORMATS = ("mp4", "frames", "virtual")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    return {format: build_set(root / format, format) for format in FORMATS}


@pytest.mark.parametrize("format", FORMATS)
def test_a_clip_is_frames_captions_and_what_was_recorded(sets, format):
    clips = list(animate.load_clips(sets[format]))
    assert len(clips) == 12
    for clip in clips:
        assert sorted(clip) == ["caption", "captions", "frames", "json", "key"]
        assert clip["frames"].shape == (5, 3, 64, 80) and clip["frames"].dtype == np.uint8
        assert clip["key"] == clip["json"]["key"]
        assert clip["caption"] == clip["captions"][0] == clip["json"]["caption"]
        json.dumps(clip["json"])


@pytest.mark.parametrize("format", FORMATS)
def test_a_fractional_rate_is_in_the_json_the_parquet_and_the_frames(tmp_path, format):
    recipe = recipe_of(format)
    recipe = dataclasses.replace(recipe, video=dataclasses.replace(recipe.video, fps=29.97))
    build_shards(recipe, tmp_path / "set", HERE)
    assert verify(str(tmp_path / "set")) == []
    table = pq.read_table(tmp_path / "set" / "00000.parquet", columns=["fps", "duration"])
    assert table.schema.field("fps").type == "double"
    for clip in animate.load_clips(tmp_path / "set"):
        assert (clip["json"]["fps"], clip["json"]["duration"]) == (30000 / 1001, 5 * 1001 / 30000)
        assert clip["frames"].shape == (5, 3, 64, 80)


def test_every_format_gives_the_same_clips_in_the_same_order(sets):
    records = [[clip["json"] for clip in animate.load_clips(sets[format])] for format in FORMATS]
    assert records[0] == records[1] == records[2]


def test_stored_frames_are_the_rendered_ones_but_for_compression(sets):
    for format in ("mp4", "frames"):
        for stored, rendered in zip(
            animate.load_clips(sets[format]), animate.load_clips(sets["virtual"]), strict=True
        ):
            assert np.abs(stored["frames"].astype(int) - rendered["frames"]).mean() < 6


def test_a_virtual_clip_has_the_frames_that_a_build_hands_to_its_encoder(sets, tmp_path, monkeypatch):
    handed = []

    def spy(image, frames, video):
        handed.append(frames)
        return {"jpg": b"", "mp4": b""}

    monkeypatch.setitem(animate.film.WRITERS, "mp4", spy)
    build_set(tmp_path, "mp4")
    for clip, frames in zip(animate.load_clips(sets["virtual"]), handed, strict=True):
        assert np.array_equal(clip["frames"], frames.transpose(0, 3, 1, 2))


def test_new_takes_are_those_of_a_build_with_more_takes(sets, tmp_path):
    more = build_set(tmp_path, "virtual", "takes=6", "shards.clips_per_shard=100")
    all_takes = {clip["key"]: clip for clip in animate.load_clips(more)}
    seen = set()
    for epoch in range(3):
        for first, clip in zip(
            animate.load_clips(sets["virtual"]), animate.load_clips(sets["virtual"], epoch=epoch), strict=True
        ):
            expected = all_takes[clip["key"]]
            assert clip["json"] == expected["json"]
            assert np.array_equal(clip["frames"], expected["frames"])
            assert clip["json"]["take"] == first["json"]["take"] + 2 * epoch
            seen.add(clip["key"])
    assert seen == set(all_takes)


@pytest.mark.parametrize("format", ["mp4", "frames"])
def test_stored_pixels_are_the_same_in_every_epoch(sets, format):
    first, later = next(animate.load_clips(sets[format])), next(animate.load_clips(sets[format], epoch=4))
    assert first["json"] == later["json"] and np.array_equal(first["frames"], later["frames"])


def test_new_takes_need_the_plan(sets, tmp_path):
    shutil.copy(sets["virtual"] / "00000.tar", tmp_path)
    assert next(animate.load_clips(tmp_path))["key"]
    with pytest.raises(ValueError, match=r"plan\.json is missing"):
        next(animate.load_clips(tmp_path, epoch=1))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 20])
def test_the_shares_of_n_readers_are_all_clips_once(sets, count):
    shares = [[c["key"] for c in animate.load_clips(sets["frames"], shard=(i, count))] for i in range(count)]
    everything = [clip["key"] for clip in animate.load_clips(sets["frames"])]
    assert sorted(key for share in shares for key in share) == sorted(everything)
    if count > 3:  # fewer tars than readers: no share is more than a clip larger than another
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(sets, shard):
    with pytest.raises(ValueError, match="shard = "):
        animate.load_clips(sets["mp4"], shard=shard)


def test_shards_that_are_not_there_are_named(tmp_path):
    for urls in (tmp_path, tmp_path / "none.tar", f"{tmp_path}/*.tar", [f"{tmp_path}/{{0..1}}.tar"]):
        with pytest.raises(ValueError, match=str(tmp_path)):
            animate.load_clips(urls)


def test_a_tar_that_breaks_off_is_an_error_and_no_short_epoch(sets, tmp_path):
    whole = (sets["mp4"] / "00000.tar").read_bytes()
    (tmp_path / "00000.tar").write_bytes(whole[: len(whole) // 2 + 100])
    with pytest.raises(ValueError, match=r"00000\.tar"):
        list(animate.load_clips(tmp_path))


@pytest.mark.parametrize(
    ("members", "what"), [(["x.txt"], "no json"), (["x.json", "x.txt"], "neither frames")]
)
def test_a_tar_of_something_else_is_refused(tmp_path, members, what):
    for name in members:
        (tmp_path / name).write_text("{}")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        for name in members:
            tar.add(tmp_path / name, name)
    with pytest.raises(ValueError, match=what):
        list(animate.load_clips(tmp_path / "other.tar"))


def test_mp4_shards_decode_to_what_their_encoder_made(sets):
    clip = next(animate.load_clips(sets["virtual"]))
    video = recipe_of("mp4").video
    frames = np.ascontiguousarray(clip["frames"].transpose(0, 2, 3, 1))
    with tarfile.open(sets["mp4"] / "00000.tar") as tar:
        stored = tar.extractfile(f"{clip['key']}.mp4").read()
    assert stored == encode_mp4(frames, fps=video.fps, crf=video.crf, preset=video.preset)
