"""Lists of addresses."""

import json

import pytest

from animate.recipe import FilterRecipe, SourceRecipe
from animate.sources import open_source
from animate.sources.listing import listed_rows
from tests.support.address_lists import read_list
from tests.support.corpora import statuses


def test_the_same_address_twice_may_be_refused(server, fetch, tmp_path):
    lines = [f"a,{server}/1.jpg,CC0", f"b,{server}/1.jpg,CC0"]
    rows = read_list(tmp_path, lines, fetch, filters=FilterRecipe(duplicates="url"))
    assert statuses(rows) == [
        "ok",
        "duplicate_image",
    ]


@pytest.mark.parametrize("unknown", ["", None, 7, 0.5, {"a": 1}])
def test_a_digest_that_is_none_makes_no_two_images_one(tmp_path, unknown):
    digests = ["AB12", unknown, "ab12", unknown]
    rows = [{"url": f"http://x.org/{i}", "caption": "c", "sha256": x} for i, x in enumerate(digests)]
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = SourceRecipe(name="urls", path=str(path), filters=FilterRecipe(duplicates="sha256"))
    frozen = open_source(recipe).freeze(tmp_path, 10)
    found = listed_rows(tmp_path / frozen.parts[0].path, 0, None, frozen.columns)
    assert [row.fault.status if row.fault else "" for row in found] == ["", "", "duplicate_image", ""]
