"""Packed files, known by their first bytes whatever they are called, read from front to back."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Any

import pyarrow as pa

from animate.sources.regular import check_regular

#: How a packed file begins -> what unpacks it, all pieces of it where several were put together.
_PACKINGS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb").read1),
    (b"BZh", lambda file: bz2.BZ2File(file).read1),
    (b"\xfd7zXZ\0", lambda file: lzma.LZMAFile(file).read1),  # noqa: SIM115
    (b"\x28\xb5\x2f\xfd", lambda file: pa.CompressedInputStream(file, "zstd").read),
)
_LONGEST_MARK = max(len(mark) for mark, _ in _PACKINGS)


def is_packed(path: str) -> bool:
    """Whether a local file begins like a packed one, whatever it is called."""
    try:
        check_regular(path)
        with open(path, "rb", buffering=0) as file:
            return _packing(file.read(_LONGEST_MARK)) is not None
    except OSError:
        return False


def open_unpacked(file: IO[bytes]) -> "_Ahead | _Unpacked":
    """What the file holds if it is packed, or the file itself."""
    ahead = _Ahead(file)
    unpack = _packing(ahead.head)
    return ahead if unpack is None else _Unpacked(unpack(ahead))


def _packing(head: bytes) -> Callable[[Any], Any] | None:
    return next((unpack for mark, unpack in _PACKINGS if head.startswith(mark)), None)


class _Ahead:
    """A file whose first bytes are looked at before they are read; it need not be able to go back."""

    closed = False

    def __init__(self, file: IO[bytes]):
        self._file, self.head = file, file.read(_LONGEST_MARK)
        self._left = self.head

    def read(self, size: int = -1) -> bytes:
        if not self._left:
            return self._file.read(size)
        left, self._left = self._left, b""
        if 0 <= size < len(left):
            left, self._left = left[:size], left[size:]
        return left

    def readable(self) -> bool:
        return True


class _Unpacked:
    """What a packed file holds; raises tarfile's own error where the packing is broken."""

    def __init__(self, read: Callable[[int], bytes]):
        self._read = read

    def read(self, size: int) -> bytes:
        try:
            return self._read(size)
        except (zlib.error, lzma.LZMAError, EOFError, OSError, pa.ArrowException) as error:
            raise tarfile.ReadError(f"its packing is broken: {error}") from None
