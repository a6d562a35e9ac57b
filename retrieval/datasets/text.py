"""Text files that others wrote: lists, csv, JSON and JSON lines, read as UTF-8 or refused by file and line.

Captions and ids go through `text_of` and `captions_of`, whoever wrote them: what passes can be hashed,
printed, and cut into tokens.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from retrieval.errors import DataError

#: How a file begins that is not what its name says -> what it is.
_STAND_INS = {
    b"version https://git-lfs.github.com/spec": "a Git LFS pointer to the file; `git lfs pull` fetches it",
    b"<!doctype html": "a web page, and not the file that was to be downloaded",
    b"<html": "a web page, and not the file that was to be downloaded",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"\xff\xfe": 'UTF-16 (Excel\'s "Unicode text"); save it as UTF-8',
    b"\xfe\xff": 'UTF-16 (Excel\'s "Unicode text"); save it as UTF-8',
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `where` names its file and place there."""

    where: str
    cells: Mapping[str, Any]

    def text(self, *names: str) -> str:
        """The first of these cells that is there, which must be text."""
        name = self._first(names)
        value = self.cells[name]
        return value if _is_text(value) else text_of(value, f"{self.where}: {name}")

    def captions(self, *names: str) -> list[str]:
        """The captions in the first of these cells that is there."""
        name = self._first(names)
        value = self.cells[name]
        return [value] if _is_text(value) else captions_of(value, f"{self.where}: {name}")

    def _first(self, names: Sequence[str]) -> str:
        for name in names:
            if self.cells.get(name) is not None:
                return name
        there = ", ".join(name for name, value in self.cells.items() if value is not None) or "nothing"
        raise DataError(f"{self.where}: needs {' or '.join(names)}, has {there}")


def captions_of(value: object, where: str) -> list[str]:
    """One caption (text) or a list of them."""
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise DataError(f"{where}: an empty list; one caption at least is needed")
    return [text_of(text, where) for text in texts]


def text_of(value: object, where: str) -> str:
    """`value` as it is, if it is text with something in it that UTF-8 can hold."""
    if _is_text(value):
        return value
    if not isinstance(value, str):
        raise DataError(f"{where} = {_shown(value)}: must be text")
    if not value.strip():
        raise DataError(f"{where} = {_shown(value)}: must not be blank")
    raise DataError(f"{where} = {_shown(value)}: holds half a character (a lone surrogate) or NUL")


def read_list(path: Path) -> list[str]:
    """Ids, one a line."""
    return read_text(path).split()


def read_csv(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[Record]:
    """Rows of a csv file with a header that has these columns among others."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    rows: list[Record] = []
    header: list[str] = []
    line = 1  # where the next row begins: a quoted cell may go over several lines
    try:
        for cells in reader:
            where, line = f"{path}, line {line}", reader.line_num + 1
            if header and cells and len(cells) != len(header):
                raise DataError(f"{where}: {len(cells)} cells, but the header has {', '.join(header)}")
            if header and cells:
                rows.append(Record(where, dict(zip(header, cells, strict=True))))
            header = header or cells
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: is no row of csv: {error}") from None
    for column in columns:
        if column not in header:
            raise DataError(f"{path}: has no column {column!r}, only {', '.join(header)}")
    return rows


def read_jsonl(path: Path) -> list[Record]:
    """The JSON object in each line; a line ends at a line feed and nowhere else."""
    return [
        _row(parse_json(line, f"{path}, line {number}"), f"{path}, line {number}")
        for number, line in enumerate(read_text(path).split("\n"), 1)
        if line.strip()
    ]


def read_records(path: Path, key: str = "") -> list[Record]:
    """The JSON objects of the list that the file is, or that stands there under `key`."""
    value = read_json(path)
    if key:
        value = _row(value, str(path)).cells.get(key)
    if not isinstance(value, list):
        raise DataError(f"{path}{key and f', {key}'}: must be a list, not {_shown(value)}")
    place = f"{path}, {key or 'record'}"
    return [_row(record, f"{place}[{i}]") for i, record in enumerate(value)]


def read_json(path: Path) -> Any:
    """A JSON file, compressed with gzip or not."""
    return parse_json(read_text(path), str(path))


def parse_json(text: str, where: str) -> Any:
    """The value of a JSON text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if error.lineno > 1 else ""
        raise DataError(f"{where}{line}: is not JSON: {error.msg} at character {error.colno}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise DataError(f"{where}: is JSON that cannot be read: {error}") from None


def read_text(path: Path) -> str:
    """A file in UTF-8, with or without byte order mark, compressed with gzip or not."""
    content = read_whole(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {_line(content, error.start)}: is not UTF-8 (byte 0x{content[error.start]:02x} at "
            f"{error.start}); save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise DataError(
            f"{path}, line {_line(content, content.index(0))}: holds a NUL byte, so it is not text"
        )
    return text


def read_whole(path: Path) -> bytes:
    """The bytes of a file; `DataError` where it is a stand-in for one, or cannot be read."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz" and content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if what := stand_in(content):
        raise DataError(f"{path}: is {what}")
    return content


def stand_in(content: bytes) -> str:
    """What a file really is that begins so, if it cannot be what it was named as; else ""."""
    start = content[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((what for beginning, what in _STAND_INS.items() if start.startswith(beginning)), "")


def _row(value: Any, where: str) -> Record:
    if not isinstance(value, dict):
        raise DataError(f"{where}: must be an object such as {{…}}, not {_shown(value)}")
    return Record(where, value)


def _line(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def _is_text(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or not value or value.isspace() or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
