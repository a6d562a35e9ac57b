"""The parquet beside a tar, as img2dataset writes it: a row for each sample, by key."""

from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import PARQUET
from animate.sources.carried import carried
from animate.sources.columns import KEY_NAMES, first_named
from animate.sources.keys import safe_key
from animate.sources.table_files import holds_bytes
from animate.sources.tars import tar_stem


def sidecar_rows(tar: str) -> dict[str, dict[str, Any]]:
    """The rows by tar-safe key; none if there is no such parquet, or it has no column of keys."""
    try:
        with fsspec.open(tar_stem(tar) + PARQUET, "rb") as file:
            # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
            table = pq.ParquetFile(file).read(use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    key = first_named(table.column_names, KEY_NAMES)
    return {safe_key(str(row[key])): row for row in table.to_pylist()} if key else {}


def sidecar_types(tar: str) -> dict[str, type | None]:
    """The Python type of each column that samples carry from the parquet; None for a column of nulls."""
    try:
        with fsspec.open(tar_stem(tar) + PARQUET, "rb") as file:
            schema = pq.ParquetFile(file).schema_arrow
    except (FileNotFoundError, pa.ArrowInvalid):
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
