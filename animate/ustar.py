"""Tar members as plain bytes: USTAR headers with no clock and no owner, so that equal clips give equal tars.

`tarfile` makes the header once; each member changes its name, size and checksum. Asking `tarfile` for every
header costs 30 us a member, 0.4 ms a clip of twelve frames: as much as drawing its camera path.
"""

import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

#: A name has to fit its field whole: no prefix field, no long-name extension.
MAX_NAME_BYTES = 100
MAX_MEMBER_BYTES = 8**11 - 1

#: Ends a tar, and pads it to whole records as tar programs expect.
_BLOCK = tarfile.BLOCKSIZE
_SIZE, _CHECKSUM = slice(124, 135), slice(148, 156)


def _blank_header() -> bytes:
    header = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT, "ascii", "strict"))
    header[_SIZE] = bytes(11)
    header[_CHECKSUM] = b" " * 8  # as the checksum counts itself
    return bytes(header)


_BLANK = _blank_header()
_BLANK_SUM = sum(_BLANK)


def member(name: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, content and padding of a file, mode 0644; write them one after the other.

    Raises `ValueError` for a name of over 100 bytes in UTF-8.
    """
    encoded = name.encode()
    if not 0 < len(encoded) <= MAX_NAME_BYTES:
        raise ValueError(f"tar member {name!r}: the name must have 1 to {MAX_NAME_BYTES} bytes")
    if len(content) > MAX_MEMBER_BYTES:
        raise ValueError(f"tar member {name!r}: {len(content)} bytes, at most {MAX_MEMBER_BYTES} fit")
    size = b"%011o" % len(content)
    header = bytearray(_BLANK)
    header[: len(encoded)] = encoded
    header[_SIZE] = size
    header[_CHECKSUM] = b"%06o\0 " % (_BLANK_SUM + sum(encoded) + sum(size))
    return bytes(header), content, bytes(-len(content) % _BLOCK)


def room(length: int) -> int:
    """Bytes that a member of so many takes in a tar: a header, and whole blocks."""
    return _BLOCK + length + -length % _BLOCK


def end(written: int) -> bytes:
    """What closes a tar of `written` bytes: two empty blocks, padded to a whole record."""
    closing = 2 * _BLOCK
    return bytes(closing + -(written + closing) % tarfile.RECORDSIZE)


class Extent(NamedTuple):
    """Where the members of a sample lie in a tar, headers and padding included: bytes `start` to `stop`."""

    key: str
    start: int
    stop: int


def index_samples(file: BinaryIO, suffix: str) -> Iterator[tuple[Extent, bytes]]:
    """Of each sample of a tar that is written here, where it lies and its member with this `suffix` (empty
    for none); nothing else is read. `ValueError` if the tar breaks off.

    The bytes of an extent are a tar without its end, which `read_samples` takes.
    """
    position, key, start, wanted = 0, "", 0, b""
    while True:
        file.seek(position)
        block = file.read(_BLOCK)
        if not block.strip(b"\0") and len(block) == _BLOCK:
            break
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise ValueError(f"not a whole tar: {error}") from None
        stem, _, ending = header.name.partition(".")
        if stem != key:
            if key:
                yield Extent(key, start, position), wanted
            key, start, wanted = stem, position, b""
        if ending == suffix:
            wanted = file.read(header.size)
        position += room(header.size)
    if key:
        yield Extent(key, start, position), wanted


def read_samples(file: BinaryIO) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Neighbouring members that share a key, as key and contents by suffix; `ValueError` if a tar breaks off.

    The key goes to the first dot of the file name, as WebDataset has it. `file` is read once, front to back.
    """
    key, members = "", dict[str, bytes]()
    try:
        with tarfile.open(fileobj=file, mode="r|") as tar:
            for entry in tar:
                if not entry.isfile():
                    continue
                folder, slash, name = entry.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                if folder + slash + stem != key:
                    if members:
                        yield key, members
                    key, members = folder + slash + stem, {}
                content = tar.extractfile(entry)
                assert content is not None  # only folders and links have none
                members[suffix] = content.read()
    except tarfile.TarError as error:
        raise ValueError(f"not a whole tar: {error}") from None
    if members:
        yield key, members
