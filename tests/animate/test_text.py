"""Text that came from anywhere becomes text that can be written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.data import Fault
from animate.seen import SeenKeys
from animate.text import file_bytes, printable

#: Everything that a Python string can hold, unpaired surrogates too.
ANYTHING = st.text(
    st.characters(categories=None, codec=None) | st.integers(0xD800, 0xDFFF).map(chr), max_size=20
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich \U0001f600", "Zürich \U0001f600"),
        ("caf\udce9", "caf\ufffd"),  # a byte that was not UTF-8, escaped
        ("cut \ud83d", "cut \ufffd"),  # half of a pair, as JSON may spell it
        ("\udc00\udfff\ud800", "\ufffd\ufffd\ufffd"),
    ],
)
def test_what_is_no_character_is_shown_as_the_replacement(text, shown):
    assert printable(text) == shown


@given(ANYTHING)
def test_any_text_can_be_shown_named_and_hashed(text):
    printable(text).encode("utf-8")
    file_bytes(text)
    assert SeenKeys().add([text, text]).tolist() == [False, True]
    Fault("bad_row", text).message.encode("utf-8")


@given(st.binary(max_size=20))
def test_bytes_of_a_file_name_come_back(name):
    assert file_bytes(name.decode("utf-8", "surrogateescape")) == name
