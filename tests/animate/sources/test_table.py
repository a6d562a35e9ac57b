"""Tables whose rows name images or hold them."""

import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.data import Sample
from animate.sources import SourceError
from tests.support.corpora import JPEG, carried_by, read, statuses, write_images, write_rows
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


def test_paths_are_found_however_they_are_written(tmp_path):
    write_images(tmp_path, "img/a.jpg", "img/b c.jpg", "back\\slash.jpg", "~tilde/x.jpg")
    paths = [
        f"file://{tmp_path}/img/a.jpg", f"file://{tmp_path}/img/b%20c.jpg", "img\\a.jpg", "./img/a.jpg",
        "img//b c.jpg", " img/b c.jpg ", str(tmp_path / "img/a.jpg"), "img/../img/a.jpg", "back\\slash.jpg",
        "~tilde/x.jpg",
    ]  # fmt: skip
    write_rows(
        tmp_path / "t.jsonl", [{"id": i, "image": path, "caption": "c"} for i, path in enumerate(paths)]
    )
    rows = read(tmp_path / "t.jsonl", tmp_path, key_column="id")
    assert statuses(rows) == ["ok"] * len(paths)
    assert rows[0].image == rows[2].image == JPEG + b"img/a.jpg"


def test_images_outside_the_tables_folder_are_refused_unless_that_is_asked_for(tmp_path, monkeypatch):
    write_images(tmp_path, "secret.jpg", "table/in.jpg", "table/sub/y.jpg", "table-beside/x.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = [
        "in.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), f"file://{tmp_path}/secret.jpg",
        "~/secret.jpg",
        "sub/../../secret.jpg", "..\\secret.jpg", "../table-beside/x.jpg",
    ]  # fmt: skip
    table = write_rows(
        tmp_path / "table" / "t.jsonl",
        [{"id": i, "image": path, "caption": "c"} for i, path in enumerate(paths)],
    )
    assert statuses(read(table, tmp_path, key_column="id")) == ["ok", *["outside_folder"] * 7]
    assert statuses(read(table, tmp_path, key_column="id", allow_outside=True)) == ["ok"] * 8


def test_a_cell_of_hugging_face_may_name_its_image(tmp_path):
    write_images(tmp_path, "a.jpg")
    cells = [
        {"bytes": None, "path": "a.jpg"},
        {"bytes": JPEG, "path": "a.jpg"},
        {"bytes": None, "path": None},
    ]
    cells += [{"bytes": None, "path": "none.jpg"}, {"bytes": None, "path": "../a.jpg"}]
    (tmp_path / "t").mkdir()
    write_rows(tmp_path / "t.parquet", [{"image": cell, "caption": "c"} for cell in cells])
    rows = read(tmp_path / "t.parquet", tmp_path)
    assert statuses(rows) == ["ok", "ok", "missing_file", "missing_file", "outside_folder"]
    assert [row.image for row in rows[:2]] == [JPEG + b"a.jpg", JPEG]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_images_are_found_in_every_kind_of_bytes(tmp_path, kind):
    table = pa.table({"jpg": pa.array([JPEG, None], kind), "caption": ["a", "b"]})
    try:
        pq.write_table(table, tmp_path / "t.parquet")
    except pa.ArrowNotImplementedError as error:  # the lowest release allowed cannot write views
        pytest.skip(str(error))
    rows = read(tmp_path / "t.parquet", tmp_path)
    assert statuses(rows) == ["ok", "missing_file"]


@pytest.mark.parametrize("said", [["x", "y"], [{"caption": "x"}, {"caption": "y"}], [["x", "z"], ["y"]]])
def test_an_object_may_say_something_of_each_image_by_its_name(tmp_path, said):
    write_images(tmp_path, "a.jpg", "b.png")
    (tmp_path / "t.json").write_text(json.dumps(dict(zip(("a.jpg", "b.png"), said, strict=True))))
    rows = read(tmp_path / "t.json", tmp_path)
    assert [(row.key, row.captions[0]) for row in rows] == [("a", "x"), ("b", "y")]


def test_columns_of_several_files_may_differ_in_case(tmp_path):
    (tmp_path / "t").mkdir()
    for i, names in enumerate([("image", "TEXT", "n"), ("Image", "text", "N"), ("IMAGE", "Text", "n")]):
        table = pa.table(dict(zip(names, ([JPEG + bytes([i])], [f"c{i}"], [i]), strict=True)))
        pq.write_table(table, tmp_path / f"t/{i}.parquet")
    rows = read(tmp_path / "t", tmp_path)
    assert [(row.image[-1], row.captions, carried_by(row)) for row in rows] == [
        (i, (f"c{i}",), {"n": i}) for i in range(3)
    ]
    pq.write_table(pa.table({"text": ["c"]}), tmp_path / "t/3.parquet")
    with pytest.raises(SourceError, match=r"3\.parquet' has no images in 'image'"):
        read(tmp_path / "t", tmp_path)
    write_images(tmp_path / "u", "0.jpg", "1.jpg")
    write_rows(tmp_path / "u/a.tsv", [{"image": "0.jpg", "caption": "zero"}])
    write_rows(tmp_path / "u/b.tsv", [{"Caption": "one", "IMAGE": "1.jpg"}])
    rows = read(tmp_path / "u/*.tsv", tmp_path)
    assert [(row.key, row.captions) for row in rows] == [("0", ("zero",)), ("1", ("one",))]


def test_images_in_a_damaged_row_group_are_rows(tmp_path):
    table = pa.table({"image": [JPEG + bytes([i]) * 50 for i in range(6)], "text": ["c"] * 6})
    path = tmp_path / "t.parquet"
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, row_group_size=2, **plain)
    data = path.read_bytes()
    first = data.index(JPEG + bytes([2]))
    path.write_bytes(data[: first - 16] + b"\xff" * 16 + data[first:])
    rows = read(path, tmp_path)
    assert statuses(rows) == ["ok", "ok", "bad_row", "bad_row", "ok", "ok"]
    assert [row.image[-1] for row in rows if isinstance(row, Sample)] == [0, 1, 4, 5]
