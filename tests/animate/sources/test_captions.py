"""Cleaned captions say what the written ones said."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.sources.captions import caption_texts, clean


@given(st.text(max_size=60))
def test_cleaning_again_changes_nothing_but_entities_and_leaves_one_line(text):
    once = clean(text)
    assert "&" in once or clean(once) == once
    assert once == once.strip()
    assert not any(unicodedata.category(character) == "Cc" for character in once)
    assert unicodedata.is_normalized("NFC", once)


def test_entities_controls_and_spaces():
    written = "cafe\u0301 &amp;quot;x&quot;\x00\t\u200b y\u2028z&nbsp;"
    assert clean(written) == 'caf\u00e9 "x" y z'


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("Joel&ethan", "Joel&ethan"),
        ("R&D and AT&T", "R&D and AT&T"),
        ("a&notit;b &amp &amp; c", "a&notit;b &amp & c"),
        ("caf&eacute; &amp;quot;x&amp;quot; &#233;&#xE9;", 'café "x" éé'),
    ],
)
def test_an_entity_ends_in_a_semicolon(written, cleaned):
    assert clean(written) == cleaned


def test_a_number_is_a_caption():
    assert caption_texts(2019) == ("2019",)
    assert caption_texts([1.5, "x"]) == ("1.5", "x")
    assert caption_texts(math.nan) == caption_texts(True) == caption_texts(None) == ()
