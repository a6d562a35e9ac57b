"""The frozen listing of a corpus: one parquet row an input, written once when a build is planned.

Whatever can be known without the image bytes is settled here and the same for every worker: the order, the
keys, duplicates, blank captions. Row groups are a shard long, so that a worker reads its own rows only.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault, Frozen, Part, Scalar
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.seen import SeenKeys
from animate.sources.captions import caption_fault, printable
from animate.sources.carried import CarriedTypes, fit, scalar
from animate.sources.filters import check_columns, judge
from animate.sources.keys import key_fault, safe_key, same_image, same_key

LISTING = "listing.parquet"

_BATCH = 8192
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("captions", pa.list_(pa.string())),
        # Bytes, for file names need not be text.
        ("file", pa.binary()),
        ("image", pa.list_(pa.int64())),
        ("text", pa.list_(pa.int64())),
        ("json", pa.list_(pa.int64())),
        ("content", pa.binary()),
        ("meta", pa.string()),
    ]
)
#: `json.dumps` makes an encoder each time, which took a tenth of the planning of a long list.
_encode = json.JSONEncoder(ensure_ascii=False).encode


class Row(NamedTuple):
    """One input of a corpus before its bytes are read.

    `file` says where the image is, relative to the corpus where it lies inside it. `image`, `text` and `json`
    are (offset, size) of a tar's members, `image` alone is (row,) of a table with image bytes. `content`
    is the image itself where its file cannot be read from the middle. `captions` is None where only
    the worker can tell. A `fault` makes the row a rejection.
    """

    key: str
    captions: tuple[str, ...] | None
    file: str = ""
    meta: Mapping[str, Any] | None = None
    fault: Fault | None = None
    image: tuple[int, ...] | None = None
    text: tuple[int, int] | None = None
    json: tuple[int, int] | None = None
    content: bytes | None = None


def freeze_rows(
    rows: Iterable[Row],
    reader: str,
    folder: Path,
    rows_per_shard: int,
    source: SourceRecipe,
    *,
    fingerprint: Callable[[Row], str | None] | None = None,
    types: CarriedTypes | None = None,
    more_texts: tuple[str, ...] = (),
) -> Frozen:
    """Writes `rows` to the listing in `folder`, the one part of the corpus (none when it is empty).

    `fingerprint` gives what two duplicate images share, where the recipe wants none twice. `types` knows what
    samples carry if the rows do not tell (it may learn while they are listed); `more_texts` are columns that
    the worker adds. Memory stays flat but for 8 bytes a key (and 8 an image with `fingerprint`).
    """
    keys, images, seen, count = SeenKeys(), SeenKeys(), types or CarriedTypes(), 0
    if source.sample < 1:
        rows = (row for row in rows if in_sample(safe_key(row.key), source.sample))
    chosen = islice(rows, source.limit) if source.limit else iter(rows)
    path = Path(folder) / LISTING
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd", use_dictionary=False) as writer:
        pending: list[Row] = []
        while batch := list(islice(chosen, _BATCH)):
            for row in batch:
                if row.meta:
                    seen.see(row.meta)
            if count == 0 and types is None:
                check_columns(seen.names, source.filters, source.path)
            checked = _reject_repeated([_checked(row, source) for row in batch], keys)
            if fingerprint is not None and source.filters.duplicates != "keep":
                checked = _reject_same_images(checked, images, fingerprint)
            pending += checked
            while len(pending) >= rows_per_shard:
                writer.write_batch(_record_batch(pending[:rows_per_shard]), row_group_size=rows_per_shard)
                pending = pending[rows_per_shard:]
            count += len(batch)
        if pending:
            writer.write_batch(_record_batch(pending), row_group_size=rows_per_shard)
    raw = ("caption_raw",) if source.clean_captions else ()
    return Frozen(
        parts=(Part(reader=reader, path=LISTING, rows=count),) if count else (),
        columns=seen.columns(*raw, *more_texts),
    )


def in_sample(key: str, share: float) -> bool:
    """Whether a key is in the sample of this share: a larger share holds every smaller one."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "little") < share * 2**64


class Listed(NamedTuple):
    """A row of the frozen listing as a worker reads it; `meta` has the same keys in every row."""

    key: str
    fault: Fault | None
    captions: tuple[str, ...] | None
    file: str
    image: list[int] | None
    text: list[int] | None
    json: list[int] | None
    content: bytes | None
    meta: dict[str, Scalar]


def listed_rows(path: Path, start: int, stop: int | None, columns: Columns) -> Iterator[Listed]:
    """Rows `start` to `stop` of the listing, reading only the row groups that hold them."""
    with pq.ParquetFile(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            if end > start and (stop is None or first < stop):
                table = file.read_row_group(group)
                low = max(start - first, 0)
                high = table.num_rows if stop is None else min(stop - first, table.num_rows)
                for row in table.slice(low, high - low).to_pylist():
                    yield _listed(row, columns)
            first = end


def _listed(row: dict[str, Any], columns: Columns) -> Listed:
    captions = None if row["captions"] is None else tuple(row["captions"])
    return Listed(
        key=row["key"],
        fault=Fault(row["status"], row["message"]) if row["status"] else None,
        captions=captions,
        file=row["file"].decode("utf-8", "surrogateescape"),
        image=row["image"],
        text=row["text"],
        json=row["json"],
        content=row["content"],
        meta=fit(json.loads(row["meta"]) if row["meta"] else {}, columns),
    )


def _checked(row: Row, source: SourceRecipe) -> Row:
    """The row with a tar-safe key and clean captions, and with a status where it is unusable or unwanted."""
    key, captions, meta = safe_key(row.key), row.captions, row.meta
    fault = row.fault or key_fault(key)
    if captions is None:
        return row._replace(key=key, fault=fault)
    fault = fault or caption_fault(captions)
    if fault is None:
        verdict = judge(captions, meta or {}, source)
        captions, fault = verdict.captions, verdict.fault or caption_fault(verdict.captions)
        if verdict.raw is not None:
            meta = {**(meta or {}), "caption_raw": verdict.raw}
    elif fault.status == "caption_not_utf8":
        captions = tuple(map(printable, captions))
    if row.image is None and row.content is None:
        # The common case of a long list, where `_replace` is slow.
        return Row(key, captions, row.file, meta, fault)
    return row._replace(key=key, captions=captions, meta=meta, fault=fault)


def _reject_same_images(
    rows: list[Row], seen: SeenKeys, fingerprint: Callable[[Row], str | None]
) -> list[Row]:
    marks = [None if row.fault else fingerprint(row) for row in rows]
    known = [mark for mark in marks if mark is not None]
    repeated = iter(seen.add(known).tolist())
    return [
        row._replace(fault=same_image(str(mark))) if mark is not None and next(repeated) else row
        for row, mark in zip(rows, marks, strict=True)
    ]


def _reject_repeated(rows: list[Row], seen: SeenKeys) -> list[Row]:
    repeated = seen.add([row.key for row in rows])
    if not repeated.any():
        return rows
    return [
        row._replace(fault=same_key(row.key))
        if again and (row.fault is None or row.fault.status != "bad_key")
        else row
        for row, again in zip(rows, repeated, strict=True)
    ]


def _record_batch(rows: list[Row]) -> pa.RecordBatch:
    columns: dict[str, Any] = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    columns["status"] = ["" if fault is None else fault.status for fault in columns["fault"]]
    columns["message"] = ["" if fault is None else fault.message for fault in columns["fault"]]
    columns["file"] = [name.encode("utf-8", "surrogateescape") for name in columns["file"]]
    columns["meta"] = [None if not meta else _meta_text(meta) for meta in columns["meta"]]
    return pa.RecordBatch.from_arrays(
        [pa.array(columns[field.name], field.type) for field in _SCHEMA], schema=_SCHEMA
    )


def _meta_text(meta: Mapping[str, Any]) -> str:
    return _encode({key: scalar(value) for key, value in meta.items()})
