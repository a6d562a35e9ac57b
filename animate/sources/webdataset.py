"""`webdataset`: tars of jpg|jpeg|png|webp with txt|caption|json, as img2dataset and others write them."""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault, Frozen, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.seen import SeenKeys
from animate.sources.captions import caption_fault, caption_texts, printable, unique
from animate.sources.carried import CarriedTypes, carried, fit, scalar, unfit
from animate.sources.columns import CAPTION_NAMES, KEY_NAMES, first_named
from animate.sources.duplicates import image_fingerprint, refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.filters import judge
from animate.sources.keys import MAX_KEY_BYTES, key_fault, safe_key, same_key
from animate.sources.listing import Row, freeze_rows, listed_rows
from animate.sources.named.find import find
from animate.sources.named.table import CORPORA
from animate.sources.paths import find_files, identity, is_url
from animate.sources.tables import holds_bytes
from animate.sources.tars import IMAGE_MEMBERS, JSON_MEMBERS, TEXT_MEMBERS, BrokenTar, Members, scan, stream

PLAIN_TARS = (".tar",)
PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TAR_SUFFIXES = PLAIN_TARS + PACKED_TARS

#: A stream's columns are those of so many samples at its beginning.
PEEKED = 100
#: What a stream's samples carry besides, as JSON.
MORE = "more"


class WebDataset:
    """Samples of one tar or of many, in order.

    Local tars are listed from their headers, so duplicates are known over all of them. Tars behind an address
    or packed ones cannot be read from the middle: each is one part, and keys repeat only within it.
    """

    def __init__(self, source: SourceRecipe):
        self.source = source
        self.files = find_files(source.path, TAR_SUFFIXES)
        wrong = next((file for file in self.files if not file.lower().endswith(TAR_SUFFIXES)), None)
        if wrong is not None:
            raise SourceError(
                f"source.path {source.path!r}: {wrong!r} does not end in {', '.join(TAR_SUFFIXES)}"
            )
        self.root = tars_root(source)
        streamed = [file for file in self.files if _streamed(file)]
        if streamed and len(streamed) < len(self.files):
            raise SourceError(
                f"source.path {source.path!r}: plain local tars and others, such as {streamed[0]!r}, mixed"
            )
        self.streamed = bool(streamed)

    def fingerprint(self) -> dict[str, str | int]:
        return identity(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        raw = ("caption_raw",) if self.source.clean_captions else ()
        if self.streamed:
            refuse_duplicates(self.source, "tars that are read as a stream")
            paths = [file if is_url(file) else os.path.relpath(file, self.root) for file in self.files]
            parts = tuple(Part(reader="tar_stream", path=path, rows=None) for path in paths)
            return Frozen(parts=parts, columns=_peek(self.files[0]).columns(MORE, *raw))
        if self.source.filters.duplicates == "url":
            refuse_duplicates(self.source, "tars, whose addresses are read with the images; use 'sha256'")
        mark, types = image_fingerprint(self.source, self.root), CarriedTypes()
        rows = self._rows(types)
        return freeze_rows(rows, "tar", folder, rows_per_shard, self.source, fingerprint=mark, types=types)

    def _rows(self, types: CarriedTypes) -> Iterator[Row]:
        """A row a sample; `types` learns what they carry."""
        for path in self.files:
            file, count = os.path.relpath(path, self.root), 0
            types.see_types(_sibling_types(path))
            try:
                with contextlib.ExitStack() as opened:
                    tar: IO[bytes] | None = None
                    for sample in scan(path):
                        count += 1
                        row = _row(sample, file)
                        if row.json is not None:
                            tar = tar or opened.enter_context(open(path, "rb"))
                            types.see(carried((_json_record(_read(tar, row.json)) or {}).items()))
                        yield row
            except BrokenTar as error:
                # One row for what lies behind the break: nobody can tell how much that is.
                fault = Fault("broken_archive", f"{file} {error}")
                yield Row(f"{_stem(file)}-after-{count:06d}", None, file, fault=fault)


def tars_root(source: SourceRecipe) -> str:
    """The folder that the listing's tar names are relative to."""
    if source.name in CORPORA:
        return find(source.name, source.path, source.split).folder
    first = find_files(source.path, TAR_SUFFIXES)[0]
    return "" if is_url(first) else os.path.dirname(os.path.abspath(first))


def read_tar(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing, each read from its place in its tar."""
    root = tars_root(source)
    rows = listed_rows(folder / part.path, start, stop, columns)
    for file, group in itertools.groupby(rows, key=lambda row: row.file):
        path, listed = os.path.join(root, file), list(group)
        try:
            with open(path, "rb") as tar:
                beside = _sibling_rows(path)
                for row in listed:
                    texts = _read(tar, row.text), _read(tar, row.json)
                    image = None if row.fault else _read(tar, row.image)
                    said = beside.get(row.key, {})
                    yield _assemble(row.key, row.fault, image, *texts, said, columns, source)
        except FileNotFoundError:
            for row in listed:
                yield Rejected.of(row, row.fault or Fault("missing_file", f"no tar {file!r}"))


def read_tar_stream(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Samples of a tar read from front to back; the last row says so where it breaks off.

    What the set has no column for, or of another type, goes as JSON under `more`.
    """
    path = part.path if is_url(part.path) else os.path.join(tars_root(source), part.path)
    stop = min((end for end in (stop, source.limit or None) if end is not None), default=None)
    yield from itertools.islice(_stream_samples(path, source, columns), start, stop)


def _stream_samples(path: str, source: SourceRecipe, columns: Columns) -> Iterator[Sample | Rejected]:
    seen, count = SeenKeys(), 0
    try:
        with fsspec.open(path, "rb") as file:
            beside = _sibling_rows(path)
            for members in stream(file):  # type: ignore[arg-type]
                count += 1
                image, text, record = (
                    members.contents.get(members.first(kind) or "")
                    for kind in (IMAGE_MEMBERS, TEXT_MEMBERS, JSON_MEMBERS)
                )
                key = safe_key(members.key)
                fault = key_fault(key)
                if fault is None and seen.add([key])[0]:
                    fault = same_key(key)
                if fault is None and image is None:
                    fault = Fault("missing_file", f"no image beside {', '.join(members.contents)}")
                yield _assemble(key, fault, image, text, record, beside.get(key, {}), columns, source)
    except (BrokenTar, OSError) as error:
        key = safe_key(f"{_stem(path.rpartition('/')[2])}-after-{count:06d}")[:MAX_KEY_BYTES]
        fault = Fault("broken_archive", f"{path} {error}")
        yield Rejected(key=key, fault=fault, meta=fit({}, columns))


def _peek(path: str) -> CarriedTypes:
    """What the first samples of a tar carry; nothing if it cannot be read, which its worker will say."""
    types = CarriedTypes()
    try:
        types.see_types(_sibling_types(path))
        with fsspec.open(path, "rb") as file:
            for members in itertools.islice(stream(file), PEEKED):  # type: ignore[arg-type]
                fields = _json_record(members.contents.get(members.first(JSON_MEMBERS) or ""))
                types.see(carried((fields or {}).items()))
    except (BrokenTar, OSError):
        return types
    return types


def _assemble(
    key: str,
    fault: Fault | None,
    image: bytes | None,
    text: bytes | None,
    record: bytes | None,
    beside: Mapping[str, Any],
    columns: Columns,
    source: SourceRecipe,
) -> Sample | Rejected:
    """The sample that the members make, or why they make none; `beside` is its row of the table beside."""
    fields = _json_record(record)
    given = carried({**beside, **(fields or {})}.items())
    meta = fit(given, columns)
    if MORE in columns:
        more = unfit(given, columns)
        meta[MORE] = scalar(more) if more else None
    captions = _captions(text, fields or {}, source)
    wrong = caption_fault(captions)
    if text is None and fields is None and record is not None:
        wrong = Fault("bad_row", "its json member is no JSON object")
    if wrong is None:
        verdict = judge(captions, meta, source)
        captions = verdict.captions
        wrong = verdict.fault or caption_fault(captions)
        if source.clean_captions:
            meta["caption_raw"] = verdict.raw
    captions = tuple(map(printable, captions))
    sample = Sample(key=key, image=image or b"", captions=captions, meta=meta)
    found = fault or wrong
    return sample if found is None else Rejected.of(sample, found)


def _captions(text: bytes | None, fields: Mapping[str, Any], source: SourceRecipe) -> tuple[str, ...]:
    """The text member's caption (one, however many lines) and then the others that the json member lists."""
    written = () if text is None else (text.decode("utf-8", "surrogateescape").strip(),)
    if source.caption_column:
        named = source.caption_column if source.caption_column in fields else ""
    else:
        named = first_named(list(fields), ("captions",) if text is not None else CAPTION_NAMES)
    listed = caption_texts(fields[named]) if named else ()
    return unique(caption for caption in (*written, *listed) if caption)


def _json_record(content: bytes | None) -> dict[str, Any] | None:
    """The object in a json member; None if there is none, or it is something else."""
    if content is None:
        return None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _sibling_rows(tar: str) -> dict[str, dict[str, Any]]:
    """Rows of the parquet beside a tar (as img2dataset writes) by tar-safe key; none where there is none."""
    path = f"{_stem(tar)}.parquet"
    try:
        with fsspec.open(path, "rb") as file:
            # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
            table = pq.ParquetFile(file).read(use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    key = first_named(table.column_names, KEY_NAMES)
    return {safe_key(str(row[key])): row for row in table.to_pylist()} if key else {}


def _sibling_types(tar: str) -> dict[str, type | None]:
    """Kinds of what the parquet beside a tar says of each sample."""
    try:
        with fsspec.open(f"{_stem(tar)}.parquet", "rb") as file:
            schema = pq.ParquetFile(file).schema_arrow
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    if not first_named(schema.names, KEY_NAMES):
        return {}
    return carried((field.name, _python_type(field.type)) for field in schema if not holds_bytes(field.type))


def _python_type(kind: pa.DataType) -> type | None:
    """What the cells of an Arrow column become; None where there can be none."""
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_uint64(kind):
        return str  # more than a signed column holds
    if pa.types.is_integer(kind):
        return int
    if pa.types.is_floating(kind):
        return float
    return None if pa.types.is_null(kind) else str


_NO_IMAGE = f"no {'|'.join(IMAGE_MEMBERS)} beside"


def _row(sample: Members, file: str) -> Row:
    image, text, record = (sample.first(kind) for kind in (IMAGE_MEMBERS, TEXT_MEMBERS, JSON_MEMBERS))
    return Row(
        sample.key,
        None,
        file,
        fault=None if image else Fault("missing_file", f"{_NO_IMAGE} {', '.join(sample.places)} in {file}"),
        image=sample.places[image] if image else None,
        text=sample.places[text] if text else None,
        json=sample.places[record] if record else None,
    )


def _read(tar: IO[bytes], place: Sequence[int] | None) -> bytes | None:
    if place is None:
        return None
    tar.seek(place[0])
    return tar.read(place[1])


def _streamed(file: str) -> bool:
    return is_url(file) or not file.lower().endswith(PLAIN_TARS)


def _stem(path: str) -> str:
    return path[: -len(next(suffix for suffix in TAR_SUFFIXES if path.lower().endswith(suffix)))]
