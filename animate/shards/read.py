"""A finished shard read again, row by row, ready to be written into another."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from animate.data import Clip, Rejected, Take
from animate.shards.place import Place
from animate.shards.ustar import read_samples
from animate.shards.write import COLUMNS, PARQUET, SUCCESS, TAR
from animate.sources.columns import CLIP_NAMES


def stored_rows(place: Place, name: str) -> Iterator[tuple[Take, Clip | Rejected]]:
    """Every input of shard `name` in order: its clip with the media members alone, or why there is none.

    Raises `ValueError` where tar and table do not belong together.
    """
    stem = f"{place.root}/{name}"
    with place.filesystem.open(stem + TAR, "rb") as tar, place.filesystem.open(stem + PARQUET, "rb") as table:
        samples = read_samples(tar)
        # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
        for row in pq.ParquetFile(table).read(use_threads=False).to_pylist():
            take = Take(source_key=row["source_key"], index=row["take"])
            if row["status"] != SUCCESS:
                yield take, rejection(row, row["status"], row["error_message"])
                continue
            key, members = next(samples, ("", {}))
            if key != take.key:
                raise ValueError(
                    f"{stem}: the table has {take.key} where the tar has {key!r}: see `animate verify`"
                )
            record = _as_built(json.loads(members["json"]), row)
            media = {suffix: content for suffix, content in members.items() if suffix not in ("json", "txt")}
            yield take, Clip(take=take, members=media, record=record)


def rejection(row: Mapping[str, Any], status: str, message: str) -> Rejected:
    """The rejection of the input that a row of the table, or a clip's record, tells of."""
    carried = {
        name: value
        for name, value in row.items()
        if name in ("url", "sha256") or not (name in COLUMNS or name in CLIP_NAMES)
    }
    return Rejected(
        key=row["source_key"],
        status=status,
        message=message,
        captions=() if row["caption"] is None else (row["caption"],),
        meta={name: value for name, value in carried.items() if not isinstance(value, list | dict)},
    )


def _as_built(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """A clip's record as it was before it was written: values that are null in its row were missing."""
    return {name: None if name in row and row[name] is None else value for name, value in record.items()}
