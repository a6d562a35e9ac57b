"""MSR-VTT in its three protocols, from the official annotations."""

from collections import Counter
from pathlib import Path

import pytest

from retrieval.datasets import count_left_out, official, open_dataset
from retrieval.loader import TrainLoader
from retrieval.recipe import DataSpec
from retrieval.video import Unreadable
from tests.support.annotations import annotations_of
from tests.support.clips import read_numbers
from tests.support.tars import READER


@pytest.mark.parametrize(
    ("split", "train", "validation", "test"),
    [
        ("", (9000, 180_000), None, (1000, 1000)),
        ("9k", (9000, 180_000), None, (1000, 1000)),
        ("7k", (7010, 140_200), None, (1000, 1000)),
        ("full", (6513, 130_260), (497, 9940), (2990, 59_800)),
    ],
)
def test_msrvtt(videos, split, train, validation, test):
    data = DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos, split=split)
    dataset = open_dataset(data)
    assert dataset.train is not None
    assert dataset.test is not None
    assert (len(dataset.train), int(dataset.train.caption_counts().sum())) == train
    assert (len(dataset.test.video_ids), len(dataset.test.captions)) == test
    if validation is None:
        assert dataset.validation is None
    else:
        assert dataset.validation is not None
        assert (len(dataset.validation.video_ids), len(dataset.validation.captions)) == validation


def test_msrvtt_1ka_asks_with_the_sentences_of_its_own_list(videos):
    test = open_dataset(DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos)).test
    assert test is not None
    texts = dict(zip(test.video_ids, test.texts, strict=True))
    assert texts["video9770"] == "a person is connecting something to system"
    repeated = Counter(test.texts)
    assert sorted(count for count in repeated.values() if count > 1) == [2, 2, 2, 3]
    example = test.clips.read(test.video_ids.index("video7020"), READER, None, 0)
    assert not isinstance(example.clip, Unreadable)
    assert read_numbers(example.clip.frames.transpose(0, 2, 3, 1)) == [1, 3, 4, 6]
    missing = test.clips.read(0, READER, None, 0).clip
    assert isinstance(missing, Unreadable)
    assert missing.status == "missing"


FRAMES = Path(__file__).parents[3].parent / "shared" / "data" / "msrvtt-frames"


@pytest.mark.skipif(not FRAMES.is_dir(), reason=f"{FRAMES} is not there: real folders of frames are needed")
def test_a_part_of_msrvtt_trains_under_the_name_of_its_list(caplog):
    data = DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=str(FRAMES), split="9k")
    dataset = open_dataset(data)
    assert dataset.train is not None
    loader = TrainLoader(dataset.train, READER, identity=dataset.identity, seed=0)
    assert dataset.identity["videos"] == official.VIDEOS["msrvtt 9k train"]
    there = len(loader)
    assert 0 < there <= 604
    assert caplog.messages == [
        f"msrvtt 9k train: {9000 - there:,} of 9,000 videos are not in {FRAMES}: left out of every epoch"
    ]
    assert count_left_out(loader.unreadable())["missing"] == 9000 - there
