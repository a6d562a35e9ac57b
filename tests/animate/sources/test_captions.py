"""Cleaned captions say what the written ones said."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from animate.sources.captions import clean


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
