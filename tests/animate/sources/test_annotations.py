"""Annotation files in COCO's form as `--src`, whoever made them."""

import json
from pathlib import Path

import pytest

from animate.sources import SourceError
from animate.sources.resolve import resolve_src
from tests.support.corpora import JPEG, carried_by, put, read, statuses, write_images

COCO = {
    "info": {},
    "licenses": [{"id": 7, "name": "CC0", "url": "http://l"}],
    "images": [
        {"id": 2, "file_name": "b.jpg", "license": 7, "flickr_url": "http://b"},
        {"id": 1, "file_name": "a.jpg"},
        {"id": 3, "file_name": "gone.jpg"},
        {"id": 4, "file_name": "sub/d.jpg"},
        {"id": 5, "height": 3},
        "nonsense",
    ],
    "annotations": [
        {"image_id": 1, "id": 1, "caption": "ay"},
        {"image_id": 2, "id": 2, "caption": "bee"},
        {"image_id": 1, "id": 3, "caption": "ay again"},
        {"image_id": 3, "id": 4, "caption": "gone"},
        {"image_id": 9, "id": 5, "caption": "of no image"},
        {"image_id": 4, "id": 6, "bbox": [1, 2, 3, 4]},
        {"id": 7, "caption": "of nothing"},
        None,
    ],
}


@pytest.mark.parametrize("where", ["", "images/"])
@pytest.mark.parametrize("name", ["coco.json", "anything.json", "captions_val.json"])
def test_captions_are_joined_to_images_beside_the_file_or_in_images(tmp_path, where, name):
    corpus = tmp_path / "corpus"
    write_images(corpus, *(f"{where}{image}" for image in ("a.jpg", "b.jpg", "sub/d.jpg", "unlisted.jpg")))
    put(corpus / name, COCO)
    rows = read(corpus / name, tmp_path)
    assert [row.key for row in rows] == [
        "b",
        "a",
        "gone",
        "sub%2Fd",
        *(f"{Path(name).stem}-00000{i}" for i in (4, 5)),
    ]
    assert statuses(rows) == ["ok", "ok", "missing_file", "missing_caption", "bad_row", "bad_row"]
    assert (rows[0].captions, rows[1].captions) == (("bee",), ("ay", "ay again"))
    assert rows[0].image == JPEG + f"{where}b.jpg".encode()
    assert carried_by(rows[0])["license"] == "CC0"


def test_a_folder_may_have_its_captions_in_such_a_file(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "images/a.jpg", "images/b.jpg", "images/unlisted.jpg")
    put(corpus / "captions.json", COCO | {"images": COCO["images"][:2]})
    rows = read(corpus, tmp_path)
    assert [(row.key, row.captions) for row in rows] == [
        ("images%2Fb", ("bee",)), ("images%2Fa", ("ay", "ay again")), ("images%2Funlisted", ())
    ]  # fmt: skip


def test_only_objects_with_lists_of_both_are_such_files(tmp_path):
    path = tmp_path / "rows.json"
    for value in (
        [{"images": [], "annotations": []}],
        {"images": ["a.jpg"], "captions": ["x"]},
        [{"file": "a.jpg", "caption": "x"}],
    ):
        path.write_text(json.dumps(value))
        assert resolve_src(str(path))["name"] == "table"
    path.write_text(json.dumps({"images": [], "annotations": []}))
    assert resolve_src(str(path))["name"] == "annotations"


def test_other_columns_are_carried_and_text_may_have_another_name(tmp_path):
    put(tmp_path / "a.jpg", JPEG)
    coco = {
        "images": [{"id": "x", "file_name": "a.jpg", "author": "me"}],
        "annotations": [{"image_id": "x", "text": "words"}],
    }
    put(tmp_path / "c.json", coco)
    (row,) = read(tmp_path / "c.json", tmp_path)
    assert (row.captions, carried_by(row)["author"]) == (("words",), "me")
    put(tmp_path / "c.json", '{"images": [], "annotations": [')
    with pytest.raises(SourceError, match="not JSON"):
        read(tmp_path / "c.json", tmp_path)
