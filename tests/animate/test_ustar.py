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


@given(
    st.lists(
        st.tuples(st.binary(max_size=700), st.binary(max_size=700), st.binary(max_size=1500)), max_size=4
    )
)
def test_samples_are_found_without_reading_their_media(contents):
    """Each extent, read alone, gives the sample as reading the whole tar does."""
    tar = bytearray()
    for i, members in enumerate(contents):
        for suffix, content in zip(("00.jpg", "json", "txt"), members, strict=True):
            tar += b"".join(ustar.member(f"clip{i}_0.{suffix}", content))
    tar += ustar.end(len(tar))
    found = list(ustar.index_samples(io.BytesIO(tar), "json"))
    assert [wanted for _, wanted in found] == [json for _, json, _ in contents]
    alone = [list(ustar.read_samples(io.BytesIO(tar[e.start : e.stop]))) for e, _ in found]
    assert [sample for samples in alone for sample in samples] == list(ustar.read_samples(io.BytesIO(tar)))
    assert [extent.key for extent, _ in found] == [f"clip{i}_0" for i in range(len(contents))]


@pytest.mark.parametrize("length", [0, 100, 512, 700])
def test_an_index_of_a_tar_that_breaks_off_is_refused(length):
    tar = b"".join(ustar.member("a_0.json", bytes(100)))[:length]
    with pytest.raises(ValueError, match="not a whole tar"):
        list(ustar.index_samples(io.BytesIO(tar), "json"))
