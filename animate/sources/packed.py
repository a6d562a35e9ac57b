"""Files as they are downloaded: plain, packed with gzip, or alone in a zip."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, cast

from animate.sources.errors import SourceError
from animate.sources.regular import check_regular

#: Suffixes of packed files that are read as if they were plain.
PACKED_SUFFIXES = (".gz", ".zip")
#: What reading such a file to its end may raise when it is broken.
BROKEN = (EOFError, OSError, zlib.error, zipfile.BadZipFile)
#: What opening a zip, or a member of it, may raise when it is broken, encrypted or packed in an unknown way.
UNREADABLE_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError)

#: The same of tars, which have readers of their own.
_PACKED_TARS = (".bz2", ".xz", ".zst")


def unpacked_name(path: str) -> str:
    """The path without the suffix of a packed file."""
    suffix = next((suffix for suffix in PACKED_SUFFIXES if path.lower().endswith(suffix)), "")
    return path[: len(path) - len(suffix)]


def without_packed(files: Sequence[str]) -> list[str]:
    """The files, without those that lie beside themselves unpacked: of `a.tsv` and `a.tsv.gz`, the first."""
    chosen: dict[str, str] = {}
    for file in files:
        head, dot, suffix = file.rpartition(".")
        plain = head if f"{dot}{suffix}".lower() in (*PACKED_SUFFIXES, *_PACKED_TARS) else file
        if plain not in chosen or file == plain:
            chosen[plain] = file
    return list(chosen.values())


def open_packed(path: str) -> IO[bytes]:
    """The file, unpacked while it is read.

    `SourceError` for what cannot be opened, and for a zip that holds anything but one file.
    """
    try:
        check_regular(path)
        return _open_packed(path)
    except OSError as error:
        raise SourceError(f"{path!r}: cannot be read: {error.strerror or error}") from None


def _open_packed(path: str) -> IO[bytes]:
    if path.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    if not path.lower().endswith(".zip"):
        return open(path, "rb")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                name for name in archive.namelist() if not name.endswith("/") and "__MACOSX/" not in name
            ]
            if len(names) == 1:
                return archive.open(names[0])  # the file stays open for as long as this does
    except UNREADABLE_ZIP as error:
        raise SourceError(f"{path!r}: not a readable zip: {error}") from None
    raise SourceError(f"{path!r} holds {len(names)} files where one is read: unpack it")


def open_text(path: str, newline: str) -> io.TextIOWrapper:
    """The text of the file, packed or not, whose lines end as `open` has it for `newline`.

    A byte order mark is passed over, and what is not UTF-8 keeps its bytes as surrogate escapes.
    """
    return io.TextIOWrapper(
        open_packed(path), encoding="utf-8-sig", errors="surrogateescape", newline=newline
    )


def text_lines(path: str) -> Iterator[str]:
    """The lines of a text, without their ends. A CR alone is a character of its line."""
    with open_text(path, newline="\n") as file:
        yield from map(without_end, file)


def without_end(line: str) -> str:
    """The line without its LF, or CR and LF."""
    return line.removesuffix("\n").removesuffix("\r")
