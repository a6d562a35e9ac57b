"""The parquet beside a tar: what it says of samples is carried, and where it cannot be read nothing is."""

import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.corpora import JPEG, carried_by, read, statuses, write_members


def corpus(tmp_path, table: pa.Table):
    path = write_members(tmp_path / "a.tar", [("a.jpg", JPEG), ("a.txt", b"words")])
    pq.write_table(table, tmp_path / "a.parquet")
    return path


def test_text_that_is_not_utf8_spoils_its_own_cell(tmp_path):
    text = pa.array([b"caf\xe9", b"b"]).cast(pa.binary()).view(pa.string())
    path = corpus(tmp_path, pa.table({"key": ["a", "b"], "place": text, "width": [5, 6]}))
    for src in (path, f"file://{path}"):
        [row] = read(src, tmp_path)
        assert statuses([row]) == ["ok"]
        assert carried_by(row)["source_width"] == 5
        row.meta["place"].encode()


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" * 100])
def test_a_damaged_one_is_told_and_counts_for_nothing(tmp_path, caplog, content):
    path = corpus(tmp_path, pa.table({"key": ["a"]}))
    (tmp_path / "a.parquet").write_bytes(content)
    for src in (path, f"file://{path}"):
        with caplog.at_level(logging.WARNING):
            assert statuses(read(src, tmp_path)) == ["ok"]
        assert "a.parquet: is not used" in caplog.text
        caplog.clear()


def test_damage_behind_its_header_too(tmp_path, caplog):
    path = corpus(tmp_path, pa.table({"key": ["a"] * 5000, "words": [str(i) for i in range(5000)]}))
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:5000] = b"\xff" * 4996
    (tmp_path / "a.parquet").write_bytes(content)
    assert statuses(read(path, tmp_path)) == ["ok"]
    assert "a.parquet: is not used" in caplog.text
