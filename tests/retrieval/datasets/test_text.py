"""Text files that others wrote: read as UTF-8, or refused by file and line."""

import csv
import gzip
import json

import pytest

from retrieval.datasets.text import captions_of, read_csv, read_json, read_jsonl, read_list, read_records
from retrieval.errors import DataError

READERS = {
    "list.txt": read_list,
    "table.csv": lambda path: read_csv(path, ["video"]),
    "rows.jsonl": read_jsonl,
    "records.json": read_json,
}
#: What each reader reads without complaint.
SOUND = {
    "list.txt": "video0\nvideo1\n",
    "table.csv": "video,caption\nv0,a café\n",
    "rows.jsonl": '{"video": "v0"}\n{"video": "café"}\n',
    "records.json": '["a",\n "café"]',
}


@pytest.fixture(params=READERS)
def case(request, tmp_path):
    """The reader of a kind of file, a place for one, and sound content for it."""
    return READERS[request.param], tmp_path / request.param, SOUND[request.param]


def test_utf8_is_read_with_and_without_a_byte_order_mark(case):
    read, path, sound = case
    path.write_text(sound, encoding="utf-8-sig")
    marked = read(path)
    path.write_text(sound, encoding="utf-8")
    assert marked == read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"video,caption\nv0,caf\xe9\n", "line 2: is not UTF-8 (byte 0xe9 at 20)"),
        ("video\nv0\n".encode("utf-16"), 'is UTF-16 (Excel\'s "Unicode text")'),
        ("video\nv0\n".encode("utf-16-le"), "line 1: holds a NUL byte"),
        (b"video\nv\0\n", "line 2: holds a NUL byte"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "is a web page"),
    ],
)
def test_what_is_no_such_text_is_named_with_its_line(case, content, message):
    read, path, _ = case
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)


def test_a_line_of_jsonl_ends_at_a_line_feed_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    captions = [f"before{mark}after" for mark in "\u2028\u2029\x85"]
    rows = [json.dumps({"caption": caption}, ensure_ascii=False) for caption in captions]
    path.write_bytes(("\r\n".join(rows) + "\r\n\r\n").encode())
    assert [row.cells["caption"] for row in read_jsonl(path)] == captions
    assert read_jsonl(path)[1].where == f"{path}, line 2"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"video": "v1"', "line 2: is not JSON: "),
        ('["v1"]', 'line 2: must be an object such as {…}, not ["v1"]'),
        ("7", "line 2: must be an object such as {…}, not 7"),
        ("[" * 100_000, "line 2: is JSON that cannot be read: "),
        ("9" * 5000, "line 2: is JSON that cannot be read: "),
    ],
    ids=["cut", "list", "number", "deep", "long"],
)
def test_a_line_that_is_no_row_is_named(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text('{"video": "v0"}\n' + line + "\n")
    with pytest.raises(DataError) as raised:
        read_jsonl(path)
    assert message in str(raised.value)


def test_csv_rows_may_go_over_lines_and_be_quoted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'video,caption\r\nv0,"a dog,\r\nrunning"\r\n\r\nv1,"a ""cat"""\r\n')
    rows = read_csv(path, ["caption"])
    assert [row.cells["caption"] for row in rows] == ["a dog,\r\nrunning", 'a "cat"']
    assert [row.where for row in rows] == [f"{path}, line 2", f"{path}, line 5"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("v1", "line 3: 1 cells, but the header has video, caption"),
        ("v1,a dog, running", "line 3: 3 cells, but the header has video, caption"),
        ('v1,"a dog', "line 3: is no row of csv: "),
        (f"v1,{'x' * 200_000}", "line 3: is no row of csv: field larger than field limit"),
    ],
    ids=["few", "many", "quote", "long"],
)
def test_a_csv_row_that_does_not_fit_the_header_is_named(tmp_path, row, message):
    path = tmp_path / "a.csv"
    path.write_text(f"video,caption\nv0,a cat\n{row}\nv2,a cow\n")
    before = csv.field_size_limit(131_072)  # the limit is the whole process's, and others have raised it
    try:
        with pytest.raises(DataError) as raised:
            read_csv(path, ["video", "caption"])
    finally:
        csv.field_size_limit(before)
    assert message in str(raised.value)


def test_captions_are_one_text_or_a_list_of_texts():
    assert captions_of("a moving test card", "here") == ["a moving test card"]
    assert captions_of(["a", " b"], "here") == ["a", " b"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "here = null: must be text"),
        (7, "here = 7: must be text"),
        (["a", 7], "here = 7: must be text"),
        (["a", ["b"]], 'here = ["b"]: must be text'),
        ({"en": "a"}, 'here = {"en": "a"}: must be text'),
        ([], "here: an empty list"),
        ("", 'here = "": must not be blank'),
        (["a", " \t"], r'here = " \t": must not be blank'),
        ("half \ud800", r'here = "half \ud800": holds half a character'),
        ("a\0b", r'here = "a\u0000b": holds half a character (a lone surrogate) or NUL'),
        ({"x": "y" * 100}, "yyy…: must be text"),
    ],
)
def test_what_is_no_caption_is_refused_with_its_place(value, message):
    with pytest.raises(DataError) as raised:
        captions_of(value, "here")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"sentences": {"caption": "a"}}, 'sentences: must be a list, not {"caption": "a"}'),
        ({"videos": []}, "sentences: must be a list, not null"),
        (["a"], 'must be an object such as {…}, not ["a"]'),
        ({"sentences": [{"caption": "a"}, "b"]}, 'sentences[1]: must be an object such as {…}, not "b"'),
    ],
)
def test_annotations_of_another_form_are_named_with_their_place(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as raised:
        read_records(path, "sentences")
    assert message in str(raised.value)


def test_a_cut_gzip_file_is_named(tmp_path):
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'["a"]')[:-10])
    with pytest.raises(DataError, match=r"a\.json\.gz: cannot be read: "):
        read_json(path)
