"""Spellings of licences: what is one and the same, and what only looks so."""

import pytest

from animate.recipe import FilterRecipe
from animate.sources.licences import is_one_of, licence_column, stated_licence


@pytest.mark.parametrize(
    "licence",
    [
        "cc-by",
        "CC BY 4.0",
        "CC-BY-2.0",
        "cc_by_3.0",
        "cc-by-2.0-uk",
        "https://creativecommons.org/licenses/by/4.0/",
        "http://www.creativecommons.org/licenses/by/2.0/legalcode",
        "https://creativecommons.org/licenses/by/2.0/uk/",
        "https://creativecommons.org/licenses/by/4.0/deed.en",
        "https://creativecommons.org/licenses/by/",
    ],
)
def test_spellings_of_one_licence(licence):
    assert is_one_of(licence, ["cc-by"])
    assert is_one_of(licence, ["cc0", "CC BY"])


@pytest.mark.parametrize(
    "licence",
    [
        "CC BY-NC 4.0",
        "cc-by-sa",
        "CC BY-ND",
        "cc0",
        "",
        "?",
        "http://creativecommons.org/licenses/by-nc/2.0/",
        "CC BY 4.0 NC",
        "CC-BY-2.0-SA",
        "cc by 4.0 nd",
        "CC BY 4.0 (NC)",
        "CC BY 非営利",
        "https://creativecommons.org/licenses/by%2Dnc/2.0/",
        "https://creativecommons.org/licenses/by_nc/2.0/",
        "https://creativecommons.org/licenses/by/2.0/ NonCommercial",
        "https://creativecommons.org/licenses/by/2.0/, https://creativecommons.org/licenses/by-nc/2.0/",
    ],
)
def test_what_is_narrower_is_another(licence):
    assert not is_one_of(licence, ["cc-by"])


def test_a_release_that_is_asked_for_is_meant():
    assert is_one_of("CC BY 4.0", ["cc-by-4.0"])
    assert not is_one_of("CC BY 2.0", ["cc-by-4.0"])
    assert is_one_of("https://creativecommons.org/publicdomain/zero/1.0/", ["CC0"])
    assert is_one_of("Attribution License", ["attribution license"])
    assert not is_one_of("Attribution License", [""])


def test_the_column_is_found_by_its_name_or_the_recipes():
    assert licence_column(["a", "Rights", "license_url"], FilterRecipe()) == "Rights"
    assert licence_column(["license", "terms"], FilterRecipe(licence_column="terms")) == "terms"
    assert licence_column(["a"], FilterRecipe()) == ""
    assert stated_licence({"terms": " CC0 "}, "terms") == "CC0"
    assert (
        stated_licence({"terms": None}, "terms")
        == stated_licence({}, "terms")
        == stated_licence({}, "")
        == ""
    )
