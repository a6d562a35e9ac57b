"""`table`: csv, tsv, json, jsonl or parquet files whose rows name an image file or hold an image's bytes."""

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
from animate.sources.columns import IMAGE_NAMES, URL_NAMES, Columns, find_columns, first_named
from animate.sources.duplicates import image_fingerprint, refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import find_files, identity
from animate.sources.tables import BAD_ROW, TABLE_SUFFIXES, binary_columns, table_columns, table_rows


class Table:
    """Rows of one table or of several with the same columns, in order.

    Image paths are relative to the table's folder. Neighbouring rows of one image, as in Flickr's token
    files, are one input with several captions, unless a key column tells them apart.
    """

    def __init__(self, source: SourceRecipe):
        self.source = source
        self.files = find_files(source.path, TABLE_SUFFIXES)
        self.root = table_root(source)
        names = table_columns(self.files[0])
        self.bytes_columns = binary_columns(self.files[0])
        if not source.image_column and lists_addresses(self.files[0]):
            raise SourceError(
                f"{self.files[0]!r} lists addresses and holds no images: use --src urls --urls FILE"
            )
        self.columns = find_columns(names, source, self.files[0], self.bytes_columns)

    def fingerprint(self) -> dict[str, str | int]:
        return identity(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        in_parquet = self.columns.image in self.bytes_columns
        if in_parquet:
            refuse_duplicates(self.source, "images in the cells of parquet files")
            return freeze_rows(self._stored_rows(), "rows", folder, rows_per_shard, self.source)
        rows, mark = grouped(self._rows()), image_fingerprint(self.source, self.root)
        return freeze_rows(rows, "files", folder, rows_per_shard, self.source, fingerprint=mark)

    def _stored_rows(self) -> Iterator[Row]:
        """Rows of parquet files whose image bytes stay where they are: only the other columns are read."""
        for path in self.files:
            file = os.path.relpath(path, self.root)
            columns = [name for name in table_columns(path) if name not in binary_columns(path)]
            for number, row in enumerate(table_rows(path, columns)):
                key = str(row[self.columns.key]) if self.columns.key else f"{_stem(file)}-{number:06d}"
                captions = caption_texts(row[self.columns.caption])
                yield Row(key, captions, file, self.columns.rest(row), image=(number,))

    def _rows(self) -> Iterator[Row]:
        for path in self.files:
            name = _stem(os.path.relpath(path, self.root))
            for number, row in enumerate(table_rows(path)):
                yield table_row(row, self.columns, f"{name}-{number:06d}")


def table_row(row: Mapping[str, Any], columns: Columns, number: str) -> Row:
    """The input that a row describes; `number` is its key where nothing else names it."""
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
    return Row(key or _stem(image), captions, image, meta)


def grouped(rows: Iterator[Row]) -> Iterator[Row]:
    """Neighbouring rows of one key and file as one, with the captions of all and the meta of the first."""
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


def _embedded(text: str) -> bytes | None:
    """The bytes of an image written as base64 (also as a data: address), or None for what reads as a path."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    elif len(text) < 256 or not text.startswith(_BASE64_STARTS):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


#: How base64 of a JPEG, PNG, GIF, WebP, TIFF and BMP begins.
_BASE64_STARTS = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "Qk")


def _stem(path: str) -> str:
    """The path without its suffix, with `/`; leading `./` and `/` name nothing."""
    pure = PurePosixPath(path.replace(os.sep, "/"))
    parts = [part for part in pure.with_suffix("").parts if part not in ("/", "..")] if pure.name else []
    return "/".join(parts)


def lists_addresses(file: str) -> bool:
    """Whether a table names its images by address alone, as `urls` reads it."""
    names = table_columns(file)
    return bool(first_named(names, URL_NAMES)) and not (
        first_named(names, IMAGE_NAMES) or binary_columns(file)
    )
