"""Tars indexed from their headers: as `tarfile` reads them, or refused where they are damaged."""

import gzip
import os
import tarfile

import pytest

from retrieval.datasets.tars import index_tar
from retrieval.errors import DataError
from tests.support.tars import png, write_tar

#: The first header, 700 bytes, padding to 1,536, the second header, …
SAMPLES = {f"00{i}": {"jpg": b"x" * 700, "json": b"{}", "txt": "déjà vu".encode()} for i in range(3)}


def test_a_tar_is_indexed_from_its_headers_as_tarfile_reads_it(tmp_path):
    path, samples = write_tar(tmp_path / "0.tar", SAMPLES), SAMPLES
    index = index_tar(path)
    assert [index.read(i) for i in range(len(index))] == list(samples.items())


def test_damaged_tars_are_refused(tmp_path):
    path = write_tar(tmp_path / "0.tar", SAMPLES)
    whole = path.read_bytes()
    for content, message in (
        (whole[:700], "is cut off at byte 700, inside '000.jpg'"),
        (whole[:1600], "is cut off at byte 1600, inside a header"),
        (b"x" * 5000, "no tar member at byte 0"),
        (b"x" * 50, "is cut off at byte 50, inside a header"),
        (b"", "a shard without samples"),
        (bytes(1024), "a shard without samples"),
        (gzip.compress(whole), "is compressed with gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            index_tar(path)


@pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_as_tarfile_reads_them(tmp_path, tar_format):
    """Cut to a header's 100 bytes, these names would all be one sample's."""
    long = f"{'folder/' * 12}{'very ' * 20}long"
    samples = {f"{long} é {i}": {"jpg": png(i), "txt": f"{i}".encode()} for i in range(3)}
    path = write_tar(tmp_path / "0.tar", {"short": {"txt": b"x"}, **samples}, tar_format)
    index = index_tar(path)
    assert dict(index.read(i) for i in range(1, 4)) == samples
    assert index.read(0) == ("short", {"txt": b"x"})


def with_field(tar: bytes, start: int, content: bytes) -> bytes:
    """The first header with other bytes from `start` on, and its checksum made right again."""
    header = bytearray(tar[:512])
    header[start : start + len(content)] = content
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + tar[512:]


@pytest.mark.parametrize(
    ("start", "content", "message"),
    [
        (124, b"\xff" * 12, "no tar member at byte 0: its size is -1"),
        (124, b"\xff" * 10 + b"\xfe\x00", "no tar member at byte 0: its size is -512"),
        (124, b"\x80" + b"\xff" * 11, "is cut off at byte 10240, inside '000.jpg'"),
        (124, b"77777777777\0", "is cut off at byte 10240, inside '000.jpg'"),
        (124, b"elephant\0", "no tar member at byte 0: "),
        (156, b"2", "member '000.jpg' of type b'2'; only plain files are read"),
        (156, b"x", "header at byte 0: is no PAX header"),
        (0, b"caf\xe9.jpg\0", ""),
    ],
)
def test_headers_that_cannot_be_meant_end_the_reading(tmp_path, start, content, message):
    path = write_tar(tmp_path / "0.tar", {"000": {"jpg": png(1)}})
    path.write_bytes(with_field(path.read_bytes(), start, content))
    if not message:
        assert index_tar(path).read(0)[0] == r"caf\xe9"
        return
    with pytest.raises(DataError) as raised:
        index_tar(path)
    assert f"{path}: " in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "records", [b"0 path=a\n", b"-5 path=a\n", b"99 path=a\n", b"3 a\n", b"x", b"9" * 5000, b" =\n"]
)
def test_a_pax_header_that_cannot_be_meant_is_named(tmp_path, records):
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, content in (("000", tarfile.XHDTYPE, records), ("000.txt", tarfile.REGTYPE, b"a")):
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            tar.fileobj.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
            tar.offset = tar.fileobj.tell()
    with pytest.raises(DataError, match="header at byte 0: is no PAX header"):
        index_tar(path)


def test_a_tar_that_lost_its_end_after_it_was_indexed_is_named(tmp_path):
    path = write_tar(tmp_path / "0.tar", {"000": {"jpg": png(1), "txt": b"a"}})
    index = index_tar(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"0\.tar: is cut off at byte 600, inside '000\.jpg'"):
        index.read(0)


def test_a_size_of_thousands_of_digits_is_none(tmp_path):
    record = b"5015 size=" + b"9" * 5004 + b"\n"
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind, content in (("000", tarfile.XHDTYPE, record), ("000.txt", tarfile.REGTYPE, b"a")):
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            tar.fileobj.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
            tar.offset = tar.fileobj.tell()
    assert index_tar(path).read(0) == ("000", {"txt": b"a"})


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_never_ends_is_not_opened(tmp_path, make):
    make(tmp_path / "0.tar")
    with pytest.raises(DataError, match="is no regular file"):
        index_tar(tmp_path / "0.tar")
