"""`webdataset`: tars of jpg|jpeg|png|webp with txt|caption|json, as img2dataset and others write them."""

import dataclasses
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources.captions import caption_fault, caption_texts, printable, unique
from animate.sources.columns import CAPTION_NAMES, KEY_NAMES, carried, first_named
from animate.sources.duplicates import image_fingerprint, refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.filters import judge
from animate.sources.keys import MAX_KEY_BYTES, SeenKeys, safe_key
from animate.sources.listing import Row, freeze_rows, listed_rows, scalar
from animate.sources.named.table import CORPORA
from animate.sources.paths import find_files, identity, is_url
from animate.sources.tars import IMAGE_MEMBERS, JSON_MEMBERS, TEXT_MEMBERS, BrokenTar, Members, scan, stream

PLAIN_TARS = (".tar",)
PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TAR_SUFFIXES = PLAIN_TARS + PACKED_TARS


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

    def freeze(self, folder: Path, rows_per_shard: int) -> Iterator[Part]:
        if self.streamed:
            refuse_duplicates(self.source, "tars that are read as a stream")
            for file in self.files:
                path = file if is_url(file) else os.path.relpath(file, self.root)
                yield Part(reader="tar_stream", path=path, rows=None)
            return
        if self.source.filters.duplicates == "url":
            refuse_duplicates(self.source, "tars, whose addresses are read with the images; use 'sha256'")
        mark = image_fingerprint(self.source, self.root)
        yield from freeze_rows(self._rows(), "tar", folder, rows_per_shard, self.source, fingerprint=mark)

    def _rows(self) -> Iterator[Row]:
        for path in self.files:
            file, count = os.path.relpath(path, self.root), 0
            try:
                for sample in scan(path):
                    count += 1
                    yield _row(sample, file)
            except BrokenTar as error:
                # One row for what lies behind the break: nobody can tell how much that is.
                yield Row(
                    f"{_stem(file)}-after-{count:06d}",
                    None,
                    file,
                    status="broken_archive",
                    message=f"{file} {error}",
                )


def tars_root(source: SourceRecipe) -> str:
    """The folder that the listing's tar names are relative to."""
    if source.name in CORPORA:
        # Not at the top: the named corpora stand on this file.
        from animate.sources.named.find import find

        return find(source.name, source.path, source.split).folder
    first = find_files(source.path, TAR_SUFFIXES)[0]
    return "" if is_url(first) else os.path.dirname(os.path.abspath(first))


def read_tar(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path
) -> Iterator[Sample | Rejected]:
    """Rows of the listing, each read from its place in its tar."""
    root = tars_root(source)
    rows = listed_rows(folder / part.path, start, stop)
    for file, group in itertools.groupby(rows, key=lambda row: row.file):
        path, listed = os.path.join(root, file), list(group)
        try:
            with open(path, "rb") as tar:
                beside = _sibling_rows(path)
                columns = _columns(beside, (_json_record(_read(tar, row.json)) for row in listed))
                for row in listed:
                    texts = _read(tar, row.text), _read(tar, row.json)
                    image = None if row.rejected else _read(tar, row.image)
                    yield _assemble(row.key, row.rejected, image, *texts, beside, columns, source)
        except FileNotFoundError:
            for row in listed:
                missing = Rejected(key=row.key, status="missing_file", message=f"no tar {file!r}")
                yield row.rejected or missing


def read_tar_stream(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path
) -> Iterator[Sample | Rejected]:
    """Samples of a tar read from front to back; the last row says so where it breaks off.

    The first sample decides what columns there are; what others carry more goes as JSON under `more`.
    """
    path = part.path if is_url(part.path) else os.path.join(tars_root(source), part.path)
    stop = min((end for end in (stop, source.limit or None) if end is not None), default=None)
    yield from itertools.islice(_stream_samples(path, source), start, stop)


def _stream_samples(path: str, source: SourceRecipe) -> Iterator[Sample | Rejected]:
    seen, count, columns = SeenKeys(), 0, None
    try:
        with fsspec.open(path, "rb") as file:
            beside = _sibling_rows(path)
            for members in stream(file):  # type: ignore[arg-type]
                count += 1
                image, text, record = (
                    members.contents.get(members.first(kind) or "")
                    for kind in (IMAGE_MEMBERS, TEXT_MEMBERS, JSON_MEMBERS)
                )
                if columns is None:
                    columns = {**_columns(beside, [_json_record(record)]), "more": None}
                key = safe_key(members.key)
                fault = _key_fault(key, seen)
                if image is None and fault is None:
                    message = f"no image beside {', '.join(members.contents)}"
                    fault = Rejected(key=key, status="missing_file", message=message)
                yield _assemble(key, fault, image, text, record, beside, columns, source)
    except (BrokenTar, OSError) as error:
        key = safe_key(f"{_stem(path.rpartition('/')[2])}-after-{count:06d}")[:MAX_KEY_BYTES]
        yield Rejected(key=key, status="broken_archive", message=f"{path} {error}", meta=columns or {})


def _assemble(
    key: str,
    fault: Rejected | None,
    image: bytes | None,
    text: bytes | None,
    record: bytes | None,
    beside: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, None],
    source: SourceRecipe,
) -> Sample | Rejected:
    """The sample that the members make, or why they make none."""
    fields = _json_record(record)
    meta: dict[str, Any] = {**columns, "caption_raw": None}
    carried_values = carried({**beside.get(key, {}), **(fields or {})}.items())
    meta.update((name, scalar(value)) for name, value in carried_values.items() if name in columns)
    if "more" in columns:
        more = {name: value for name, value in carried_values.items() if name not in columns}
        meta["more"] = scalar(more) if more else None
    captions = _captions(text, fields or {}, source)
    status, message = caption_fault(captions)
    if text is None and fields is None and record is not None:
        status, message = "bad_row", "its json member is no JSON object"
    if not status:
        verdict = judge(captions, meta, source)
        captions, meta["caption_raw"] = verdict.captions, verdict.raw
        status, message = (verdict.status, verdict.message) if verdict.status else caption_fault(captions)
    if not source.clean_captions:
        meta.pop("caption_raw", None)
    captions = tuple(map(printable, captions))
    if fault is not None:
        return dataclasses.replace(fault, captions=captions, meta=meta)
    if status:
        return Rejected(key=key, status=status, message=message, captions=captions, meta=meta)
    return Sample(key=key, image=image or b"", captions=captions, meta=meta)


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


def _columns(
    beside: Mapping[str, Mapping[str, Any]], records: Iterable[dict[str, Any] | None]
) -> dict[str, None]:
    """The names of all that the samples carry, each once."""
    names: dict[str, None] = {}
    for fields in (next(iter(beside.values()), {}), *(fields for fields in records if fields)):
        names.update(dict.fromkeys(carried(fields.items())))
    return names


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


def _key_fault(key: str, seen: SeenKeys) -> Rejected | None:
    if not 1 <= len(key) <= MAX_KEY_BYTES:
        message = f"{len(key)} bytes, allowed are 1 to {MAX_KEY_BYTES}"
        return Rejected(key=key[:200], status="bad_key", message=message)
    if seen.add([key])[0]:
        message = f"an earlier input has the key {key!r} too"
        return Rejected(key=key, status="duplicate_key", message=message)
    return None


def _row(sample: Members, file: str) -> Row:
    image, text, record = (sample.first(kind) for kind in (IMAGE_MEMBERS, TEXT_MEMBERS, JSON_MEMBERS))
    return Row(
        sample.key,
        None,
        file,
        status="" if image else "missing_file",
        message="" if image else f"no {'|'.join(IMAGE_MEMBERS)} beside {', '.join(sample.places)} in {file}",
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
