"""Files of rows: what was written is read, and lines that cannot be read are rows too."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.sources import SourceError, table_files
from animate.sources.table_files import BAD_ROW, table_rows
from tests.support.corpora import carried_by, read, statuses, write_images, write_rows
from tests.support.texts import captions, few


@few
@given(
    texts=st.lists(captions, min_size=1, max_size=7),
    suffix=st.sampled_from(["csv", "tsv", "json", "jsonl", "parquet"]),
    packed=st.booleans(),
)
def test_tables_give_back_what_was_written(tmp_path, texts, suffix, packed):
    records = [{"image": f"{i}.jpg", "caption": text, "n": str(i)} for i, text in enumerate(texts)]
    write_images(tmp_path, *(record["image"] for record in records))
    path = write_rows(tmp_path / f"t.{suffix}{'.gz' if packed else ''}", records)
    rows = read(path, tmp_path, clean_captions=False)
    assert [(row.key, row.captions, carried_by(row)) for row in rows] == [
        (str(i), (text,), {"n": str(i)}) for i, text in enumerate(texts)
    ]


def test_lines_that_cannot_be_read_are_rows(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'{"image": "a.jpg", "caption": "ok"}\n{broken\n[1]\n{"caption": "x"}\n{"image": "a.jpg"}\n'
    )
    rows = read(path, tmp_path)
    assert statuses(rows) == ["ok", "bad_row", "bad_row", "bad_row", "duplicate_key"]
    (tmp_path / "t.csv").write_bytes(b"image,caption\na.jpg,caf\xe9\nx,y,z\n")
    assert statuses(read(tmp_path / "t.csv", tmp_path)) == ["caption_not_utf8", "bad_row"]
    packed = gzip.compress(b"image,caption\n" + b"".join(b"a.jpg,%d\n" % i**3 for i in range(50_000)))
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    assert statuses(read(tmp_path / "t.csv.gz", tmp_path)) == ["ok", "bad_row"]
    (tmp_path / "t.csv.gz").write_bytes(packed[:30])
    with pytest.raises(SourceError, match="breaks off"):
        read(tmp_path / "t.csv.gz", tmp_path)


def test_parquet_text_that_is_not_utf8_rejects_its_own_row_only(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    raw = pa.array([b"fine", b"caf\xe9"], pa.binary())
    broken = pa.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"image": ["a.jpg", "b.jpg"], "caption": broken}), tmp_path / "t.parquet")
    assert statuses(read(tmp_path / "t.parquet", tmp_path)) == ["ok", "caption_not_utf8"]


@pytest.mark.parametrize(
    ("lines", "right"),
    [
        (['a,"unclosed', "b,swallowed", "c,so too"], ["", "swallowed", "so too"]),
        (['a,"unclosed', "b,between", 'c,"closed"', "d,after"], ["", "between", "closed", "after"]),
        (["a,fine", 'b,"unclosed at the end'], ["fine", ""]),
        (['a,"unclosed', 'b,"unclosed too', "c,fine"], ["", "", "fine"]),
        (['a,"two', 'lines"', "b,fine"], ["two\nlines", "fine"]),
        (['a,"a ""quoted"" word"', 'b,"text" behind'], ['a "quoted" word', "text behind"]),
    ],
)
@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_quote_that_is_not_closed_spoils_its_own_line_alone(tmp_path, lines, right, ending):
    (tmp_path / "t.csv").write_text("\n".join(["image,caption", *lines]) + ending)
    rows = list(table_rows(str(tmp_path / "t.csv")))
    assert [row.get("caption", "") for row in rows] == right
    assert all("a quote is not closed" in row[BAD_ROW] for row in rows if BAD_ROW in row)


def test_a_quote_that_is_never_closed_is_given_up_before_the_file_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("animate.sources.table_files._LONGEST_RECORD", 50)
    lines = ["image,caption", 'a,"unclosed', *(f"{i},row {i}" for i in range(100))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    rows = list(table_rows(str(tmp_path / "t.csv")))
    assert [row.get("caption") for row in rows] == [None, *(f"row {i}" for i in range(100))]


def test_a_column_whose_name_comes_again_is_another_column(tmp_path):
    (tmp_path / "t.csv").write_text("image,caption,caption\na.jpg,first,second\n")
    write_images(tmp_path, "a.jpg")
    [row] = read(tmp_path / "t.csv", tmp_path)
    assert (row.captions, carried_by(row)) == (("first",), {"caption_2": "second"})


def test_a_parquet_file_that_is_damaged_has_a_row_for_each_that_is_lost(tmp_path):
    content = pa.table({"url": [f"http://x.org/{i}.jpg" for i in range(9)], "text": ["a dog"] * 9})
    path = tmp_path / "t.parquet"
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(content, path, row_group_size=3, **plain)
    data = path.read_bytes()
    third = data.rindex(b"http://x.org/6.jpg")
    path.write_bytes(data[: third - 16] + b"\xff" * 16 + data[third:])
    rows = list(table_rows(str(path)))
    assert len(rows) == 9
    assert rows[:6] == [{"url": f"http://x.org/{i}.jpg", "text": "a dog"} for i in range(6)]
    assert all("damaged" in row[BAD_ROW] for row in rows[6:])


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_line_without_end_is_one_row_and_is_not_held(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(table_files, "_LONGEST_LINE", 100)
    rows = [("a.jpg", "one"), ("b.jpg", "x" * 1000), ("c.jpg", "three")]
    if suffix == ".jsonl":
        lines = [json.dumps({"image": image, "caption": caption}) for image, caption in rows]
    else:
        lines = [("," if suffix == ".csv" else "\t").join(row) for row in (("image", "caption"), *rows)]
    path = tmp_path / f"t{suffix}.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    found = list(table_rows(str(path)))
    assert [row.get("caption") for row in found] == ["one", None, "three"]
    assert "a line of more than 100 characters: " in found[1][BAD_ROW]
