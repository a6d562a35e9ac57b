"""Where each sample of a local tar lies, from its headers alone, so that samples can be read in any order."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.errors import DataError

_BLOCK = 512
_PLAIN = (b"0", b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TarIndex:
    """Sample i is the bytes from `starts[i]` to `ends[i]` of the file: whole members, headers included."""

    path: Path
    starts: Int64[np.ndarray, "n"]
    ends: Int64[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.starts)

    def read(self, index: int) -> tuple[str, dict[str, bytes]]:
        """A sample's key and its members by suffix; `DataError` where the file is damaged there."""
        with self.path.open("rb") as file:
            file.seek(int(self.starts[index]))
            block = file.read(int(self.ends[index] - self.starts[index]))
        members: dict[str, bytes] = {}
        key = ""
        for name, start, size in _members(block, self.path):
            key, suffix = split_name(name)
            members[suffix] = block[start : start + size]
        return key, members


def index_tar(path: Path) -> TarIndex:
    """The samples of a tar: neighbouring members whose names agree up to the first dot of their last part."""
    starts: list[int] = []
    ends: list[int] = []
    last = None
    with path.open("rb") as file:
        size_of_file = file.seek(0, 2)
        position = began = 0
        while position + _BLOCK <= size_of_file:
            file.seek(position)
            header = file.read(_BLOCK)
            if header == bytes(_BLOCK):
                break
            name, size, kind = _parse(header, path, position)
            following = position + _BLOCK + -(-size // _BLOCK) * _BLOCK
            if position + _BLOCK + size > size_of_file:
                raise DataError(f"{path}: is cut off at byte {size_of_file}, inside {name!r}")
            if kind in _PLAIN:
                key = split_name(name)[0]
                if key == last:
                    ends[-1] = following
                else:
                    starts.append(began)
                    ends.append(following)
                    last = key
                began = following
            elif kind in (b"g", b"5"):  # settings for all members, folders: no part of a sample
                began = following
            elif kind not in (b"x",):
                raise DataError(f"{path}: member {name!r} of type {kind!r}; only plain files are read")
            position = following
    if not starts:
        raise DataError(f"{path}: a shard without samples")
    return TarIndex(path=path, starts=np.array(starts, np.int64), ends=np.array(ends, np.int64))


def split_name(name: str) -> tuple[str, str]:
    """Key and suffix as WebDataset has them: `a/b.c.jpg` is the member `c.jpg` of the sample `a/b`."""
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _members(block: bytes, path: Path) -> Iterator[tuple[str, int, int]]:
    position = 0
    while position + _BLOCK <= len(block):
        name, size, kind = _parse(block[position : position + _BLOCK], path, position)
        if kind in _PLAIN:
            yield name, position + _BLOCK, size
        position += _BLOCK + -(-size // _BLOCK) * _BLOCK


def _parse(header: bytes, path: Path, position: int) -> tuple[str, int, bytes]:
    """Name, size and type of a ustar member. PAX headers are passed over: they only add to what is here."""
    try:
        size = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
        checksum = tarfile.nti(header[148:156])  # type: ignore[attr-defined]
    except tarfile.HeaderError as error:
        raise DataError(f"{path}: no tar member at byte {position}: {error}") from None
    if checksum != sum(header[:148]) + 8 * 32 + sum(header[156:]):
        raise DataError(f"{path}: no tar member at byte {position}: its checksum is wrong")
    name = header[:100].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    if header[257:262] == b"ustar" and (prefix := header[345:500].split(b"\0", 1)[0]):
        name = f"{prefix.decode('utf-8', 'surrogateescape')}/{name}"
    return name, size, header[156:157]
