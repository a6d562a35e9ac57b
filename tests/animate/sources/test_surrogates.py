"""An unpaired surrogate anywhere in JSON text is one row, or a replacement character; no more is lost."""

import json

import pytest

from animate.build import build_shards
from animate.data import Rejected
from animate.executor import HERE
from animate.recipe import FilterRecipe, SourceRecipe, read_recipe
from animate.shards.place import Place
from animate.shards.read import read_table
from animate.shards.verify import verify
from animate.sources import open_source
from animate.sources.listing import listed_rows
from tests.support.corpora import PHOTOGRAPH, read, statuses, write_members

HALF = "half \ud83d of a pair"


def write_table(folder, **changes) -> str:
    """Three rows, of which the middle one has `changes`."""
    rows = [{"key": f"k{i}", "image": f"{i}.jpg", "caption": f"caption {i}", "note": "n"} for i in range(3)]
    rows[1].update(changes)
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(PHOTOGRAPH)
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "t.jsonl")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"caption": HALF}, "caption_not_utf8"),
        ({"note": HALF}, "ok"),
        ({"note": {"nested": [HALF]}}, "ok"),
        ({HALF: "a column of this name"}, "ok"),
        ({"key": HALF}, "ok"),
        ({"image": f"{HALF}.jpg"}, "missing_file"),
    ],
    ids=["caption", "field", "nested field", "name of a field", "key", "file"],
)
def test_a_table_with_one_is_built_whole(tmp_path, changes, status):
    path = write_table(tmp_path, **changes)
    rows = read(path, tmp_path)
    assert statuses(rows) == ["ok", status, "ok"]
    once = read(path, tmp_path, filters=FilterRecipe(duplicates="sha256"))
    assert statuses(once) == ["ok", *(["duplicate_image"] if status == "ok" else [status]), "duplicate_image"]
    settings = ["source.name=table", f"source.path={path}", "video.format=virtual"]
    report = build_shards(read_recipe(None, settings), tmp_path / "out", HERE)
    assert report.complete and report.inputs == 3 and report.clips == (3 if status == "ok" else 2)
    assert verify(str(tmp_path / "out")) == []
    if "note" in changes:
        assert "\ufffd" in read_table(Place.at(tmp_path / "out"), "00000")["note"].to_pylist()[1]


@pytest.mark.parametrize(("field", "status"), [("caption", "caption_not_utf8"), ("note", "ok")])
def test_a_json_member_with_one_is_one_row(tmp_path, field, status):
    members = []
    for i in range(3):
        record = {"caption": f"caption {i}", "note": "n", **({field: HALF} if i == 1 else {})}
        members += [(f"{i}.jpg", PHOTOGRAPH), (f"{i}.json", json.dumps(record).encode())]
    path = write_members(tmp_path / "a.tar", members)
    for src in (path, f"file://{path}"):
        assert statuses(read(src, tmp_path)) == ["ok", status, "ok"]


def test_an_address_with_one_can_be_asked_for(tmp_path):
    (tmp_path / "list.jsonl").write_text(
        "".join(
            json.dumps({"url": f"http://x.org/{name}.jpg", "caption": "c"}) + "\n" for name in ("a", HALF)
        )
    )
    source = SourceRecipe(name="urls", path=str(tmp_path / "list.jsonl"))
    frozen = open_source(source).freeze(tmp_path, 10)
    rows = list(listed_rows(tmp_path / frozen.parts[0].path, 0, None, frozen.columns))
    assert rows[1].file == "http://x.org/half%20%EF%BF%BD%20of%20a%20pair.jpg"
    assert not any(isinstance(row, Rejected) for row in rows)


def test_a_caption_with_one_in_a_row_that_is_rejected_anyway(tmp_path):
    """The other rows of the list are there, and the caption as far as it is text."""
    rows = [{"url": "http://x.org/1.jpg", "caption": "c"}, {"url": "dog", "caption": HALF}, {"caption": HALF}]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = SourceRecipe(name="urls", path=str(tmp_path / "list.jsonl"))
    frozen = open_source(source).freeze(tmp_path, 10)
    found = list(listed_rows(tmp_path / frozen.parts[0].path, 0, None, frozen.columns))
    assert [row.fault.status if row.fault else "" for row in found] == ["", "bad_url", "bad_row"]
    assert [row.captions for row in found[1:]] == [(HALF.replace("\ud83d", "\ufffd"),)] * 2
