"""Lists of addresses."""

from animate.recipe import FilterRecipe
from tests.support.address_lists import read_list
from tests.support.corpora import statuses


def test_the_same_address_twice_may_be_refused(server, fetch, tmp_path):
    lines = [f"a,{server}/1.jpg,CC0", f"b,{server}/1.jpg,CC0"]
    rows = read_list(tmp_path, lines, fetch, filters=FilterRecipe(duplicates="url"))
    assert statuses(rows) == [
        "ok",
        "duplicate_image",
    ]
