"""The parquet beside a tar, as img2dataset writes it: a row for each sample, by key."""

import logging
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import PARQUET
from animate.sources.carried import carried
from animate.sources.columns import KEY_NAMES, first_named
from animate.sources.keys import safe_key
from animate.sources.regular import open_anywhere
from animate.sources.table_files import BROKEN_PARQUET, holds_bytes, plain_rows
from animate.sources.tars import tar_stem

log = logging.getLogger(__name__)


def sidecar_rows(tar: str) -> dict[str, dict[str, Any]]:
    """The rows by tar-safe key; none if there is no such parquet, or it has no column of keys.

    One that is damaged is logged and counts for nothing: images and captions are in the tar.
    """
    path = tar_stem(tar) + PARQUET
    try:
        with open_anywhere(path) as file:
            table = pq.ParquetFile(file)
            key = first_named(table.schema_arrow.names, KEY_NAMES)
            # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
            batches = table.iter_batches(use_threads=False) if key else ()
            return {safe_key(str(row[key])): row for batch in batches for row in plain_rows(batch)}
    except FileNotFoundError:
        return {}
    except BROKEN_PARQUET as error:
        log.warning("%s: is not used: %s", path, error)
        return {}


def sidecar_types(tar: str) -> dict[str, type | None]:
    """The Python type of each column that samples carry from the parquet; None for a column of nulls."""
    try:
        with open_anywhere(tar_stem(tar) + PARQUET) as file:
            schema = pq.ParquetFile(file).schema_arrow
    except BROKEN_PARQUET:  # said when its rows are read
        return {}
    if not first_named(schema.names, KEY_NAMES):
        return {}
    return carried((field.name, _python_type(field.type)) for field in schema if not holds_bytes(field.type))


def _python_type(kind: pa.DataType) -> type | None:
    """The type that cells of an Arrow column have in a sample's meta."""
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_uint64(kind):
        return str  # such a number may be too large for int64, the only column of whole numbers that there is
    if pa.types.is_integer(kind):
        return int
    if pa.types.is_floating(kind):
        return float
    return None if pa.types.is_null(kind) else str
