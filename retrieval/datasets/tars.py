"""Where each sample of a local tar lies, from its headers alone, so that samples can be read in any order."""

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.text import stand_in
from retrieval.errors import DataError

_BLOCK = 512
_PLAIN = (b"0", b"\0")
_NO_SAMPLE = (b"g", b"5")  # settings for all members, folders
_LONGEST_HEADER = 1 << 20
_SIZE = re.compile("[0-9]{1,19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TarIndex:
    """Sample i is the bytes from `starts[i]` to `ends[i]` of the file: whole members, headers included.

    `stills[i]` is the number of its still, counted from 0: neighbours STILL_0, STILL_1, … are takes of one.
    """

    path: Path
    starts: Int64[np.ndarray, "n"]
    ends: Int64[np.ndarray, "n"]
    stills: Int64[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.starts)

    def read(self, index: int) -> tuple[str, dict[str, bytes]]:
        """A sample's key and its members by suffix; `DataError` where the file is damaged there."""
        with self.path.open("rb") as file:
            file.seek(int(self.starts[index]))
            block = file.read(int(self.ends[index] - self.starts[index]))
        members: dict[str, bytes] = {}
        key = ""
        for member in _members(io.BytesIO(block), len(block), self.path):
            key, suffix = split_name(member.name)
            members[suffix] = block[member.content : member.content + member.size]
        return key, members


def index_tar(path: Path) -> TarIndex:
    """The samples of a tar: neighbouring members whose names agree up to the first dot of their last part."""
    # Members a.jpg a.txt | b.jpg b.txt of two blocks each make starts 0 2048, ends 2048 4096. A sample whose
    # members are not neighbours (a.jpg b.jpg a.txt) is two samples, as WebDataset has it.
    starts: list[int] = []
    ends: list[int] = []
    names: list[str] = []
    last = None
    if not path.is_file():
        raise DataError(f"{path}: is no regular file")
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(0)
        if what := stand_in(file.read(_BLOCK)):
            raise DataError(f"{path}: is {what}")
        for member in _members(file, end, path):
            key = split_name(member.name)[0]
            if key == last:
                ends[-1] = member.end
            else:
                starts.append(member.begin)
                ends.append(member.end)
                names.append(_still(key))
                last = key
    if not starts:
        raise DataError(f"{path}: a shard without samples")
    changes = [name != before for name, before in zip(names, [names[0], *names[:-1]], strict=True)]
    return TarIndex(
        path=path,
        starts=np.array(starts, np.int64),
        ends=np.array(ends, np.int64),
        stills=np.cumsum(changes, dtype=np.int64),
    )


def split_name(name: str) -> tuple[str, str]:
    """Key and suffix as WebDataset has them: `a/b.c.jpg` is the member `c.jpg` of the sample `a/b`."""
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _still(key: str) -> str:
    """What comes before the number of the take, as `animate build` names its clips."""
    still, _, take = key.rpartition("_")
    return still if still and take.isdecimal() else key


@dataclass(frozen=True, slots=True)
class _Member:
    """A plain file: its first header (that of a long name, too), its content, the end of its padding."""

    name: str
    size: int
    begin: int
    content: int
    end: int


def _members(file: io.BufferedIOBase, end: int, path: Path) -> Iterator[_Member]:
    """The plain files of a tar, or of a part of it, in their order; every step goes forward."""
    # A member is a header block, its content, and zeros up to a whole block; headers that say more of it come
    # before its own as members of another kind. A name of 120 letters, 700 bytes of content:
    #
    #   byte      0       512       1024     1536            2236  2560
    #   block     | PAX   | records | header | content ...   | 0   | next
    #             begin                      content         |     end
    #
    # Twice round the loop: the first reads the records into `long`, `begin` stays; the second yields the
    # member with begin = 0, content = 1536, size = 700, end = 2560, and forgets what the records said.
    position = begin = 0
    long: dict[str, str] = {}  # what the headers before a member say of it
    while position + _BLOCK <= end:
        file.seek(position)
        header = file.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        name, size, kind = _parse(header, path, position)
        if kind in _PLAIN:
            name = long.get("path", name)
            size = int(long["size"]) if _SIZE.fullmatch(long.get("size", "")) else size
        content = position + _BLOCK
        if content + size > end:
            raise DataError(f"{path}: is cut off at byte {end}, inside {name!r}")
        if kind in _LONG:
            if size > _LONGEST_HEADER:
                raise DataError(f"{path}: a header of {size} bytes for one name at byte {position}")
            file.seek(content)
            long |= _LONG[kind](file.read(size), f"{path}: header at byte {position}")
        elif kind in _PLAIN:
            yield _Member(name, size, begin, content, content + _padded(size))
        elif kind not in _NO_SAMPLE:
            raise DataError(f"{path}: member {name!r} of type {kind!r}; only plain files are read")
        position = content + _padded(size)
        if kind not in _LONG:
            begin, long = position, {}
    file.seek(min(position, end))
    if file.read(_BLOCK).strip(b"\0"):
        raise DataError(f"{path}: is cut off at byte {end}, inside a header")


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _parse(header: bytes, path: Path, position: int) -> tuple[str, int, bytes]:
    """Name, size and type as a member's own block has them."""
    try:
        size = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
        checksum = tarfile.nti(header[148:156])  # type: ignore[attr-defined]
    except tarfile.HeaderError as error:
        raise DataError(f"{path}: no tar member at byte {position}: {error}") from None
    if checksum != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise DataError(f"{path}: no tar member at byte {position}: its checksum is wrong")
    if size < 0:
        raise DataError(f"{path}: no tar member at byte {position}: its size is {size}")
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        name = f"{prefix}/{name}"
    return name, size, header[156:157]


def _gnu_name(content: bytes, where: str) -> dict[str, str]:
    return {"path": _text(content)}


def _pax(content: bytes, where: str) -> dict[str, str]:
    """Records `LENGTH KEY=VALUE` and a line feed; LENGTH counts all of it: `18 path=folder/a\\n`."""
    settings: dict[str, str] = {}
    while content.strip(b"\0"):
        digits = content.partition(b" ")[0]
        length = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        key, _, value = content[len(digits) + 1 : length - 1].partition(b"=")
        if not (key and len(digits) < length <= len(content)):
            raise DataError(f"{where}: is no PAX header")
        settings[_text(key)] = _text(value)
        content = content[length:]
    if sparse := next((key for key in settings if key.startswith("GNU.sparse")), ""):
        raise DataError(f"{where}: a file with holes ({sparse}); only plain files are read")
    return settings


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


#: Headers that say more of the next member: PAX (`tarfile`, webdataset) and GNU tar's long names.
_LONG: dict[bytes, Callable[[bytes, str], dict[str, str]]] = {b"x": _pax, b"L": _gnu_name}
