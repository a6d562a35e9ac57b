"""Finished clips to shards: what each format stores, and three files that appear all together or not at all.

A shard is a tar of clips, a parquet table with a row for every input, made or not, and `_stats.json`, which
alone means "done". They are written as an attempt, then renamed (on an object store: put) in that order.
Equal clips in equal order give three equal files.
"""

import contextlib
import hashlib
import itertools
import json
import os
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from animate import tally
from animate.data import Clip, Rejected, ShardRecord, Take
from animate.shards import ustar
from animate.shards.place import ATTEMPTS, Place

#: Suffixes of a shard's files, in the order in which they appear. The last is the marker.
TAR, PARQUET, STATS = ".tar", ".parquet", "_stats.json"

#: Status of an input that became a clip, in JSON and parquet, as img2dataset writes it.
SUCCESS = "success"

#: The columns that every shard's parquet has. Others are what the source carried and the clip's own scalars.
COLUMNS: Mapping[str, pa.DataType] = {
    "key": pa.string(),
    "source_key": pa.string(),
    "take": pa.int64(),
    "status": pa.string(),
    "error_message": pa.string(),
    "caption": pa.string(),
    "url": pa.string(),
    "sha256": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "original_width": pa.int64(),
    "original_height": pa.int64(),
    "num_frames": pa.int64(),
    "fps": pa.int64(),
    "duration": pa.float64(),
    "camera": pa.string(),
}

#: JSON values that no column holds though they are text: a whole film, replayable.
_NOT_COLUMNS = frozenset({"shot"})


def flat_json(record: Mapping[str, Any]) -> bytes:
    """A clip's record as one line of JSON. A missing value (None, NaN) becomes `""`: null has no type."""
    plain = {key: "" if value is None or value != value else value for key, value in record.items()}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


class ShardWriter:
    """An attempt at shard `name` of the set at `out` (a folder or an fsspec URL).

    Use as a context: once `finish` has returned the shard is there, whole; leaving before leaves no trace.
    """

    def __init__(self, out: str | Path, name: str) -> None:
        self._place = Place.at(out)
        self._name = name
        self._rows: list[dict[str, Any]] = []
        self._keys: tuple[str, ...] | None = None
        self._rejected: Counter[str] = Counter()
        self._clips = 0
        self._bytes = 0
        self._sha256 = hashlib.sha256()

    def __enter__(self) -> Self:
        # Two attempts at one shard may overlap (a worker thought lost that was not): each has its own folder.
        attempt = f"{self._name}-{secrets.token_hex(4)}"
        local = self._place.local
        if local is None:
            self._folder = Path(tempfile.mkdtemp(prefix=attempt))
        else:
            self._folder = local / ATTEMPTS / attempt
            self._folder.mkdir(parents=True)
        self._tar = open(self._folder / (self._name + TAR), "wb", buffering=1 << 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._place.local is not None:
            with contextlib.suppress(OSError):  # another attempt is still in there
                self._folder.parent.rmdir()

    def add(self, clip: Clip) -> None:
        """The clip's members, its JSON and its caption are in the tar, its row is in the table."""
        keys = tuple(clip.record)
        if self._keys is None:
            self._keys = keys
        assert keys == self._keys, f"{clip.take.key}: JSON keys differ: {set(keys) ^ set(self._keys)}"
        members = {
            **clip.members,
            "json": flat_json(clip.record),
            "txt": clip.record["caption"].encode(),
        }
        pieces = (ustar.member(f"{clip.take.key}.{suffix}", members[suffix]) for suffix in sorted(members))
        self._write(b"".join(itertools.chain.from_iterable(pieces)))
        self._clips += 1
        self._rows.append(
            {
                name: value
                for name, value in clip.record.items()
                if name not in _NOT_COLUMNS and not isinstance(value, list | dict)
            }
        )
        tally.count(made=True)

    def reject(self, take: Take, rejected: Rejected) -> None:
        """The input is counted, and its row says why it gave no clip."""
        self._rejected[rejected.status] += 1
        self._rows.append(
            {
                **rejected.meta,
                "key": take.key,
                "source_key": take.source_key,
                "take": take.index,
                "status": rejected.status,
                "error_message": rejected.message,
                "caption": rejected.captions[0] if rejected.captions else None,
                **dict.fromkeys(("width", "height", "original_width", "original_height")),
                **dict.fromkeys(("num_frames", "fps", "duration", "camera")),
            }
        )
        tally.count(made=False)

    def finish(self) -> ShardRecord:
        """The three files are in place, the marker last; returns what the marker says."""
        self._write(ustar.end(self._bytes))
        self._tar.flush()
        os.fsync(self._tar.fileno())
        self._tar.close()
        _write_parquet(self._folder / (self._name + PARQUET), self._rows)
        record = ShardRecord(
            name=self._name,
            inputs=len(self._rows),
            clips=self._clips,
            rejected=dict(sorted(self._rejected.items())),
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
        )
        with open(self._folder / (self._name + STATS), "w", encoding="utf-8") as file:
            file.write(json.dumps(_stats(record), indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._publish()
        return record

    def _write(self, piece: bytes) -> None:
        self._tar.write(piece)
        self._sha256.update(piece)
        self._bytes += len(piece)

    def _publish(self) -> None:
        # A marker of an older shard of this name must not vouch for what now replaces it.
        self._place.remove(self._name + STATS)
        local = self._place.local
        for suffix in (TAR, PARQUET, STATS):
            name = self._name + suffix
            if local is None:
                self._place.filesystem.put_file(str(self._folder / name), f"{self._place.root}/{name}")
            else:
                if suffix == STATS:
                    _sync_folder(local)  # the marker must not outlive what it stands for
                os.replace(self._folder / name, local / name)
        if local is not None:
            _sync_folder(local)


def read_stats(out: str | Path, name: str) -> ShardRecord | None:
    """What the marker of shard `name` says; None if there is none, so that the shard is not finished."""
    table = Place.at(out).read_json(name + STATS)
    if table is None:
        return None
    return ShardRecord(**{field: table[field] for field in ShardRecord.__dataclass_fields__})


def _stats(record: ShardRecord) -> dict[str, Any]:
    """The record, and the same counts under the names that readers of img2dataset's files look for."""
    return {
        "name": record.name,
        "inputs": record.inputs,
        "clips": record.clips,
        "rejected": record.rejected,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "count": record.inputs,
        "successes": record.clips,
        "failed_to_download": record.rejected.get("missing_file", 0),
        "failed_to_resize": record.inputs - record.clips - record.rejected.get("missing_file", 0),
        "status_dict": {SUCCESS: record.clips, **record.rejected},
    }


def _write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    names = [*COLUMNS, *sorted({name for row in rows for name in row} - COLUMNS.keys())]
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        kind = COLUMNS.get(name) or _column_type(values)
        if kind == pa.string():
            values = [value if value is None or isinstance(value, str) else str(value) for value in values]
        columns[name] = pa.array(values, kind)
    with open(path, "wb") as file:
        pq.write_table(pa.table(columns), file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def _column_type(values: list[Any]) -> pa.DataType:
    """The narrowest type for what a source carried; text where kinds are mixed or nothing is known."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pa.int64()
    if float in kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.string()


def _sync_folder(folder: Path) -> None:
    """The renames in `folder` outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
