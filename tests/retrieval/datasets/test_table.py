"""One's own videos in a table: every form of it, and rows that cannot be used."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from retrieval.datasets import Split, open_dataset, overlaps
from retrieval.errors import DataError
from retrieval.recipe import DataSpec
from retrieval.video import Unreadable
from tests.support.clips import write_clip
from tests.support.tars import READER


@pytest.fixture
def table(tmp_path):
    for i in range(3):
        write_clip(tmp_path / f"v{i}.mp4", range(10), Fraction(1, 10), offset=100 * i)
    path = tmp_path / "mine.csv"
    path.write_text('video,caption\nv0.mp4,"a dog, running"\nv1,a cat\nv0.mp4,a running dog\n')
    return path


def test_a_table_of_videos_and_captions(table):
    dataset = open_dataset(DataSpec(name="table", table=str(table), held_out_table=str(table)))
    assert dataset.validation is None
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
    with pytest.raises(ValueError, match=r"give data\.table, data\.validation_table or data\.held_out_table"):
        open_dataset(DataSpec(name="table"))
    table.write_text("path,caption\nv0.mp4,a dog\n")
    with pytest.raises(ValueError, match="has no column 'video', only path, caption"):
        open_dataset(DataSpec(name="table", table=str(table)))
    jsonl = table.with_suffix(".jsonl")
    jsonl.write_text('{"video": "v0.mp4"}\n')
    with pytest.raises(ValueError, match="line 1: needs captions or caption, has video"):
        open_dataset(DataSpec(name="table", table=str(jsonl)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"video": "v0", "captions": null}', "line 1: needs captions or caption, has video"),
        ("a.jsonl", '{"video": "v0", "captions": 7}', "line 1: captions = 7: must be text"),
        ("a.jsonl", '{"video": "v0", "captions": ["a", ["b"]]}', 'line 1: captions = ["b"]: must be text'),
        ("a.jsonl", '{"video": "v0", "captions": []}', "line 1: captions: an empty list"),
        ("a.jsonl", '\n{"video": 7, "caption": "a"}', "line 2: video = 7: must be text"),
        ("a.jsonl", r'{"video": "v\ud800", "caption": "a"}', "line 1: video = "),
        ("a.csv", "video,caption\nv0,\n", 'line 2: caption = "": must not be blank'),
        ("a.csv", "video,caption\n,a dog\n", 'line 2: video = "": must not be blank'),
        ("a.tsv", "video\tcaption\nv0\n", "line 2: 1 cells"),
        ("a.csv", "video,caption\n", "has no rows"),
        ("a.xlsx", "", "must end in .csv, .tsv or .jsonl"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_before_anything_is_read(table, name, content, message):
    path = table.parent / name
    path.write_text(content)
    with pytest.raises(DataError) as raised:
        open_dataset(DataSpec(name="table", table=str(path)))
    assert f"{path}" in str(raised.value)
    assert message in str(raised.value)


def test_one_caption_may_stand_as_plain_text_and_cells_may_be_parted_by_tabs(table):
    for name, content in (
        ("a.jsonl", '{"video": "v0", "captions": "a dog"}\n{"video": "v1", "captions": "a cat"}\n'),
        ("a.tsv", "video\tcaption\nv0\ta dog\nv1\ta cat\n"),
        ("A.CSV", "video,caption\nv0 ,a dog\nv1,a cat\n"),
    ):
        (table.parent / name).write_text(content)
        test = open_dataset(DataSpec(name="table", held_out_table=str(table.parent / name))).test
        assert test is not None
        assert test.captions == ((0, "a dog"), (1, "a cat"))


def test_videos_of_both_tables_are_known_again_wherever_they_lie(table, tmp_path):
    """A selection that looked at a test video looked at test, whatever the video is called there."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "copy.mp4").write_bytes((table.parent / "v1.mp4").read_bytes())
    write_clip(other / "v0.mp4", range(10), Fraction(1, 10), offset=9000)  # another video of the same name
    (other / "empty.mp4").write_bytes(b"")
    (table.parent / "empty.mp4").write_bytes(b"")

    def split(path: Path, *videos: str) -> Split:
        path.write_text("".join(json.dumps({"video": video, "caption": "a dog"}) + "\n" for video in videos))
        return open_dataset(DataSpec(name="table", validation_table=str(path))).part("validation")

    ours = split(table.parent / "a.jsonl", "v0", "v1", "empty")
    assert overlaps(ours.fingerprint(), ours)
    assert overlaps(ours.fingerprint(), split(other / "a.jsonl", "v0", "copy"))
    assert not overlaps(ours.fingerprint(), split(other / "b.jsonl", "v0", "empty"))
    assert json.loads(json.dumps(ours.fingerprint())) == ours.fingerprint()
