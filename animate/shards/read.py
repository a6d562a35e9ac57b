"""Finished shards read again: their tars, tables and markers, and all that a row stands for."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import PARQUET, STATS, TAR, Clip, Fault, Rejected, ShardRecord, Take
from animate.errors import UserError
from animate.record import KEPT, SUCCESS, Columns, read_record
from animate.shards.place import Place
from animate.sources.paths import expand_braces, is_url
from animate.ustar import read_samples

#: Markers that are asked for together.
_MARKERS_AT_ONCE = 1000


class NoShards(UserError):
    """There are no shards where they should be, or they are not whole."""


def find_tars(urls: str | Path | Sequence[str | Path]) -> list[str]:
    """The tars that folders, tars, globs, brace patterns and URLs stand for, in order.

    Raises `NoShards` where one stands for none.
    """
    given = [urls] if isinstance(urls, str | Path) else urls
    tars = []
    for url in given:
        for name in expand_braces(str(url)):
            found = _find(name)
            if not found:
                raise NoShards(f"urls = {str(url)!r}: no tar there")
            tars += found
    return tars


def finished_shards(place: Place) -> list[str]:
    """Names of the shards that have a marker, in order."""
    return sorted(name.removesuffix(STATS) for name in place.names() if name.endswith(STATS))


def read_tar(url: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each sample of a tar: its key, and its members by suffix. `NoShards` if the tar is not whole."""
    filesystem, path = fsspec.core.url_to_fs(url)
    try:
        with filesystem.open(path, "rb") as file:
            yield from read_samples(file)
    except (ValueError, FileNotFoundError) as error:
        raise NoShards(f"{url}: {error}") from None


def read_clips(place: Place, name: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each clip of shard `name`: its key, and its members by suffix. `ValueError` if the tar is not whole."""
    with place.open(name + TAR) as file:
        yield from read_samples(file)


def read_table(place: Place, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The parquet of shard `name`, or some columns of it: a row an input."""
    with place.open(name + PARQUET) as file:
        # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
        return pq.ParquetFile(file).read(columns=columns, use_threads=False)


def read_marker(place: Place, name: str) -> ShardRecord | None:
    """What the marker of shard `name` says; None if there is none, so that the shard is not finished.

    Raises `ValueError` if it says something else than a marker.
    """
    for _, record in read_markers(place, [name]):
        if isinstance(record, ValueError):
            raise record
        return record
    return None


def read_markers(place: Place, names: Sequence[str]) -> Iterator[tuple[str, ShardRecord | ValueError]]:
    """What the markers of some shards say, of those that have one; an error where it is none."""
    for first in range(0, len(names), _MARKERS_AT_ONCE):
        files = [name + STATS for name in names[first : first + _MARKERS_AT_ONCE]]
        for file, content in place.read_many(files):
            name = file.removesuffix(STATS)
            try:
                yield name, _marker(name, content)
            except ValueError as error:
                yield name, error


def _marker(name: str, content: bytes) -> ShardRecord:
    try:
        table = json.loads(content)
        fields = dataclasses.fields(ShardRecord)
        known = {
            field.name for field in fields if field.default is dataclasses.MISSING or field.name in table
        }
        return ShardRecord(**{name: table[name] for name in known})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name}{STATS} is no marker: {error!r}") from None
    except ValueError as error:
        raise ValueError(f"{name}{STATS} cannot be read: {error}") from None


def stored_rows(place: Place, name: str, columns: Columns) -> Iterator[tuple[Take, Clip | Rejected]]:
    """Every input of shard `name` in order: its clip with the media members alone, or why there is none.

    Raises `ValueError` where tar and table do not belong together.
    """
    with place.open(name + TAR) as tar:
        samples = read_samples(tar)
        for row in read_table(place, name).to_pylist():
            take = Take(source_key=row["source_key"], index=row["take"])
            if row["status"] != SUCCESS:
                yield take, _rejected(row, columns)
                continue
            key, members = next(samples, ("", {}))
            if key != take.key:
                raise ValueError(
                    f"{place.root}/{name}: the table has {take.key} where the tar has {key!r}: "
                    "see `animate verify`"
                )
            record, _ = read_record(json.loads(members.pop("json")))
            del members["txt"]
            yield take, Clip(members=members, record=record, carried={n: row[n] for n in columns})


def _rejected(row: Mapping[str, Any], columns: Columns) -> Rejected:
    return Rejected(
        key=row["source_key"],
        fault=Fault(row["status"], row["error_message"]),
        captions=() if row["caption"] is None else (row["caption"],),
        meta={name: row[name] for name in (*columns, *KEPT)},
    )


def _find(name: str) -> list[str]:
    if "*" in name or "?" in name:
        filesystem, pattern = fsspec.core.url_to_fs(name)
        return sorted(filesystem.unstrip_protocol(path) for path in filesystem.glob(pattern))
    if name.endswith(TAR):
        return [name] if is_url(name) or Path(name).is_file() else []
    return sorted(f"{name.rstrip('/')}/{file}" for file in Place.at(name).names() if file.endswith(TAR))
