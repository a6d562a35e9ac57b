"""The frozen listing of a corpus: a parquet row for each input, written once when a build is planned.

Whatever can be known without the image bytes is decided here, once for all workers: the order, the keys,
duplicates, blank captions. A row group holds the rows of one shard, so that a worker reads its own rows only;
a file holds a thousand, so that finding them does not take longer the longer the list is.
"""

import contextlib
import gc
import json
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault, Frozen, Part, ReaderName, Sample, Scalar
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.seen import SeenKeys
from animate.sources.captions import caption_fault
from animate.sources.carried import CarriedTypes, fit, scalar
from animate.sources.facts import ImageFacts
from animate.sources.filters import CAPTION_RAW, Judge, check_columns, raw_columns, warn_of_unwanted
from animate.sources.keys import ORIGINAL_KEY, in_sample, key_fault, lost_text, safe_key, same_image, same_key
from animate.sources.tars import Extent
from animate.text import file_bytes, printable

#: Rows at the beginning of a corpus that tell whether it is what it was taken for.
FIRST_ROWS = 1000
#: The name of the first file, …
LISTING = "listing.parquet"
#: … and of those after it.
_FURTHER = "listing-{:05d}.parquet"
#: Row groups of a file.
GROUPS_A_FILE = 1000
#: Listings of rows that are tried again begin with this.
RETRY = "retry-"

#: Rows that are checked together: one look-up of keys for many rows is much faster than one for each.
_CHECKED_TOGETHER = 8192
#: Objects that may come, and not go, until Python looks for cycles among them; by itself it looks at 700.
_LOOKED_THROUGH_AT = 1_000_000
#: The columns: the fields of `Row`, with `fault` as status and message, and with `cell` in `image`.
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("captions", pa.list_(pa.string())),
        # Bytes, because the name of a file need not be text.
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
    """One input of a corpus before its image is read.

    `key` need not be tar-safe yet. `captions` is None where only the worker reads them. `file` is the image,
    or the tar or table that holds it: a path relative to the corpus, or a URL. `image`, `text` and `json` say
    where members of a tar lie, `cell` is the row of a table of images. `content` is the image itself, where
    its file cannot be read from the middle. `meta` is what else the input carries. A `fault` makes the row a
    rejection.
    """

    key: str
    captions: tuple[str, ...] | None
    file: str = ""
    meta: Mapping[str, Any] | None = None
    fault: Fault | None = None
    image: Extent | None = None
    text: Extent | None = None
    json: Extent | None = None
    cell: int | None = None
    content: bytes | None = None


#: What images of two rows have in common if they are the same image; None for one that is like no other.
IdentifyImage = Callable[[Row], str | None]


def freeze_rows(
    rows: Iterable[Row],
    reader: ReaderName,
    folder: Path,
    rows_per_shard: int,
    source: SourceRecipe,
    *,
    identify: IdentifyImage | None = None,
    types: CarriedTypes | None = None,
    root: str = "",
    more_texts: tuple[str, ...] = (),
    unique_keys: bool = False,
) -> Frozen:
    """Writes `rows` to listings in `folder`, each a part of the corpus (none when it is empty).

    `reader` says how workers read the parts: a name in `animate.sources.READERS`. `identify` says which
    images are the same, where the recipe wants none twice. `types` knows what samples carry where the rows do
    not tell, and may learn it while they are listed. Where images are files of their own under `root`, what
    they are now is noted (`animate.sources.facts`). `more_texts` are columns that the worker adds. With
    `unique_keys`, such as the numbers of rows, no key is compared with those before it. Memory does not grow
    with the rows.
    """
    keys, images, carried, count = SeenKeys(), SeenKeys(), types or CarriedTypes(), 0
    judge, shortened = Judge(source), False
    if source.sample < 1:
        rows = (row for row in rows if in_sample(safe_key(row.key), source.sample))
    chosen = islice(rows, source.limit) if source.limit else iter(rows)
    with _Listings(Path(folder), root) as listings, _seldom_looked_through():
        # Rows come in batches and leave in row groups of a shard. With batches of 4 and shards of 3:
        #   rows 0 1 2 3 come: pending 0 1 2 3,   group (0 1 2) is written, 3 stays
        #   rows 4 5 6 7 come: pending 3 4 5 6 7, group (3 4 5) is written, 6 7 stay
        #   no more come:      pending 6 7,       group (6 7) is written, shorter than the others
        # With batches of 4 and shards of 2, each batch is two groups and nothing stays.
        pending: list[Row] = []
        while batch := list(islice(chosen, _CHECKED_TOGETHER)):
            for row in batch:
                if row.meta:
                    carried.see(row.meta)
            if count == 0 and types is None:
                check_columns(carried.names, source.filters, source.path)
            checked = [_checked_row(row, judge) for row in batch]
            if not unique_keys:
                checked = _reject_repeated_keys(checked, keys)
            if count == 0:
                warn_of_unwanted([row.fault for row in checked[:FIRST_ROWS]])
            shortened = shortened or any(row.meta and ORIGINAL_KEY in row.meta for row in checked)
            if identify is not None and source.filters.duplicates != "keep":
                checked = _reject_same_images(checked, images, identify)
            pending += checked
            while len(pending) >= rows_per_shard:
                listings.write(pending[:rows_per_shard])
                pending = pending[rows_per_shard:]
            count += len(batch)
        if pending:
            listings.write(pending)
    return Frozen(
        parts=tuple(Part(reader=reader, path=name, rows=rows) for name, rows in listings.rows.items()),
        columns=carried.columns(*raw_columns(source), *more_texts, *((ORIGINAL_KEY,) if shortened else ())),
    )


@contextlib.contextmanager
def _seldom_looked_through() -> Iterator[None]:
    """Python looks for cycles only where many objects are left over: rows have none.

    By itself it looks through all rows that wait again and again, a quarter of the planning of a long list.
    """
    before = gc.get_threshold()
    gc.set_threshold(_LOOKED_THROUGH_AT, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Listings:
    """Files of `GROUPS_A_FILE` row groups in `folder`; `rows` counts the rows of each, in order.

    A group is compressed and written by a thread of its own while the rows of the next are read.
    """

    def __init__(self, folder: Path, root: str) -> None:
        self.rows: dict[str, int] = {}
        self._folder, self._root = folder, root
        self._writer: pq.ParquetWriter | None = None
        self._facts: ImageFacts | None = None
        self._groups = 0
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        with self._thread:
            self._close()

    def _close(self) -> None:
        """No file is open any more; raises what the writing of the last group did."""
        try:
            self._written()
        finally:
            if self._writer is not None:
                self._writer.close()
            if self._facts is not None:
                self._facts.close()

    def _written(self) -> None:
        """Waits for the last group."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def write(self, rows: Sequence[Row]) -> None:
        """One more row group."""
        number, place = divmod(self._groups, GROUPS_A_FILE)
        name = _FURTHER.format(number) if number else LISTING
        if place == 0:
            self._close()
            self._writer = pq.ParquetWriter(
                self._folder / name, _SCHEMA, compression="zstd", use_dictionary=False
            )
            self._facts = ImageFacts(self._folder / name, self._root) if self._root else None
        assert self._writer is not None
        batch = _record_batch(rows)
        self._written()
        self._writing = self._thread.submit(self._writer.write_batch, batch, row_group_size=len(rows))
        if self._facts is not None:
            self._facts.write([row.file if row.content is None and not row.fault else None for row in rows])
        self.rows[name] = self.rows.get(name, 0) + len(rows)
        self._groups += 1


class Listed(NamedTuple):
    """A `Row` as a worker reads it from the listing: `key` is tar-safe, `meta` has all columns."""

    key: str
    fault: Fault | None
    captions: tuple[str, ...] | None
    file: str
    image: Extent | None
    text: Extent | None
    json: Extent | None
    cell: int | None
    content: bytes | None
    meta: dict[str, Scalar]

    def sample(self, image: bytes) -> Sample:
        """The sample of this row, whose image was read."""
        return Sample(key=self.key, image=image, captions=self.captions or (), meta=self.meta)


def listed_rows(path: Path, start: int, stop: int | None, columns: Columns) -> Iterator[Listed]:
    """Rows `start` to `stop` (None: to the end) of the listing, reading only the row groups that hold them.

    Where the row groups hold rows (0 1 2), (3 4 5) and (6 7), `start` = 4 and `stop` = 7 read two of them:

        group    first  end   rows of the group    rows of the listing
        (0 1 2)  0      3     not read: it ends before row 4
        (3 4 5)  3      6     low 1, high 3        4 5
        (6 7)    6      8     low 0, high 1        6
    """
    status = os.stat(path)
    footer, ends = _footer(path, status.st_size, status.st_mtime_ns)
    with pq.ParquetFile(path, metadata=footer) as file:
        for group in range(bisect_right(ends, start), len(ends)):
            first = ends[group - 1] if group else 0
            if stop is not None and first >= stop:
                break
            table = file.read_row_group(group, use_threads=False)
            low = max(start - first, 0)
            high = table.num_rows if stop is None else min(stop - first, table.num_rows)
            for row in table.slice(low, high - low).to_pylist():
                yield _listed(row, columns)


@lru_cache(maxsize=2)
def _footer(path: Path, size: int, modified: int) -> tuple[pq.FileMetaData, list[int]]:
    """What stands at the end of a listing, and where each row group ends.

    Kept for the next shard, which mostly lies in the same file: reading it takes 4 ms for a thousand groups.
    `size` and `modified` are the file's: one that was written anew is read anew.
    """
    footer = pq.read_metadata(path)
    counts = (footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    return footer, list(accumulate(counts))


def _listed(row: dict[str, Any], columns: Columns) -> Listed:
    captions = None if row["captions"] is None else tuple(row["captions"])
    image: list[int] = row["image"] or []
    is_cell = len(image) == 1
    return Listed(
        key=row["key"],
        fault=Fault(row["status"], row["message"]) if row["status"] else None,
        captions=captions,
        file=row["file"].decode("utf-8", "surrogateescape"),
        image=None if is_cell else _extent(image),
        text=_extent(row["text"]),
        json=_extent(row["json"]),
        cell=image[0] if is_cell else None,
        content=row["content"],
        meta=fit(json.loads(row["meta"]) if row["meta"] else {}, columns),
    )


def _extent(numbers: Sequence[int] | None) -> Extent | None:
    return Extent(*numbers) if numbers else None


def _checked_row(row: Row, judge: Judge) -> Row:
    """The row with a tar-safe key and clean captions, and with a fault if it is unusable or unwanted."""
    key, captions, meta = safe_key(row.key), row.captions, row.meta
    fault = row.fault or key_fault(key)
    original = lost_text(key, row.key)
    if original is not None:
        meta = {**(meta or {}), ORIGINAL_KEY: original}
    if captions is None:
        return row._replace(key=key, meta=meta, fault=fault)
    fault = fault or caption_fault(captions)
    if fault is None:
        verdict = judge(captions, meta or {})
        captions, fault = verdict.captions, verdict.fault
        if verdict.raw is not None:
            meta = {**(meta or {}), CAPTION_RAW: verdict.raw}
    else:  # whatever else is wrong with the row, its captions may be no text
        captions = tuple(map(printable, captions))
    if row.image is None and row.cell is None and row.content is None:
        # So it is for each row of a long list, and `_replace` is several times slower.
        return Row(key, captions, row.file, meta, fault)
    return row._replace(key=key, captions=captions, meta=meta, fault=fault)


def _reject_same_images(rows: list[Row], seen: SeenKeys, identify: IdentifyImage) -> list[Row]:
    identities = [None if row.fault else identify(row) for row in rows]
    # One answer for each identity that is not None, in order.
    repeated = iter(seen.add([identity for identity in identities if identity is not None]).tolist())
    return [
        row._replace(fault=same_image(identity)) if identity is not None and next(repeated) else row
        for row, identity in zip(rows, identities, strict=True)
    ]


def _reject_repeated_keys(rows: list[Row], seen: SeenKeys) -> list[Row]:
    repeated = seen.add([row.key for row in rows])
    if not repeated.any():
        return rows
    return [
        # A key that cannot be used is a "bad_key" each time it comes.
        row._replace(fault=same_key(row.key))
        if again and (row.fault is None or row.fault.status != "bad_key")
        else row
        for row, again in zip(rows, repeated, strict=True)
    ]


def _record_batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns: dict[str, Any] = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
    columns["status"] = ["" if fault is None else fault.status for fault in columns["fault"]]
    columns["message"] = ["" if fault is None else fault.message for fault in columns["fault"]]
    if any(cell is not None for cell in columns["cell"]):
        # A corpus has images in cells or in tars, never in both.
        columns["image"] = [None if cell is None else (cell,) for cell in columns["cell"]]
    columns["file"] = [file_bytes(name) for name in columns["file"]]
    columns["meta"] = [None if not meta else _meta_text(meta) for meta in columns["meta"]]
    return pa.RecordBatch.from_arrays(
        [_array(columns[name], kind) for name, kind in zip(_SCHEMA.names, _SCHEMA.types, strict=True)],
        schema=_SCHEMA,
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    # Half of the columns are empty, whatever the corpus: these are made without a look at each row again.
    if values.count(None) == len(values):
        return pa.nulls(len(values), kind)
    return pa.array(values, kind)


def _meta_text(meta: Mapping[str, Any]) -> str:
    # Nearly all values are plain text: not to ask `scalar` about these saves a twentieth of the planning.
    return _encode(
        {
            key: value if type(value) is str and value.isascii() else scalar(value)
            for key, value in meta.items()
        }
    )
