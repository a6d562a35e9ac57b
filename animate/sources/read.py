"""Rows of a listing as a worker reads them: from files of their own, or from cells of parquet files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.columns import same_column
from animate.sources.demo import DEMO_FOLDER
from animate.sources.facts import check_images
from animate.sources.folder import folder_root
from animate.sources.image_paths import outside_fault, written_file
from animate.sources.listing import listed_rows
from animate.sources.regular import image_content
from animate.sources.table import Table, table_root
from animate.sources.table_files import BROKEN_PARQUET, open_parquet


def read_files(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows whose images are files of their own, or are in the listing itself."""
    root = _files_root(source)
    check_images(part, start, stop, root, folder)
    for row in listed_rows(folder / part.path, start, stop, columns):
        if row.fault is not None:
            yield Rejected.of(row, row.fault)
            continue
        image = row.content if row.content is not None else image_content(root, row.file)
        yield Rejected.of(row, image) if isinstance(image, Fault) else row.sample(image)


def read_cells(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows whose images are cells of parquet files."""
    cells = _Cells(table_root(source), Table(source).columns.image)
    for row in listed_rows(folder / part.path, start, stop, columns):
        if row.fault is not None:
            yield Rejected.of(row, row.fault)
            continue
        assert row.cell is not None
        image = cells.read(row.file, row.cell)
        if isinstance(image, str):
            image = _read_beside(image, table_root(source), source)
        if isinstance(image, Fault):
            yield Rejected.of(row, image)
        else:
            yield row.sample(image)


def listed_image(
    part: Part, number: int, source: SourceRecipe, folder: Path, columns: Columns
) -> bytes | Fault | None:
    """The image of row `number`, whatever else is wrong with the row, or why it cannot be had; None where the
    listing names none, or the part is read in another way than row by row."""
    [row] = listed_rows(folder / part.path, number, number + 1, columns)
    if row.content is not None:
        return row.content
    if row.fault is not None and row.fault.status == "outside_folder":
        return row.fault
    if part.reader == "files" and row.file:
        return image_content(_files_root(source), row.file)
    if part.reader == "rows" and row.cell is not None:
        image = _Cells(table_root(source), Table(source).columns.image).read(row.file, row.cell)
        return _read_beside(image, table_root(source), source) if isinstance(image, str) else image
    return None


def _read_beside(path: str, root: str, source: SourceRecipe) -> bytes | Fault:
    """The image that a cell names in place of holding it, as Hugging Face's image cells may."""
    file = written_file(path, root)
    fault = None if source.allow_outside else outside_fault(file, root)
    return fault or image_content(root, file)


def _files_root(source: SourceRecipe) -> str:
    """The folder that the file names of a listing are relative to."""
    if source.name == "demo":
        return DEMO_FOLDER
    if source.name == "folder":
        return folder_root(source.path)
    return source.path if os.path.isdir(source.path) else table_root(source)


class _Cells:
    """Image bytes by file and row; the row group that was read last is kept, since rows come in order."""

    def __init__(self, root: str, column: str):
        self._root, self._column = root, column
        self._file, self._reader, self._first, self._values = "", None, 0, pa.chunked_array([], pa.binary())

    def read(self, file: str, row: int) -> bytes | str | Fault:
        """The image of a row, or where it is."""
        if self._reader is None or file != self._file:
            self._file, self._first, self._values = file, 0, pa.chunked_array([], pa.binary())
            self._reader = open_parquet(os.path.join(self._root, file))
        if not self._first <= row < self._first + len(self._values):
            try:
                self._load(self._reader, row)
            except BROKEN_PARQUET as error:
                return Fault("bad_row", f"the file is damaged: {str(error).splitlines()[0]}")
        value = self._values[row - self._first].as_py()
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        return value if value is not None else Fault("missing_file", "its image is null")

    def _load(self, reader: pq.ParquetFile, row: int) -> None:
        """Keeps the row group that holds `row`, a number in the whole file."""
        first = 0
        for group in range(reader.num_row_groups):
            rows = reader.metadata.row_group(group).num_rows
            if row < first + rows:
                column = same_column(self._column, reader.schema_arrow.names)
                values = reader.read_row_group(group, columns=[column]).column(0)
                if len(values) != rows:
                    raise pa.ArrowInvalid(f"column {column!r} has {len(values)} of its {rows} rows")
                self._first, self._values = first, values
                return
            first += rows
        raise IndexError(f"{self._file!r} has no row {row}: it changed since the build was planned")
