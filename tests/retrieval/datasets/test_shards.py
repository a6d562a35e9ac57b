"""Shards of every kind of sample, the parts that they make, and what `animate` wrote read as it loads it."""

import json
import shutil
import tarfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

import animate
from animate.executor import HERE
from retrieval.datasets import FrameReader, Motion, Split, open_dataset, overlaps
from retrieval.datasets.shards import ShardClips, local_tars
from retrieval.errors import DataError, MissingData
from retrieval.recipe import DataSpec
from retrieval.video import Sampler, Unreadable
from tests.support.clips import read_numbers, write_clip
from tests.support.tars import READER, png, write_tar


@pytest.fixture
def samples(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", range(8), Fraction(1, 4)).read_bytes()
    record = {"caption": "one of five", "captions": json.dumps(["one of five", "two of five"]), "fps": 4}
    return {
        "000_0": {"jpg": png(9), "json": json.dumps(record).encode(), "mp4": mp4, "txt": b"one of five"},
        "001_0": {**{f"{i:02}.png": png(i) for i in range(12)}, "json": b'{"fps": 4}', "txt": b"frames"},
        "002_0": {"mp4": mp4, "txt": "déjà vu".encode()},
        "003_0": {"jpg": png(5), "txt": b"a still"},
        "004_0": {"mp4": b"no video", "txt": b"broken"},
        "005_0": {"mp4": mp4},
    }


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_every_kind_of_sample(tmp_path, samples, tar_format):
    clips = ShardClips([write_tar(tmp_path / "0.tar", samples, tar_format)])
    examples = [clips.read(i, READER, None, 0) for i in range(len(clips))]
    assert [example.video_id for example in examples] == list(samples)
    assert [example.captions for example in examples] == [
        ("one of five", "two of five"),
        ("frames",),
        ("déjà vu",),
        ("a still",),
        ("broken",),
        ("",),
    ]
    shown = [
        example.clip.status
        if isinstance(example.clip, Unreadable)
        else read_numbers(example.clip.frames.transpose(0, 2, 3, 1))
        for example in examples
    ]
    assert shown == [[1, 3, 5, 7], [1, 4, 7, 10], [1, 3, 5, 7], [5], "broken", "empty"]


def only(tmp_path: Path, members: dict[str, bytes]) -> ShardClips:
    return ShardClips([write_tar(tmp_path / "0.tar", {"key": {"jpg": png(5), **members}})])


@pytest.mark.parametrize(
    ("record", "txt", "captions"),
    [
        ({"captions": "a moving test card"}, b"", ("a moving test card",)),
        ({"captions": "a moving test card"}, b"another", ("a moving test card",)),
        ({"captions": '["a", "b"]'}, b"", ("a", "b")),
        ({"captions": ["a", "b "]}, b"", ("a", "b")),
        ({"captions": "[laughter]"}, b"", ("[laughter]",)),
        ({"captions": "12"}, b"", ("12",)),
        ({"captions": []}, b"a", ("a",)),
        ({"captions": None, "caption": None}, b"a", ("a",)),
        ({"captions": "[]", "caption": "a"}, b"", ("a",)),
        ({"caption": "a"}, b" \n", ("a",)),
        ({"caption": 7}, b"a", ("a",)),
        ([], b"a", ("a",)),
        ({}, b"", ("",)),
    ],
)
def test_captions_of_a_sample(tmp_path, record, txt, captions):
    example = only(tmp_path, {"json": json.dumps(record).encode(), "txt": txt}).read(0, READER, None, 0)
    assert example.captions == captions
    assert example.clip.status == ("ok" if captions != ("",) else "empty")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b'{"captions": 7}', "0.tar: key.json: captions = 7: must be text"),
        (b'{"captions": ["a", null]}', "captions = null: must be text"),
        (b'{"captions": ["a", ["b"]]}', 'captions = ["b"]: must be text'),
        (b'{"captions": ["half \\ud800"]}', "holds half a character"),
        (b'{"caption": {"en": "a"}}', 'json: caption = {"en": "a"}: must be text'),
        (b'{"captions": [', "0.tar: key.json: is not JSON"),
        (b'{"caption": "a", "fps": "fast"}', "fps = 'fast': must be a number above 0"),
        (b'{"caption": "a", "fps": -4}', "fps = -4: must be a number above 0"),
        (b'{"caption": "a", "fps": NaN}', "fps = nan: must be a number above 0"),
    ],
)
def test_a_sample_that_cannot_be_meant_is_broken_and_no_end_of_the_training(tmp_path, record, message):
    clip = only(tmp_path, {"json": record}).read(0, READER, None, 0).clip
    assert isinstance(clip, Unreadable)
    assert clip.status == "broken"
    assert message in clip.message


def test_a_frame_of_another_size_is_no_frame_of_the_clip(tmp_path):
    large = cv2.imencode(".png", np.zeros((90, 120, 3), np.uint8))[1].tobytes()
    members = {"00.png": png(1), "01.png": large, "02.png": png(3), "txt": b"a dog"}
    clip = ShardClips([write_tar(tmp_path / "0.tar", {"key": members})]).read(0, READER, None, 0).clip
    assert clip.status == "truncated"
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [1, 3]


def test_held_out_captions_that_are_no_text_are_refused(tmp_path):
    clips = only(tmp_path, {"json": b'{"captions": [7]}'})
    with pytest.raises(DataError, match=r"0\.tar: key\.json: captions = 7: must be text"):
        clips.split("held out")
    with pytest.raises(DataError, match=r"0\.tar: sample 'key' has no caption"):
        only(tmp_path, {}).split("held out")


def test_a_source_key_that_cannot_be_printed_is_written_out(tmp_path):
    record = b'{"caption": "a", "source_key": "\\ud800"}'
    assert only(tmp_path, {"json": record}).read(0, READER, None, 0).video_id == r"\ud800"


def test_tars_of_both_parts_are_known_again_under_any_name(tmp_path, samples):
    """Two filmings of one still agree in keys and captions, and are two videos all the same."""
    del samples["005_0"]
    again = {key: {**members, "mp4": members.get("mp4", b"") + b"again"} for key, members in samples.items()}
    tars = {
        name: str(write_tar(tmp_path / f"{name}.tar", content, tar_format))
        for name, content, tar_format in (
            ("one", samples, tarfile.USTAR_FORMAT),
            ("copy", samples, tarfile.PAX_FORMAT),
            ("again", again, tarfile.USTAR_FORMAT),
        )
    }

    def part(*names: str) -> Split:
        data = DataSpec(name="shards", validation=tuple(tars[name] for name in names))
        return open_dataset(data).part("validation")

    one = part("one").fingerprint()
    assert part("again").digest() == part("one").digest() == one["digest"]
    assert overlaps(one, part("copy"))
    assert not overlaps(one, part("again"))


def test_shard_names(tmp_path, samples):
    for i in range(3):
        write_tar(tmp_path / f"{i:05}.tar", samples)
    paths = [tmp_path / f"{i:05}.tar" for i in range(3)]
    assert local_tars([f"{tmp_path}/{{00000..00002}}.tar"]) == local_tars([str(tmp_path)]) == paths
    with pytest.raises(ValueError, match="is not on this machine"):
        local_tars(["https://example.org/{0..9}.tar"])
    (tmp_path / "sets" / "mine").mkdir(parents=True)
    with pytest.raises(MissingData, match=r"sets' holds no tar; it holds 1 entries: 'mine'"):
        local_tars([f"{tmp_path}/sets"])
    with pytest.raises(MissingData, match=r"00003\.tar"):
        local_tars([f"{tmp_path}/00003.tar"])


def test_held_out_shards_are_the_split_to_be_judged_by(tmp_path, samples):
    del samples["005_0"]
    path = str(write_tar(tmp_path / "0.tar", samples))
    dataset = open_dataset(DataSpec(name="shards", held_out=(path,)))
    assert dataset.train is None
    assert dataset.validation is None
    assert dataset.test is not None
    assert dataset.test.video_ids == tuple(samples)
    assert len(dataset.test.captions) == 6
    with pytest.raises(DataError, match="video '000_0' stands in it 2 times"):
        open_dataset(DataSpec(name="shards", held_out=(path, path)))
    with pytest.raises(DataError, match=r"shards: has no validation part; name data\.validation, or train"):
        dataset.part("validation")


@pytest.fixture(scope="module", params=["mp4", "frames", "virtual"])
def filmed(request, tmp_path_factory) -> Path:
    """Two takes of three demo photographs in each format."""
    out = tmp_path_factory.mktemp("filmed") / request.param
    wanted = {
        "takes": "2",
        "source.name": "demo",
        "source.limit": "3",
        "video.size": "[64, 64]",
        "video.num_frames": "5",
        "video.format": request.param,
    }
    recipe = animate.read_recipe(None, [f"{key}={value}" for key, value in wanted.items()])
    animate.build_shards(recipe, out, workforce=HERE)
    return out


def test_films_are_read_as_animate_loads_them(filmed):
    clips = ShardClips(local_tars([str(filmed)]))
    reader = FrameReader(sampler=Sampler(num_frames=5), size=64, decoder="pyav")
    loaded = list(animate.load_clips(filmed))
    assert len(clips) == len(loaded) == 6
    for i, wanted in enumerate(loaded):
        example = clips.read(i, reader, None, 0)
        assert not isinstance(example.clip, Unreadable), example.clip
        assert example.captions == tuple(wanted["captions"])
        assert example.video_id == wanted["json"]["source_key"]
        assert example.clip.duration == pytest.approx(5 / wanted["json"]["fps"])
        difference = np.abs(example.clip.frames.astype(int) - wanted["frames"])
        assert difference.mean() < 2 if filmed.name == "mp4" else difference.max() == 0


def test_new_takes_are_filmed_for_later_epochs_of_virtual_shards(filmed):
    tars = local_tars([str(filmed)])
    reader = FrameReader(sampler=Sampler(num_frames=5), size=64, decoder="pyav")

    def frames(new_takes: bool, epoch: int) -> np.ndarray:
        clip = ShardClips(tars, DataSpec(new_takes=new_takes)).read(0, reader, None, epoch).clip
        assert not isinstance(clip, Unreadable)
        return clip.frames

    assert (frames(False, 3) == frames(False, 0)).all()
    assert (frames(True, 0) == frames(False, 0)).all()
    if filmed.name == "virtual":
        later = next(iter(animate.load_clips(filmed, epoch=3)))["frames"]
        assert (frames(True, 3) == later).all()
        assert (frames(True, 3) != frames(True, 0)).any()
    else:
        assert (frames(True, 3) == frames(True, 0)).all()


@pytest.mark.parametrize("filmed", ["virtual"], indirect=True)
def test_new_takes_need_the_plan_of_the_build(filmed, tmp_path):
    shutil.copy(local_tars([str(filmed)])[0], tmp_path / "0.tar")
    clips = ShardClips([tmp_path / "0.tar"], DataSpec(new_takes=True))
    assert not isinstance(clips.read(0, READER, None, 0).clip, Unreadable)
    with pytest.raises(DataError, match=r"new_takes = true: .*plan\.json is missing"):
        clips.read(0, READER, None, 1)


@pytest.mark.parametrize(("caption_of", "told"), [("caption", False), ("camera", True), ("both", True)])
def test_what_the_camera_does_is_told_where_it_is_asked_for(filmed, caption_of, told):
    data = DataSpec(shards=(str(filmed),), caption_of=caption_of)
    clips = open_dataset(data).train
    assert clips is not None
    for i, wanted in enumerate(animate.load_clips(filmed)):
        example = clips.read(i, READER, None, 0)
        record = wanted["json"]
        assert example.captions == tuple(wanted["captions"])
        motion = Motion(caption=record["camera_caption"], label=record["camera"])
        assert example.motion == (motion if told else None)
        texts = {"caption": wanted["captions"], "camera": [motion.caption]}
        texts["both"] = texts["caption"] + texts["camera"]
        assert clips.captions(i) == tuple(texts[caption_of])
    assert clips.stills().tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("filmed", ["virtual"], indirect=True)
def test_a_new_take_is_told_as_it_was_filmed(filmed):
    clips = ShardClips(local_tars([str(filmed)]), DataSpec(new_takes=True, caption_of="camera"))
    later = [clip["json"] for clip in animate.load_clips(filmed, epoch=3)]
    told = [clips.read(i, READER, None, 3).motion for i in range(len(clips))]
    assert [motion.caption for motion in told] == [record["camera_caption"] for record in later]
    assert told != [clips.read(i, READER, None, 0).motion for i in range(len(clips))]


def test_shards_that_tell_nothing_of_the_camera_are_refused_by_name(tmp_path):
    record = json.dumps({"caption": "a", "camera": "pan left", "camera_caption": ""}).encode()
    for number, json_of in enumerate((record, b'{"caption": "a"}')):
        tar = write_tar(tmp_path / f"{number}.tar", {"key": {"jpg": png(1), "json": json_of}})
        with pytest.raises(
            DataError, match=rf"caption_of = 'both': .*{number}\.tar: key\.json has no camera_"
        ):
            open_dataset(DataSpec(shards=(str(tar),), caption_of="both"))
    with pytest.raises(DataError, match="caption_of = 'camera': table says nothing of the camera"):
        open_dataset(DataSpec(name="table", table="mine.csv", caption_of="camera"))


def test_a_clip_that_tells_nothing_of_its_camera_is_left_out(tmp_path):
    told = json.dumps({"caption": "a", "camera": "static", "camera_caption": "Static shot."}).encode()
    samples = {
        "a_0": {"jpg": png(1), "json": told},
        "a_1": {"jpg": png(2), "txt": b"a"},
    }
    clips = ShardClips([write_tar(tmp_path / "0.tar", samples)], DataSpec(caption_of="camera"))
    assert clips.read(0, READER, None, 0).motion == Motion(caption="Static shot.", label="static")
    clip = clips.read(1, READER, None, 0).clip
    assert isinstance(clip, Unreadable)
    assert (clip.status, clip.message) == ("empty", "a_1: no camera caption")


def test_neighbours_whose_keys_differ_in_the_number_of_the_take_are_of_one_still(tmp_path):
    keys = ["a_0", "a_1", "b_0", "a_b_0", "a_b_1", "0001", "0002", "_1", "_2", "a_2"]
    first = write_tar(tmp_path / "0.tar", {key: {"jpg": png(1), "txt": b"x"} for key in keys})
    second = write_tar(tmp_path / "1.tar", {"a_2": {"jpg": png(1), "txt": b"x"}})
    assert ShardClips([first, second]).stills().tolist() == [0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8]
