"""Finished clips to shards: three files that appear all together or not at all.

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
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from animate import ustar
from animate.data import (
    DOWNLOAD_STATUSES,
    PARQUET,
    SHARD_SUFFIXES,
    STATS,
    TAR,
    UNDECODED,
    Clip,
    Rejected,
    ShardRecord,
    Take,
)
from animate.edit import shot_amplitudes
from animate.executor import CannotWrite
from animate.fit import HELD_BACK
from animate.record import KEYS, SUCCESS, Columns, flat_json, parquet_columns
from animate.shards.place import ATTEMPTS, Place, sync
from animate.sources.download.rows import scratch_folder
from animate.stores import StoreUnavailable

#: Told after each input how many clips and how many rejections a shard has so far.
OnRow = Callable[[int, int], None]


class ShardWriter:
    """An attempt at shard `name` of the set at `out` (a folder or an fsspec URL); `columns` are the set's,
    and `whole_fps` says whether its frames a second are integers.

    Use as a context: once `finish` has returned the shard is there, whole; leaving before leaves no trace,
    but for an empty folder `ATTEMPTS`, which goes with the build. A process that dies in the midst leaves its
    attempt there, from which the next run knows.
    """

    def __init__(
        self,
        out: str | Path,
        name: str,
        columns: Columns,
        *,
        whole_fps: bool = True,
        on_row: OnRow | None = None,
    ) -> None:
        self._place = Place.at(out)
        self._name = name
        self._columns = columns
        self._whole_fps = whole_fps
        self._on_row = on_row
        self._rows: list[dict[str, Any]] = []
        self._rejected: Counter[str] = Counter()
        self._clips = 0
        self._shots = 0
        self._shots_held_back = 0
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self._scratch = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # Two attempts at one shard may overlap (a worker thought lost that was not): each has its own folder.
        attempt = f"{self._name}-{secrets.token_hex(4)}"
        local = self._place.local
        if local is None:
            self._begun = f"{ATTEMPTS}/{attempt}"
            self._place.write_json(self._begun, {"host": socket.gethostname(), "pid": os.getpid()})
            self._folder = self._scratch.enter_context(scratch_folder())
        else:
            self._folder = local / ATTEMPTS / attempt
            self._folder.mkdir(parents=True)
        self._tar = open(self._folder / (self._name + TAR), "wb", buffering=1 << 20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        if self._place.local is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self._scratch.close()
            # The shard is made, or not, whatever becomes of this; the end of the build clears up.
            with contextlib.suppress(StoreUnavailable, CannotWrite):
                self._place.remove(self._begun)

    def add(self, clip: Clip) -> None:
        """The clip's members, its JSON and its caption are in the tar, its row is in the table."""
        record, given = clip.record, clip.carried
        lacks = self._columns.keys() - given.keys() - KEYS.keys()
        assert not lacks, f"{record.key}: carries no {', '.join(sorted(lacks))}"
        members = {
            **clip.members,
            "json": flat_json(record, given, self._columns),
            "txt": record.caption.encode(),
        }
        pieces = (ustar.member(f"{record.key}.{suffix}", members[suffix]) for suffix in sorted(members))
        self._write(b"".join(itertools.chain.from_iterable(pieces)))
        self._clips += 1
        amplitudes = shot_amplitudes(record.shot)
        self._shots += len(amplitudes)
        self._shots_held_back += sum(amplitude < HELD_BACK for amplitude in amplitudes)
        self._add_row({**given, **record.table()})

    def reject(self, take: Take, rejected: Rejected) -> None:
        """The input is counted, and its row says why it gave no clip."""
        self._rejected[rejected.fault.status] += 1
        self._add_row(
            {
                **rejected.meta,
                "key": take.key,
                "source_key": take.source_key,
                "take": take.index,
                "status": rejected.fault.status,
                "error_message": rejected.fault.message,
                "caption": rejected.captions[0] if rejected.captions else None,
            }
        )

    def _add_row(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if self._on_row is not None:
            self._on_row(self._clips, len(self._rows) - self._clips)

    def finish(self) -> ShardRecord:
        """The three files are in place, the marker last; returns what the marker says."""
        self._write(ustar.end(self._bytes))
        self._tar.close()
        table, buffer = _table(self._rows, self._columns, whole_fps=self._whole_fps), pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        (self._folder / (self._name + PARQUET)).write_bytes(buffer.getvalue())
        record = ShardRecord(
            name=self._name,
            inputs=len(self._rows),
            clips=self._clips,
            rejected=dict(sorted(self._rejected.items())),
            bytes=self._bytes,
            sha256=self._sha256.hexdigest(),
            shots=self._shots,
            shots_held_back=self._shots_held_back,
        )
        stats = json.dumps(_stats(record), indent=1) + "\n"
        (self._folder / (self._name + STATS)).write_text(stats, encoding="utf-8")
        self._publish()
        return record

    def _write(self, piece: bytes) -> None:
        self._tar.write(piece)
        self._sha256.update(piece)
        self._bytes += len(piece)

    def _publish(self) -> None:
        for suffix in SHARD_SUFFIXES:  # all are written by now: so the disk has less to do than for each
            sync(self._folder / (self._name + suffix))
        # A marker of an older shard of this name must not vouch for what now replaces it.
        self._place.remove(self._name + STATS)
        for suffix in (TAR, PARQUET):
            self._place.put(self._folder / (self._name + suffix), self._name + suffix)
        self._place.sync()  # the marker must not outlive what it stands for
        self._place.put(self._folder / (self._name + STATS), self._name + STATS)


def _stats(record: ShardRecord) -> dict[str, Any]:
    """The record, and the same counts under the names that readers of img2dataset's files look for.

    An input that was refused for its caption, or by a filter, has neither failed to download nor to resize.
    """
    came_not = (*DOWNLOAD_STATUSES, "missing_file")
    return {
        "name": record.name,
        "inputs": record.inputs,
        "clips": record.clips,
        "rejected": record.rejected,
        "bytes": record.bytes,
        "sha256": record.sha256,
        "shots": record.shots,
        "shots_held_back": record.shots_held_back,
        "count": record.inputs,
        "successes": record.clips,
        "failed_to_download": sum(record.rejected.get(status, 0) for status in came_not),
        "failed_to_resize": sum(record.rejected.get(status, 0) for status in UNDECODED),
        "status_dict": {SUCCESS: record.clips, **record.rejected},
    }


def _table(rows: list[dict[str, Any]], columns: Columns, *, whole_fps: bool) -> pa.Table:
    """A row an input; a cell is null where its row has no value."""
    types = parquet_columns(columns, whole_fps=whole_fps)
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()})
