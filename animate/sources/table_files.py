"""Rows of csv, tsv, json, jsonl and parquet files as plain dictionaries, whether packed or not."""

import csv
import io
import itertools
import mimetypes
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from animate.sources.errors import SourceError
from animate.sources.json_text import read_json
from animate.sources.packed import BROKEN, PACKED_SUFFIXES, open_packed, open_text, unpacked_name, without_end
from animate.sources.regular import check_regular

#: Suffixes of tables, plain and packed.
TABLE_SUFFIXES = tuple(
    suffix + packed
    for suffix in (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
    for packed in ("", *PACKED_SUFFIXES)
)

Line = TypeVar("Line")

#: Separate the cells of csv files, besides the comma.
SEPARATORS = ("|", ";", "\t")

#: A line that cannot be read is a row with this key alone, and what is wrong with it as the value.
BAD_ROW = "\0bad_row"

#: Characters of a csv record after its first line; a longer one has a quote that is not closed.
_LONGEST_RECORD = 1 << 20
#: Characters of a line of a table that are read, at most.
_LONGEST_LINE = 1 << 26
#: Records of a JSON file of which the first that can be read tells the columns.
_LOOKED_AT = 1000
#: Rows of a parquet file that are read at a time.
_READ_TOGETHER = 4096
#: What reading a parquet file may raise when it is damaged.
BROKEN_PARQUET = (pa.ArrowException, OSError)
#: Suffixes that are other names of one in `_ROWS_OF_KIND`.
_SAME_KIND = {".ndjson": ".jsonl"}


def table_kind(path: str) -> str:
    """`.csv`, `.tsv`, `.json`, `.jsonl` or `.parquet`, packed or not; `SourceError` for anything else."""
    suffix = PurePath(unpacked_name(path).lower()).suffix
    kind = _SAME_KIND.get(suffix, suffix)
    if kind not in _ROWS_OF_KIND:
        raise SourceError(f"{path!r}: not a table; known endings: {', '.join(TABLE_SUFFIXES)}")
    return kind


def table_columns(path: str) -> list[str]:
    """Names of the columns: the header, the parquet schema, or the keys of the first good record."""
    kind = table_kind(path)
    if kind == ".parquet":
        return _parquet_schema(path).names
    if kind in (".csv", ".tsv"):
        with _open_lines(path) as file:
            return _header(_reader(file, kind), path)
    rows = itertools.islice(table_rows(path), _LOOKED_AT)
    return list(next((row for row in rows if BAD_ROW not in row), {}))


def binary_columns(path: str) -> list[str]:
    """Columns of a parquet file that hold bytes, as they are or as Hugging Face's {bytes, path}."""
    if table_kind(path) != ".parquet":
        return []
    return [field.name for field in _parquet_schema(path) if holds_bytes(field.type)]


def holds_bytes(kind: pa.DataType) -> bool:
    """Whether a parquet column of this type can hold image bytes."""
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def table_rows(
    path: str, columns: Sequence[str] | None = None, names: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a file in order; a line that cannot be read gives `{BAD_ROW: message}`.

    Of a parquet file only `columns` are read, where given. `names` are the columns of a csv or tsv file that
    has no header. Text that is not UTF-8 keeps its bytes as surrogate escapes. In a tsv file a quote is a
    plain character. In a csv file a quote that is not closed spoils its own line and no other. Cells of a csv
    file are separated by commas, or by the one of `SEPARATORS` that its first line has where it has no comma.
    """
    kind = table_kind(path)
    if kind == ".parquet":
        yield from _parquet_rows(path, columns)
    elif kind in (".csv", ".tsv"):
        yield from _delimited_rows(path, kind, names)
    else:
        yield from _ROWS_OF_KIND[kind](path)


def rows_or_fault(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of `table_rows`; one `{BAD_ROW: message}` where the file cannot be read as a table.

    For the second and later files of a corpus, whose first one told that it is one.
    """
    try:
        yield from rows
    except SourceError as error:
        yield {BAD_ROW: str(error)}


def open_parquet(path: str) -> pq.ParquetFile:
    """The parquet file, packed or not; `SourceError` if it is not readable as one."""
    try:
        check_regular(path)
        if unpacked_name(path) != path:
            with open_packed(path) as packed:
                return pq.ParquetFile(io.BytesIO(packed.read()))
        return pq.ParquetFile(path)
    except (*BROKEN_PARQUET, *BROKEN, UnicodeDecodeError) as error:
        raise SourceError(f"{path!r}: not a readable parquet file: {error}") from None


def _open_lines(path: str) -> "_Lines":
    """The text of a table. Lines end at LF alone, but in a csv file, where a cell may hold any end."""
    return _Lines(open_text(path, newline="" if table_kind(path) == ".csv" else "\n"))


class _Lines:
    """The lines of a text; `csv.Error` for one of more than `_LONGEST_LINE` characters, and then the next.

    A few megabytes, unpacked, may be a line that fills the memory.
    """

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        if len(line) < _LONGEST_LINE or line[-1] in "\r\n":
            return line
        begins = line[:80]
        while line and line[-1] not in "\r\n":
            line = self._file.readline(_LONGEST_LINE)
        raise csv.Error(f"a line of more than {_LONGEST_LINE:,} characters: {begins!r}")


def _tab_separated(line: str) -> list[str]:
    line = without_end(line)
    return line.split("\t") if line else []


def _reader(file: Iterator[str], kind: str) -> Iterator[list[str]]:
    if kind == ".tsv":
        return map(_tab_separated, file)  # which goes on behind an error, as a generator would not
    # Captions may be longer than the 128 KiB that the csv module allows by default.
    csv.field_size_limit(sys.maxsize)
    return _QuotedRecords(file)


class _QuotedRecords:
    """The records of a csv file; `csv.Error` for a line whose quote is not closed, and then the next line.

    Such a quote goes on to the next quote, or to the end of the file, and swallows what lies between:

        a.jpg,"an unclosed quote     the reader takes these three lines for one record,
        b.jpg,swallowed              but a strict one refuses it, for a quote in it is followed by text:
        c.jpg,"a caption"            so line 1 is an error, and reading goes on at line 2

    Only records of several lines are read again by the strict reader, for it also refuses single lines that
    can well be read. A record that wants more at the end of the file, or is very long, has such a quote too.
    """

    def __init__(self, file: Iterator[str]) -> None:
        self._file = file
        self._separator = ""  # known when the first line is
        #: Lines to read again, before the file goes on.
        self._again: deque[str] = deque()
        #: Lines of the record in hand, and whether it wants more of them than there are.
        self._lines: list[str] = []
        self._wants_more = False
        self._reader = self._opened(self._given())

    def _look_at_first_line(self) -> None:
        first = next(self._file, "")
        self._again.extend([first] if first else [])
        found = [sign for sign in SEPARATORS if sign in first]
        self._separator = "," if "," in first or len(found) != 1 else found[0]
        self._reader = self._opened(self._given())

    def _opened(self, lines: Iterator[str], *, strict: bool = False) -> Iterator[list[str]]:
        """A space after a separator other than the comma is no part of a cell, as in `a.jpg| 0| A dog .`."""
        sign = self._separator or ","
        return csv.reader(lines, delimiter=sign, skipinitialspace=sign != ",", strict=strict)

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        if not self._separator:
            self._look_at_first_line()
        self._lines, self._wants_more = [], False
        try:
            cells = next(self._reader)
        except csv.Error:  # what gives it lines has ended with that
            self._again.extendleft(reversed(self._lines[1:]))
            self._reader = self._opened(self._given())
            raise
        if self._wants_more or (len(self._lines) > 1 and not self._is_strict()):
            self._again.extendleft(reversed(self._lines[1:]))
            self._reader = self._opened(self._given())
            raise csv.Error(f"a quote is not closed: {self._lines[0].strip()[:80]!r}")
        return cells

    def _given(self) -> Iterator[str]:
        length = 0
        while True:
            line = self._again.popleft() if self._again else next(self._file, None)
            length = length + len(line) if line is not None and self._lines else 0
            self._wants_more = bool(self._lines) and (line is None or length > _LONGEST_RECORD)
            if line is not None:
                self._lines.append(line)
            if line is None or self._wants_more:
                return
            yield line

    def _is_strict(self) -> bool:
        try:
            next(self._opened(iter(self._lines), strict=True))
        except csv.Error:
            return False
        return True


def _delimited_rows(path: str, kind: str, names: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    with _open_lines(path) as file:
        reader = _reader(file, kind)
        header = list(names) if names is not None else _header(reader, path)
        for cells, fault in _guarded(reader):
            if cells is None:
                yield {BAD_ROW: fault}
            elif len(cells) == len(header):
                yield dict(zip(header, cells, strict=True))
            elif cells:
                yield {BAD_ROW: f"{len(cells)} cells under {len(header)} columns"}


def _header(reader: Iterator[list[str]], path: str) -> list[str]:
    """The names of the columns; where one comes again it is numbered: `caption`, then `caption_2`."""
    cells, fault = next(_guarded(reader), ([], ""))
    if cells is None:
        raise SourceError(f"{path!r}: {fault}")
    counts = [cells[:i].count(name) + 1 for i, name in enumerate(cells)]
    return [name if count == 1 else f"{name}_{count}" for name, count in zip(cells, counts, strict=True)]


def _json_lines(path: str) -> Iterator[dict[str, Any]]:
    with _open_lines(path) as file:
        for line, fault in _guarded(file):
            if line is None:
                yield {BAD_ROW: fault}
            elif line.strip():
                yield _json_object(line)


def _guarded(lines: Iterator[Line]) -> Iterator[tuple[Line | None, str]]:
    """Each line with an empty text; None with what is wrong for a broken line or an early end."""
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield None, str(error)
        except BROKEN as error:
            yield None, f"the file breaks off: {error}"
            return
        else:
            yield line, ""


def _json_object(line: str) -> dict[str, Any]:
    try:
        value = read_json(line)
    except ValueError as error:
        return {BAD_ROW: f"not JSON: {error}"}
    return value if isinstance(value, dict) else {BAD_ROW: f"not a JSON object: {line[:80]!r}"}


def _json_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows of a list of objects, an object that holds such a list, an object of columns, an object whose keys
    are names of images, or JSON lines."""
    if _is_json_lines(path):
        yield from _json_lines(path)
        return
    try:
        with open_text(path, newline="\n") as file:
            value = read_json(file.read())
    except (ValueError, *BROKEN) as error:
        raise SourceError(f"{path!r}: not JSON: {error}") from None
    for item in _json_records(value, path):
        yield item if isinstance(item, dict) else {BAD_ROW: f"not a JSON object: {str(item)[:80]!r}"}


def _is_json_lines(path: str) -> bool:
    """Whether the first line is a whole object and another line follows."""
    with _open_lines(path) as file:
        lines = [line for line, fault in itertools.islice(_guarded(file), 2) if line and line.strip()]
    return len(lines) == 2 and lines[0].lstrip().startswith("{") and BAD_ROW not in _json_object(lines[0])


def _json_records(value: Any, path: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if value and all((mimetypes.guess_type(name)[0] or "").startswith("image/") for name in value):
            return [_of_name(name, held) for name, held in value.items()]
        for held in value.values():
            if isinstance(held, list) and held and isinstance(held[0], dict):
                return held
        if value and all(isinstance(held, list) for held in value.values()):
            return [dict(zip(value, cells, strict=False)) for cells in zip(*value.values(), strict=False)]
        return [value]
    raise SourceError(f"{path!r}: holds no list of objects, but {type(value).__name__}")


def _of_name(image: str, said: Any) -> dict[str, Any]:
    """The row of an object that says something (a caption, several, an object) of each image by its name."""
    return {"image": image, **(said if isinstance(said, dict) else {"caption": said})}


def _parquet_schema(path: str) -> pa.Schema:
    with open_parquet(path) as file:
        return file.schema_arrow


def _parquet_rows(path: str, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """The rows; in a row group that is damaged, a rejected one for each that cannot be read."""
    wanted = None if columns is None else list(columns)
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            left = file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(_READ_TOGETHER, row_groups=[group], columns=wanted):
                    rows = plain_rows(batch)
                    left -= len(rows)
                    yield from rows
            except BROKEN_PARQUET as error:
                fault = f"the file is damaged: {str(error).splitlines()[0]}"
                yield from ({BAD_ROW: fault} for _ in range(left))


def plain_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch; text that is not UTF-8 keeps its bytes as surrogate escapes."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        # Some text of the batch is not UTF-8. All are read as bytes, so that its own row alone is rejected.
        texts = {field.name for field in batch.schema if field.type in (pa.string(), pa.large_string())}
        return [
            {name: _text(value) if name in texts else value for name, value in row.items()}
            for row in _as_binary(batch, texts).to_pylist()
        ]


def _as_binary(batch: pa.RecordBatch, texts: set[str]) -> pa.RecordBatch:
    arrays = [
        array.cast(pa.large_binary()) if field.name in texts else array
        for array, field in zip(batch.columns, batch.schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


_ROWS_OF_KIND = {
    ".csv": _delimited_rows,
    ".tsv": _delimited_rows,
    ".json": _json_rows,
    ".jsonl": _json_lines,
    ".parquet": _parquet_rows,
}
