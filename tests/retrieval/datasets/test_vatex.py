"""VATEX from the official annotations."""

import json
from pathlib import Path

import pytest

from retrieval.datasets import open_dataset
from retrieval.errors import MissingData
from retrieval.recipe import DataSpec
from tests.support.annotations import annotations_of


def test_vatex(vatex_annotations, videos):
    data = DataSpec(name="vatex", annotations=str(vatex_annotations), videos=videos)
    dataset = open_dataset(data)
    assert dataset.train is not None
    assert dataset.validation is not None
    assert dataset.test is not None
    assert len(dataset.train) == 25_991
    assert (len(dataset.test.video_ids), len(dataset.test.captions)) == (1500, 15_000)
    assert len(dataset.validation.video_ids) == 1500
    (vatex_annotations / "vatex_validation_v1.0.json").write_text("[]")
    with pytest.raises(MissingData, match=r"1500 of 1500 videos of val_list\.txt have no captions"):
        open_dataset(data)


def test_vatex_records_are_read_in_their_official_form(videos):
    records = json.loads((Path(annotations_of("vatex")) / "videocap5data.json").read_text())
    assert all(len(record["enCap"]) == 10 and record["videoID"] for record in records)
