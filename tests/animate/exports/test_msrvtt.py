"""MSR-VTT's files: read by `retrieval`'s own readers, and CLIP4Clip's by its rules."""

import json
from collections import defaultdict

import pandas as pd
import pytest

from animate.exports.clip4clip import CLIP4CLIP
from animate.recipe import VideoRecipe
from retrieval.datasets import official, open_dataset
from retrieval.datasets.clips import hash_ids
from retrieval.errors import DataError
from retrieval.recipe import DataSpec
from tests.support.exporting import CLIPS, TAKES, Source

SPLIT = (0.4, 0.3, 0.3)
NAMES = {"train": "train", "val": "validate", "test": "test"}


def captions_of(source: Source, keys) -> list[tuple[str, ...]]:
    return sorted(tuple(source.clips[key]["captions"]) for key in keys)


def test_retrieval_reads_it_with_the_reader_of_msrvtt(source: Source, tmp_path, monkeypatch):
    """It asks for the lists of the benchmark, so here these are taken for them."""
    report = source.export(tmp_path, "msrvtt", split=SPLIT)
    data = DataSpec(name="msrvtt", split="full", annotations=str(tmp_path), videos=str(tmp_path / "videos"))
    with pytest.raises(DataError, match="the official list has"):
        open_dataset(data)
    for split, part in {"train": "train", "val": "validation", "test": "test"}.items():
        ids = pd.read_csv(tmp_path / f"MSRVTT_{split}.full.csv")["video_id"].tolist()
        assert len(ids) == report.clips[split]
        monkeypatch.setitem(official.VIDEOS, f"msrvtt full {part}", hash_ids(ids))
        monkeypatch.delitem(official.QUERIES, f"msrvtt full {part}", raising=False)
    dataset = open_dataset(data)
    assert dataset.train is not None and dataset.validation is not None and dataset.test is not None
    assert len(dataset.train) == report.clips["train"]
    assert len(dataset.test.clips) == report.clips["test"]


def test_the_annotation_has_every_clip_and_caption_once(source: Source, tmp_path):
    source.export(tmp_path, "msrvtt", split=SPLIT)
    annotation = json.loads((tmp_path / "MSRVTT_data.json").read_text(encoding="utf-8"))
    assert {video["key"] for video in annotation["videos"]} == source.clips.keys()
    assert [video["id"] for video in annotation["videos"]] == list(range(CLIPS))
    key_of = {video["video_id"]: video["key"] for video in annotation["videos"]}
    captions = defaultdict(list)
    for sentence in annotation["sentences"]:
        captions[key_of[sentence["video_id"]]].append(sentence["caption"])
    assert captions == {key: clip["captions"] for key, clip in source.clips.items()}
    assert len({sentence["sen_id"] for sentence in annotation["sentences"]}) == len(annotation["sentences"])
    for split, name in NAMES.items():
        ids = pd.read_csv(tmp_path / f"MSRVTT_{split}.full.csv")["video_id"].tolist()
        assert ids == [video["video_id"] for video in annotation["videos"] if video["split"] == name]
        assert all((tmp_path / "videos" / f"{video}.mp4").is_file() for video in ids)


def test_retrieval_trains_on_its_tables(source: Source, tmp_path):
    report = source.export(tmp_path, "msrvtt", split=(0.6, 0.4))
    dataset = open_dataset(
        DataSpec(
            name="table",
            table=str(tmp_path / "train.jsonl"),
            validation_table=str(tmp_path / "val.jsonl"),
            videos=str(tmp_path / "videos"),
        )
    )
    assert dataset.train is not None and dataset.validation is not None
    assert len(dataset.train) == report.clips["train"]
    assert len(dataset.validation.clips) == report.clips["val"]


def clip4clip_frames(num_frames: int, fps: int, sample_fp: int) -> int:
    """Frames that `RawVideoExtractorCV2.video_to_tensor` reads of a clip."""
    interval = max(1, fps // sample_fp)
    inds = list(range(0, fps, interval))
    assert len(inds) >= sample_fp
    seconds = range(0, (num_frames + fps - 1) // fps + 1)
    return sum(second * fps + ind < num_frames for second in seconds for ind in inds[:sample_fp])


def test_clip4clip_reads_it(source: Source, tmp_path):
    """`MSRVTT_TrainDataLoader` with and without `unfold_sentences`, and `MSRVTT_DataLoader`."""
    report = source.export(tmp_path, "clip4clip", split=(0.5, 0.5))
    train = pd.read_csv(tmp_path / "train.csv")
    data = json.loads((tmp_path / "data.json").read_text(encoding="utf-8"))
    sentences = defaultdict(list)
    for item in data["sentences"]:
        sentences[item["video_id"]].append(item["caption"])
    assert {item["video_id"]: item["url"].split("?v=")[-1] for item in data["videos"]}
    key_of = {item["video_id"]: item["key"] for item in data["videos"]}
    assert len(train) == report.clips["train"]
    for video in train["video_id"].values:
        assert (tmp_path / "videos" / f"{video}.mp4").is_file()
        assert sentences[video] == source.clips[key_of[video]]["captions"]
    val = pd.read_csv(tmp_path / "val.csv")
    assert len(val) == report.clips["val"]
    assert all(isinstance(sentence, str) for sentence in val["sentence"].values)
    for key, video, sentence in zip(val["vid_key"], val["video_id"], val["sentence"], strict=True):
        assert key_of[video] == key and sentence in source.clips[key]["captions"]
    assert sum(report.clips.values()) == CLIPS - TAKES


@pytest.mark.parametrize(("num_frames", "fps"), [(12, 4), (5, 4), (8, 1), (30, 10)])
def test_clip4clip_sees_as_many_frames_as_is_said(num_frames, fps):
    warnings = list(CLIP4CLIP.warnings(VideoRecipe(num_frames=num_frames, fps=fps)))
    seen = clip4clip_frames(num_frames, fps, 1)
    if seen == num_frames:
        assert warnings == []
    else:
        [warning] = warnings
        assert f"{seen} of the {num_frames}" in warning and f"--feature_framerate {fps}" in warning
        assert clip4clip_frames(num_frames, fps, fps) == num_frames
