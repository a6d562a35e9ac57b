"""Tar members as plain bytes, against tarfile."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate import ustar


@given(
    name=st.from_regex(r"[!-~]{1,100}", fullmatch=True) | st.from_regex(r"[一-龥ก-ฮ]{1,33}", fullmatch=True),
    content=st.binary(max_size=2000),
)
def test_a_member_reads_back_from_any_name_and_content(name, content):
    pieces = b"".join(ustar.member(name, content))
    tar = pieces + ustar.end(len(pieces))
    assert len(tar) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        (entry,) = opened.getmembers()
        assert opened.extractfile(entry).read() == content
    # A trailing slash says "folder" to old readers and is dropped; our keys have none.
    assert entry.name == name.rstrip("/") or name.endswith("/")
    assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (0, 0, 0, "", 0o644)


@pytest.mark.parametrize("name", ["", "x" * 101, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 51])
def test_a_name_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match="name"):
        ustar.member(name, b"")
