"""One's own table: what may stand in it, and how it is refused."""

import json
from fractions import Fraction

import pytest

from retrieval.datasets import open_dataset
from retrieval.recipe import DataSpec
from retrieval.video import Unreadable
from tests.clips import write_clip
from tests.tars import READER


@pytest.fixture
def table(tmp_path):
    for i in range(3):
        write_clip(tmp_path / f"v{i}.mp4", range(10), Fraction(1, 10))
    path = tmp_path / "mine.csv"
    path.write_text('video,caption\nv0.mp4,"a dog, running"\nv1,a cat\nv0.mp4,a running dog\n')
    return path


def test_a_table_of_videos_and_captions(table):
    dataset = open_dataset(DataSpec(name="table", table=str(table), held_out_table=str(table)))
    assert dataset.test is not None
    assert dataset.test.video_ids == ("v0.mp4", "v1")
    assert dataset.test.captions == ((0, "a dog, running"), (0, "a running dog"), (1, "a cat"))
    for i in range(2):
        assert not isinstance(dataset.test.clips.read(i, READER, None, 0).clip, Unreadable)


def test_a_jsonl_table_gives_the_same_split(table):
    jsonl = table.with_suffix(".jsonl")
    rows = [
        {"video": "v0.mp4", "captions": ["a dog, running", "a running dog"]},
        {"video_id": "v1", "caption": "a cat"},
    ]
    jsonl.write_text("\n".join(map(json.dumps, rows)) + "\n")
    one, two = (
        open_dataset(DataSpec(name="table", held_out_table=str(path))).test for path in (table, jsonl)
    )
    assert one is not None
    assert two is not None
    assert one.digest() == two.digest()


def test_faulty_tables_are_refused(table):
    with pytest.raises(ValueError, match=r"give data\.table or data\.held_out_table"):
        open_dataset(DataSpec(name="table"))
    table.write_text("path,caption\nv0.mp4,a dog\n")
    with pytest.raises(ValueError, match="has no column 'video', only path, caption"):
        open_dataset(DataSpec(name="table", table=str(table)))
    jsonl = table.with_suffix(".jsonl")
    jsonl.write_text('{"video": "v0.mp4"}\n')
    with pytest.raises(ValueError, match="line 1: needs captions or caption, has video"):
        open_dataset(DataSpec(name="table", table=str(jsonl)))
