"""`table`: csv, tsv, json, jsonl or parquet files whose rows name an image file or hold the image itself."""

import base64
import binascii
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from animate.data import Fault, Frozen
from animate.recipe import SourceRecipe
from animate.sources.captions import caption_texts, unique
from animate.sources.columns import (
    IMAGE_NAMES,
    URL_NAMES,
    ColumnNames,
    check_header,
    check_headerless,
    find_columns,
    first_named,
    respelled,
    same_column,
)
from animate.sources.duplicates import image_identity, refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.image_paths import outside_fault, written_file
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import files_fingerprint, find_files
from animate.sources.table_files import (
    BAD_ROW,
    TABLE_SUFFIXES,
    binary_columns,
    rows_or_fault,
    table_columns,
    table_kind,
    table_rows,
)

#: How base64 of a JPEG, PNG, GIF, WebP, TIFF (of either byte order) and BMP begins.
_BASE64_STARTS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "Qk")


class Table:
    """Rows of one table, or of several with the same columns, in order.

    Image paths are relative to the folder of the first table. Neighbouring rows of one image, as in Flickr's
    token files, are one input with several captions, unless a column of keys tells them apart.
    """

    def __init__(self, source: SourceRecipe):
        self.source = source
        self.files = find_files(source.path, TABLE_SUFFIXES)
        self.root = table_root(source)
        self.named = source.columns or None
        self.names = list(source.columns) or table_columns(self.files[0])
        if self.named:
            check_headerless(self.files)
        elif table_kind(self.files[0]) in (".csv", ".tsv"):
            check_header(self.names, self.files[0])
        self.bytes_columns = binary_columns(self.files[0])
        if not source.image_column and not self.named and lists_addresses(self.files[0]):
            raise SourceError(
                f"{self.files[0]!r} lists addresses and holds no images: use --src urls --urls FILE"
            )
        self.columns = find_columns(self.names, source, self.files[0], self.bytes_columns)

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        write_files(folder, self.files, self.root)
        if self.columns.image in self.bytes_columns:
            refuse_duplicates(self.source, "images in the cells of parquet files")
            return freeze_rows(self._rows_of_cells(), "rows", folder, rows_per_shard, self.source)
        rows, identify = group_rows(self._rows_of_files()), image_identity(self.source, self.root)
        return freeze_rows(
            rows, "files", folder, rows_per_shard, self.source, identify=identify, root=self.root
        )

    def _rows_of_cells(self) -> Iterator[Row]:
        """Rows of parquet files that hold the images: only the other columns are read."""
        for path in self.files:
            file = os.path.relpath(path, self.root)
            try:
                held = binary_columns(path)
            except SourceError as error:
                yield Row(_key_of_path(file), (), file, fault=Fault("bad_row", str(error)))
                continue
            if not same_column(self.columns.image, held):
                raise SourceError(
                    f"{path!r} has no images in {self.columns.image!r}, as {self.files[0]!r} has"
                )
            columns = [name for name in table_columns(path) if name not in held]
            for number, row in enumerate(respelled(table_rows(path, columns), self.names)):
                if BAD_ROW in row:
                    yield Row(
                        f"{_key_of_path(file)}-{number:06d}", (), file, fault=Fault("bad_row", row[BAD_ROW])
                    )
                    continue
                own = str(row.get(self.columns.key) or "") if self.columns.key else ""
                key = own or f"{_key_of_path(file)}-{number:06d}"
                captions = caption_texts(row.get(self.columns.caption))
                yield Row(key, captions, file, self.columns.rest(row), cell=number)

    def _rows_of_files(self) -> Iterator[Row]:
        for path in self.files:
            name = _key_of_path(os.path.relpath(path, self.root))
            for number, row in enumerate(
                respelled(rows_or_fault(table_rows(path, names=self.named)), self.names)
            ):
                yield table_row(row, self.columns, f"{name}-{number:06d}", self.root, self.source)


def table_row(
    row: Mapping[str, Any], columns: ColumnNames, number: str, root: str, source: SourceRecipe
) -> Row:
    """The input that a row describes; `number` is its key if nothing else in the row names it.

    `root` is the folder that its images are in.
    """
    if BAD_ROW in row:
        return Row(number, (), fault=Fault("bad_row", row[BAD_ROW]))
    captions, meta = caption_texts(row.get(columns.caption)), columns.rest(row)
    image = row.get(columns.image)
    key = str(row.get(columns.key) or "") if columns.key else ""
    if isinstance(image, dict):
        image = image.get("path") or image.get("file_name") or image.get("bytes")
    if not isinstance(image, str) or not image.strip():
        fault = Fault("bad_row", f"no image in {columns.image!r}")
        return Row(key or number, captions, meta=meta, fault=fault)
    content = _embedded(image)
    if content is not None:
        return Row(key or number, captions, meta=meta, content=content)
    file = written_file(image, root)
    fault = None if source.allow_outside else outside_fault(file, root)
    return Row(key or _key_of_path(file), captions, file, meta, fault)


def group_rows(rows: Iterator[Row]) -> Iterator[Row]:
    """Neighbouring rows of one key and file as one: the first of them, with the captions of all.

    Rows of files a a b a with captions 1 2 3 4 become a with 1 and 2, b with 3, and a with 4, which has a
    repeated key. Rows that name no file stay as they are.
    """
    for (_, file), group in itertools.groupby(rows, key=lambda row: (row.key, row.file)):
        first, *others = group
        if not file or not others:
            yield from (first, *others)
            continue
        captions = unique(caption for row in (first, *others) for caption in row.captions or ())
        yield first._replace(captions=captions)


def table_root(source: SourceRecipe) -> str:
    """The folder that the table's image paths are relative to."""
    return os.path.dirname(os.path.abspath(find_files(source.path, TABLE_SUFFIXES)[0]))


def lists_addresses(file: str) -> bool:
    """Whether a table has addresses of images and no images or files, so that it is a corpus for `urls`."""
    names = table_columns(file)
    return bool(first_named(names, URL_NAMES)) and not (
        first_named(names, IMAGE_NAMES) or binary_columns(file)
    )


def _embedded(text: str) -> bytes | None:
    """The image that is written as base64 (also in a data: URL), empty if that is broken; None for a path."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    elif len(text) < 256 or not text.startswith(_BASE64_STARTS):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _key_of_path(path: str) -> str:
    """The path without its suffix and with `/` between its parts; a leading `./` or `/` and any `..` go."""
    pure = PurePosixPath(path.replace(os.sep, "/"))
    parts = [part for part in pure.with_suffix("").parts if part not in ("/", "..")] if pure.name else []
    return "/".join(parts)
