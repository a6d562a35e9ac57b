"""Tars that are damaged, or made to hurt: what can be read is read, the rest is one row, nothing hangs."""

import gzip
import tarfile
from pathlib import Path

import pytest

from animate.sources import tar_members
from animate.sources.tars import tar_stem
from tests.support.corpora import JPEG, read, statuses, write_members

BLOCK = tarfile.BLOCKSIZE
packed_or_not = pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])


def tar_of(path: Path, *keys: str) -> bytearray:
    """A tar whose samples have an image of 3 blocks and a text: 6 blocks each with the headers."""
    members = [(key + end, body) for key in keys for end, body in ((".jpg", JPEG * 100), (".txt", b"words"))]
    return bytearray(write_members(path, members).read_bytes())


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def written(path: Path, content: bytes, packed: bool) -> Path:
    """The tar, or a packed one, which is read from front to back."""
    if packed:
        path, content = path.with_suffix(".tar.gz"), gzip.compress(content)
    path.write_bytes(content)
    return path


def keys(rows) -> list[str]:
    return [row.key for row in rows]


@pytest.mark.parametrize(
    ("first", "last", "left"),
    [
        (6, 7, {"a": "ok", "b": "missing_file", "c": "ok"}),  # the header of b.jpg
        (10, 11, {"a": "ok", "b": "missing_caption", "c": "ok"}),  # that of b.txt
        (6, 12, {"a": "ok", "c": "ok"}),  # all of b
        (0, 1, {"a": "missing_file", "b": "ok", "c": "ok"}),  # the first header of all
    ],
)
@pytest.mark.parametrize("damage", [b"\xff", b"7", b"x"])
@packed_or_not
def test_samples_behind_damage_are_read(tmp_path, first, last, left, damage, packed):
    path = tmp_path / "t.tar"
    content = tar_of(path, "a", "b", "c")
    content[first * BLOCK : last * BLOCK] = damage * (BLOCK * (last - first))
    rows = read(written(path, content, packed), tmp_path)
    assert dict(zip(keys(rows), statuses(rows), strict=True)) == {
        **left,
        f"t-after-{len(left):06d}": "broken_archive",
    }
    assert "read again from byte" in rows[-1].fault.message


@packed_or_not
def test_zeros_in_the_middle_lose_no_sample_behind(tmp_path, packed):
    path = tmp_path / "t.tar"
    content = tar_of(path, "a", "b", "c")
    content[6 * BLOCK : 7 * BLOCK] = bytes(BLOCK)
    rows = read(written(path, content, packed), tmp_path)
    assert statuses(rows) == ["ok", "missing_file", "ok", "broken_archive"]


def test_a_tar_inside_a_tar_gives_no_samples_of_its_own(tmp_path):
    inner = bytes(tar_of(tmp_path / "inner.tar", "x", "y"))
    path = write_members(
        tmp_path / "t.tar", [("a.jpg", JPEG), ("a.txt", b"words"), ("b.tar", inner), ("c.jpg", JPEG)]
    )
    content = bytearray(path.read_bytes())
    place = content.index(b"c.jpg")
    content[place] = 0xFF
    path.write_bytes(content)
    assert keys(read(path, tmp_path)) == ["a", "t-after-000001"]


def test_several_damages_are_one_row(tmp_path):
    path = tmp_path / "t.tar"
    content = tar_of(path, *"abcde")
    for sample in (1, 3):
        content[sample * 6 * BLOCK : (sample * 6 + 6) * BLOCK] = b"?" * (6 * BLOCK)
    path.write_bytes(content)
    rows = read(path, tmp_path)
    assert statuses(rows) == ["ok", "ok", "ok", "broken_archive"]
    assert rows[-1].fault.message.count("read again from byte") == 2


@pytest.mark.parametrize(
    "bad",
    [
        header("b.jpg", -1024),
        header("b.jpg", -512),
        header("x", -512, tarfile.XHDTYPE),
        header("x", 2**33, tarfile.GNUTYPE_LONGNAME),
        header("x", 13, tarfile.XHDTYPE) + b"13 size=-512\n".ljust(BLOCK, b"\0") + header("b.jpg", 5),
        (header("x", 3, tarfile.GNUTYPE_LONGNAME) + b"ab\0".ljust(BLOCK, b"\0")) * 2000,
    ],
    ids=["size", "itself", "pax", "long", "pax size", "names"],
)
@packed_or_not
def test_headers_that_lead_back_or_nowhere_end(tmp_path, bad, packed):
    path = tmp_path / "t.tar"
    whole = tar_of(path, "a", "c")
    rows = read(written(path, whole[: 6 * BLOCK] + bad + whole[6 * BLOCK :], packed), tmp_path)
    assert keys(rows)[:1] == ["a"]
    assert statuses(rows).count("broken_archive") == 1
    assert "c" in keys(rows)


@pytest.mark.parametrize(
    "kind", [tarfile.REGTYPE, b"Z", tarfile.GNUTYPE_SPARSE], ids=["file", "unknown", "holes"]
)
@pytest.mark.parametrize("size", [2**40, 2**61, 2**70])
def test_a_member_that_is_said_to_end_far_behind_the_tar_is_passed_over(tmp_path, kind, size):
    path = tmp_path / "t.tar"
    whole = tar_of(path, "a", "c")
    content = whole[: 6 * BLOCK] + header("b.jpg", size, kind) + whole[6 * BLOCK :]
    path.write_bytes(content)
    rows = read(path, tmp_path)
    assert list(zip(keys(rows), statuses(rows), strict=True))[:2] == [("a", "ok"), ("c", "ok")]
    assert statuses(rows)[2:] == ["broken_archive"]
    rows = read(written(path, content, True), tmp_path)
    found = dict(zip(keys(rows), statuses(rows), strict=True))
    assert (found["a"], found["c"], statuses(rows)[-1]) == ("ok", "ok", "broken_archive")


@pytest.mark.parametrize("packed", [False, True])
def test_a_member_that_is_too_large_is_a_row(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(tar_members, "MOST_BYTES", 2000)
    members = [
        *(("a.jpg", JPEG + bytes(2000)), ("a.txt", b"words"), ("b.jpg", JPEG), ("b.txt", b"words")),
        *(
            ("c.jpg", JPEG),
            ("c.txt", bytes(2001)),
            ("d.jpg", JPEG),
            ("d.bin", bytes(9000)),
            ("d.txt", b"words"),
        ),
    ]
    path = write_members(tmp_path / "t.tar", members)
    if packed:
        path.with_suffix(".tar.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_suffix(".tar.gz")
    rows = read(path, tmp_path)
    assert dict(zip(keys(rows), statuses(rows), strict=True)) == {
        "a": "too_large", "b": "ok", "c": "missing_caption", "d": "ok"
    }  # fmt: skip


def test_a_sample_of_a_stream_is_held_up_to_the_limit_in_all(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_members, "MOST_BYTES", 2000)
    members = [(f"a.{i}.jpg", JPEG + bytes(900)) for i in range(9)]
    path = tmp_path / "t.tar.gz"
    path.write_bytes(gzip.compress(write_members(tmp_path / "t.tar", members).read_bytes()))
    with path.open("rb") as file:
        contents = [member.content for member in tar_members.streamed_members(file)]
    assert [len(content) for content in contents if isinstance(content, bytes)] == [912, 912]
    assert len(contents) == 9


def test_a_member_with_holes_is_not_taken_for_its_bytes(tmp_path):
    block = bytearray(header("a.jpg", 0, tarfile.GNUTYPE_SPARSE))
    block[483:495] = b"%011o " % 2**30  # of 1 GiB, none of which is in the tar
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "t.tar"
    path.write_bytes(block + tar_of(path, "b"))
    rows = read(path, tmp_path)
    assert statuses(rows) == ["missing_file", "ok"]
    assert "holes" in rows[0].fault.message
    assert tar_stem(str(path)).endswith("t")


def test_a_stream_is_read_on_behind_more_than_is_kept_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_members, "_BLOCK", 1000)
    monkeypatch.setattr(tar_members, "_KEPT", 3000)
    path = tmp_path / "t.tar"
    content = tar_of(path, *(f"{number:02d}" for number in range(40)))
    for number in (7, 30):  # the header of an image
        content[number * 6 * BLOCK : (number * 6 + 1) * BLOCK] = b"x" * BLOCK
    rows = read(written(path, content, True), tmp_path)
    assert [row.key for row in rows if statuses([row]) == ["missing_file"]] == ["07", "30"]
    assert len(rows) == 41 and statuses(rows).count("ok") == 38
    assert rows[-1].fault.message.count("read again from byte") == 2


def test_a_packed_tar_that_breaks_off_says_so_behind_its_damage(tmp_path):
    path = tmp_path / "t.tar"
    content = tar_of(path, "a", "b", "c")
    content[6 * BLOCK : 7 * BLOCK] = b"x" * BLOCK
    cut = gzip.compress(content, 0)[: -4 * BLOCK]
    path.with_suffix(".tar.gz").write_bytes(cut)
    rows = read(path.with_suffix(".tar.gz"), tmp_path)
    assert statuses(rows)[:2] == ["ok", "missing_file"]
    assert "read again from byte" in rows[-1].fault.message and "packing is broken" in rows[-1].fault.message
