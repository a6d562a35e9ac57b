"""MSVD from the official annotations, in either form of its captions."""

import gzip
import json
import pickle
import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from retrieval.datasets import open_dataset
from retrieval.datasets.msvd import read_captions
from retrieval.errors import DataError
from retrieval.recipe import DataSpec
from retrieval.video import Unreadable
from tests.support.annotations import annotations_of
from tests.support.clips import read_numbers
from tests.support.tars import READER


def test_msvd(videos):
    dataset = open_dataset(DataSpec(name="msvd", annotations=annotations_of("msvd"), videos=videos))
    assert dataset.train is not None
    assert dataset.validation is not None
    assert dataset.test is not None
    assert [len(part.video_ids) for part in (dataset.validation, dataset.test)] == [100, 670]
    assert len(dataset.train) == 1200
    assert int(dataset.train.caption_counts().sum()) == 48_774
    assert (len(dataset.validation.captions), len(dataset.test.captions)) == (4290, 27_763)
    clip = dataset.test.clips.read(dataset.test.video_ids.index("eyhzdC936uk_15_27"), READER, None, 0).clip
    assert not isinstance(clip, Unreadable)
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [3, 11, 18, 26]


def test_msvd_captions_of_the_usual_pickle_and_no_code_in_it(videos, tmp_path):
    folder = tmp_path / "annotations"
    shutil.copytree(annotations_of("msvd"), folder)
    captions = json.loads(gzip.decompress((folder / "captions_msvd.json.gz").read_bytes()))
    (folder / "captions_msvd.json.gz").unlink()
    words = {video: [text.split() for text in texts] for video, texts in captions.items()}
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(words))
    test = open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos)).test
    assert test is not None
    assert len(test.captions) == 27_763
    assert set(test.texts) <= set(chain(*captions.values()))
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(Counter))
    with pytest.raises(ValueError, match=r"the pickle wants collections\.Counter"):
        open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos))


def test_msvd_captions_in_either_form(tmp_path):
    words, texts = tmp_path / "a.pkl", tmp_path / "a.json"
    words.write_bytes(pickle.dumps({"v0": [["a", "dog"], "a running dog"], "v1": "a cat"}))
    texts.write_text(json.dumps({"v0": ["a dog", "a running dog"], "v1": "a cat"}))
    assert read_captions(words) == read_captions(texts) == {"v0": ["a dog", "a running dog"], "v1": ["a cat"]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"v0": [["a", 7]]}, "'v0' = [\"a\", 7]: must be text"),
        ({"v0": []}, "'v0': an empty list"),
        ({7: ["a"]}, "a video = 7: must be text"),
        (["a"], "must be a table of videos and their captions, not a list"),
    ],
)
def test_msvd_captions_of_another_form_are_refused(tmp_path, table, message):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(table))
    with pytest.raises(DataError) as raised:
        read_captions(path)
    assert message in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"cat", b"no pickle", pickle.dumps({"a": "b"})[:-4]])
def test_a_damaged_pickle_is_named(tmp_path: Path, content):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.pkl: is no pickle that can be read"):
        read_captions(path)
