"""Brace patterns, and the fingerprint of a list of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate import UserError
from animate.recipe import SourceRecipe
from animate.sources.folder import Folder
from animate.sources.paths import expand_braces
from tests.support.corpora import write_images


@given(first=st.integers(0, 30), count=st.integers(1, 20), width=st.integers(2, 5))
def test_brace_ranges_count_with_leading_zeros(first, count, width):
    pattern = f"x-{{{first:0{width}d}..{first + count - 1:0{width}d}}}.tar"
    assert expand_braces(pattern) == [f"x-{i:0{width}d}.tar" for i in range(first, first + count)]


def test_braces_nest_and_list():
    assert expand_braces("{a,b}/{1..2}") == ["a/1", "a/2", "b/1", "b/2"]
    assert expand_braces("plain") == ["plain"]


def test_a_brace_without_another_is_the_users_fault():
    with pytest.raises(UserError, match=r"\{a,b.*a brace has no other"):
        expand_braces("{a,b")


def test_the_fingerprint_follows_the_corpus_not_its_place(tmp_path):
    for name in ("here", "there"):
        write_images(tmp_path / name, "a.jpg", "b.jpg")
    prints = [
        Folder(SourceRecipe(name="folder", path=str(tmp_path / n))).fingerprint() for n in ("here", "there")
    ]
    assert prints[0] == prints[1]
    write_images(tmp_path / "there", "c.jpg")
    assert Folder(SourceRecipe(name="folder", path=str(tmp_path / "there"))).fingerprint() != prints[0]
