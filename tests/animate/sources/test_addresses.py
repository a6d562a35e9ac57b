"""Addresses as lists write them, in ASCII; every row of a list with its own fate."""

import re
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.sources.addresses import BadAddress, clean_address
from tests.support.address_lists import listed, read_list
from tests.support.corpora import PHOTOGRAPH

#: Characters of any kind, with bytes that are not UTF-8 and halves of pairs.
raw = st.characters(exclude_categories=()) | st.sampled_from("/:@?#[]%.-_\udce9")


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("http://x.org/1.jpg?a=1&b=%20#c", "http://x.org/1.jpg?a=1&b=%20#c"),
        ("http://x.org/a b.jpg", "http://x.org/a%20b.jpg"),
        ("http://x.org/café.jpg", "http://x.org/caf%C3%A9.jpg"),
        ("http://x.org/caf\udce9.jpg", "http://x.org/caf%E9.jpg"),
        (" http://x.org/\x00a\tb? ", "http://x.org/%00ab?"),
        ("http://x.org/\ud800.jpg", "http://x.org/%EF%BF%BD.jpg"),
        ("HTTP://Bücher.example:8080/a|b", "http://xn--bcher-kva.example:8080/a%7Cb"),
        ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
        ("http://me:secret@日本語.jp/x", "http://me:secret@xn--wgv71a119e.jp/x"),
        ("http://☃.net/x", "http://xn--n3h.net/x"),
        ("http://with_line.example.org/x", "http://with_line.example.org/x"),
        ("http://[2606:4700::1111]:80/é", "http://[2606:4700::1111]:80/%C3%A9"),
        ("ftp://x.org/é", "ftp://x.org/%C3%A9"),
    ],
)
def test_an_address_in_ascii(written, clean):
    assert clean_address(written) == clean
    assert clean_address(clean) == clean


@pytest.mark.parametrize(
    "written",
    [
        *(
            "a dog",
            "www.x.org/1.jpg",
            "//x.org/1.jpg",
            "http://",
            "http:///x",
            "http://[x/1",
            "http://x:99999/",
        ),
        "http://a..org/",
        f"http://{'é' * 64}.example/",
        f"http://{'x' * 64}.org/",
        "http://a b.org/",
        "http://\udce9/",
    ],
)
def test_what_is_no_address(written):
    with pytest.raises(BadAddress, match=r"http|no host name|not an address"):
        clean_address(written)


@given(st.sampled_from(["http://x.org/", "http://", "https://é.example:80/?", "", "ftp:"]), st.text(raw))
def test_any_text_is_an_address_in_ascii_or_none(start, text):
    try:
        clean = clean_address(start + text)
    except BadAddress as error:
        str(error).encode()
        return
    assert clean.isascii() and not re.search(r"[\x00-\x20\x7f]", clean)
    assert clean_address(clean) == clean
    urllib.request.Request(clean)


def test_one_byte_that_is_not_utf8_costs_no_row(tmp_path):
    lines = [b"good,http://x.org/1.jpg", b"latin,http://x.org/caf\xe9.jpg", b"none,http://\xe9/", b"word,dog"]
    rows = listed(tmp_path, lines)
    assert [row.file for row in rows[:2]] == ["http://x.org/1.jpg", "http://x.org/caf%E9.jpg"]
    assert [row.fault.status if row.fault else "" for row in rows] == ["", "", "bad_url", "bad_url"]
    # What the list wrote stays, where it is text.
    assert [row.meta["url"] for row in rows[:2]] == [row.file for row in rows[:2]]


def test_such_rows_are_downloaded_and_counted(server, fetch, tmp_path):
    lines = [f"a,{server}/1.jpg,x", f"b,{server}/é.jpg,x", f"c,{server}/caf\udce9.jpg,x", "d,\udce9,x"]
    first, second, third, last = read_list(tmp_path, lines, fetch)
    assert [first.image, second.image, third.image] == [PHOTOGRAPH] * 3
    assert second.meta["url"] == f"{server}/é.jpg"
    assert third.meta["url"] == f"{server}/caf%E9.jpg"
    assert last.fault.status == "bad_url"
