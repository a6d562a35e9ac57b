"""Samples of tars as a worker reads them: from their places in the listing, or from front to back."""

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from animate.data import Fault, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.seen import SeenKeys
from animate.sources.captions import caption_fault, caption_texts, unique
from animate.sources.carried import carried, fit, scalar, unfit
from animate.sources.columns import CAPTION_NAMES, first_named
from animate.sources.filters import CAPTION_RAW, Judge
from animate.sources.json_text import read_json
from animate.sources.keys import ORIGINAL_KEY, key_fault, lost_text, safe_key, same_key
from animate.sources.listing import listed_rows
from animate.sources.named.corpora import CORPORA
from animate.sources.named.find import find
from animate.sources.paths import find_files, is_url
from animate.sources.regular import check_regular, open_anywhere
from animate.sources.sidecar import sidecar_rows
from animate.sources.tars import (
    TAR_SUFFIXES,
    BrokenTar,
    Extent,
    TarSample,
    read_extent,
    stream,
    tar_stem,
)
from animate.text import printable

#: The column of whatever a sample of a stream carries that its set has no column for, as JSON.
MORE = "more"
#: Why a link has no bytes in a stream.
_LINKS = ", and links are not followed in a stream"
#: What to do about halves of samples in a stream.
_NOT_SORTED = (
    "in a tar that is read as a stream the members of a sample must be neighbours; sort it, or unpack it "
    "into a plain local tar"
)


def tars_root(source: SourceRecipe) -> str:
    """The folder that names of tars are relative to; empty for tars behind a URL."""
    if source.name in CORPORA:
        return find(source.name, source.path, source.split).folder
    first = find_files(source.path, TAR_SUFFIXES)[0]
    return "" if is_url(first) else os.path.dirname(os.path.abspath(first))


def read_tar_rows(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing, each read from its place in its tar."""
    root = tars_root(source)
    rows = listed_rows(folder / part.path, start, stop, columns)
    for file, group in itertools.groupby(rows, key=lambda row: row.file):
        path = os.path.join(root, file)
        beside = sidecar_rows(path)
        with contextlib.ExitStack() as opened:
            tar = _open_tar(path, opened)
            for row in group:
                if isinstance(tar, Fault):
                    yield Rejected.of(row, row.fault or tar)
                    continue
                try:
                    found = _Contents(
                        key=row.key,
                        original=row.meta.get(ORIGINAL_KEY),
                        image=None if row.fault else _bytes_at(tar, row.image),
                        text=_bytes_at(tar, row.text),
                        json=_bytes_at(tar, row.json),
                        fault=row.fault,
                    )
                except OSError as error:
                    fault = Fault("missing_file", f"{file!r} cannot be read there: {error.strerror}")
                    yield Rejected.of(row, row.fault or fault)
                    continue
                yield _sample_of(found, beside.get(row.key, {}), columns, source)


def read_tar_stream(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Samples of a tar read from front to back; if it breaks off, the last row is a rejection that says so.

    What has no column in the set, or another type than its column, goes as JSON under `MORE`.
    """
    path = part.path if is_url(part.path) else os.path.join(tars_root(source), part.path)
    stop = min((end for end in (stop, source.limit or None) if end is not None), default=None)
    yield from itertools.islice(_stream_rows(path, source, columns), start, stop)


class _Contents(NamedTuple):
    """The bytes of a sample's members, None where it has none of the kind; `fault` if it is unusable.

    `original` is its name, if the key is a short form.
    """

    key: str
    original: Any
    image: bytes | None
    text: bytes | None
    json: bytes | None
    fault: Fault | None


def _stream_rows(path: str, source: SourceRecipe, columns: Columns) -> Iterator[Sample | Rejected]:
    seen, count = SeenKeys(), 0
    try:
        with open_anywhere(path) as file:
            beside = sidecar_rows(path)
            for sample in stream(file):  # type: ignore[arg-type]
                count += 1
                key = safe_key(sample.key)
                fault = key_fault(key)
                if fault is None and seen.add([key])[0]:
                    fault = _came_again(key, sample)
                found = _Contents(
                    key=key,
                    original=lost_text(key, sample.key),
                    image=sample.image,
                    text=sample.text,
                    json=sample.json,
                    fault=fault
                    or sample.fault(_LINKS * any(member.target for member in sample.unread.values())),
                )
                yield _sample_of(found, beside.get(key, {}), columns, source)
    except (BrokenTar, OSError) as error:
        key = safe_key(f"{tar_stem(path.rpartition('/')[2])}-after-{count:06d}")
        fault = Fault("broken_archive", f"{path} {error}")
        yield Rejected(key=key, fault=fault, meta=fit({}, columns))


def _came_again(key: str, sample: TarSample[bytes]) -> Fault:
    """The fault of a key that came before: a sample that is half may be its other half."""
    fault, is_half = same_key(key), sample.image is None or (sample.text is None and sample.json is None)
    return Fault(fault.status, f"{fault.message}: {_NOT_SORTED}") if is_half else fault


def _sample_of(
    found: _Contents, beside: Mapping[str, Any], columns: Columns, source: SourceRecipe
) -> Sample | Rejected:
    """The sample that the members make, or why they make none; `beside` is its row of the sidecar."""
    fields = json_record(found.json)
    given = carried({**beside, **(fields or {})}.items())
    if found.original is not None:
        given[ORIGINAL_KEY] = found.original
    meta = fit(given, columns)
    if MORE in columns:
        more = unfit(given, columns)
        meta[MORE] = scalar(more) if more else None
    captions = _captions(found.text, fields or {}, source)
    fault = caption_fault(captions)
    if found.text is None and fields is None and found.json is not None:
        fault = Fault("bad_row", "its json member is no JSON object")
    if fault is None:
        verdict = Judge(source)(captions, meta)
        captions, fault = verdict.captions, verdict.fault
        if source.clean_captions:
            meta[CAPTION_RAW] = verdict.raw
    captions = tuple(map(printable, captions))
    sample = Sample(key=found.key, image=found.image or b"", captions=captions, meta=meta)
    fault = found.fault or fault
    return sample if fault is None else Rejected.of(sample, fault)


def _captions(text: bytes | None, fields: Mapping[str, Any], source: SourceRecipe) -> tuple[str, ...]:
    """The caption in the text member (one, however many lines it has), then the others of the json member."""
    written = () if text is None else (text.decode("utf-8", "surrogateescape").strip(),)
    if source.caption_column:
        named = source.caption_column if source.caption_column in fields else ""
    else:
        named = first_named(list(fields), ("captions",) if text is not None else CAPTION_NAMES)
    listed = caption_texts(fields[named]) if named else ()
    return unique(caption for caption in (*written, *listed) if caption)


def json_record(content: bytes | None) -> dict[str, Any] | None:
    """The object in a json member; None if there is none, or it is something else."""
    if content is None:
        return None
    try:
        value = read_json(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _open_tar(path: str, opened: contextlib.ExitStack) -> IO[bytes] | Fault:
    """A tar of the listing, open for as long as `opened`, or why it is not."""
    try:
        check_regular(path)
        return opened.enter_context(open(path, "rb"))
    except OSError as error:
        return Fault("missing_file", f"no tar {os.path.basename(path)!r}: {error.strerror}")


def _bytes_at(tar: IO[bytes], extent: Extent | None) -> bytes | None:
    return None if extent is None else read_extent(tar, extent)
