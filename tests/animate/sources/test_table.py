"""Tables whose rows name images or hold them."""

import base64

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.corpora import JPEG, carried_by, read, write_images, write_rows
from tests.support.texts import captions, few


@few
@given(st.lists(st.lists(captions, min_size=1, max_size=4, unique=True), min_size=1, max_size=5))
def test_several_captions_come_as_lists_or_as_neighbouring_rows(tmp_path, groups):
    write_images(tmp_path, *(f"{i}.jpg" for i in range(len(groups))))
    lists = [{"image": f"{i}.jpg", "captions": texts} for i, texts in enumerate(groups)]
    long = [{"image": f"{i}.jpg", "caption": text} for i, texts in enumerate(groups) for text in texts]
    expected = [tuple(texts) for texts in groups]
    for name, records in (("l.jsonl", lists), ("l.parquet", lists), ("n.csv", long), ("n.tsv", long)):
        path = write_rows(tmp_path / name, records)
        assert [row.captions for row in read(path, tmp_path, clean_captions=False)] == expected


@pytest.mark.parametrize("nested", [True, False])
def test_images_may_stand_in_parquet_cells(tmp_path, nested):
    images = [JPEG + bytes([i]) for i in range(5)]
    cells = [{"bytes": image, "path": None} if nested else image for image in images]
    table = pa.table({"image": cells, "text": [f"c{i}" for i in range(5)], "licence": ["CC0"] * 5})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    rows = read(tmp_path / "t.parquet", tmp_path)
    assert [row.image for row in rows] == images
    assert [row.key for row in rows] == [f"t-{i:06d}" for i in range(5)]
    assert carried_by(rows[4]) == {"licence": "CC0"}


def test_images_may_stand_in_text_as_base64(tmp_path):
    image = JPEG + bytes(300)
    path = write_rows(tmp_path / "t.jsonl", [{"image": base64.b64encode(image).decode(), "text": "x"}])
    (row,) = read(path, tmp_path)
    assert row.image == image


def test_several_tables_are_one_corpus_in_sorted_order(tmp_path):
    folder = tmp_path / "tables"
    for i in (2, 0, 1):
        write_rows(folder / f"{i}.csv", [{"image": f"{i}.jpg", "caption": f"c{i}"}])
    for src in (folder, folder / "*.csv", folder / "{0..2}.csv"):
        assert [row.key for row in read(src, tmp_path)] == ["0", "1", "2"]
