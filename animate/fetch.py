"""`animate fetch`: a list of addresses to a folder of tars, as img2dataset lays it out, and nothing else.

Every part is checked before it is moved to its place, marker last, so an interrupted fetch goes on where it
was. Whatever was not had stands in `failed.parquet`.
"""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault
from animate.recipe import SourceRecipe
from animate.record import SUCCESS
from animate.shards.retry import MENDABLE
from animate.sources import SourceError, open_source
from animate.sources.download.part import (
    KEYS_A_PART,
    TRIPLE,
    checked_rows,
    download_fault,
    image_places,
    write_job,
)
from animate.sources.download.process import Downloader, DownloadFailed
from animate.sources.listing import freeze_rows, listed_rows
from animate.sources.urls import TextPair, Urls

#: What could not be downloaded, with its status.
FAILED = "failed.parquet"
#: Which list the folder is of.
IDENTITY = "_fetch.json"
#: How often a part is tried whose files come out broken.
ATTEMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What stands in the folder: rows asked for by their last status, and parts that could not be fetched."""

    statuses: Mapping[str, int]
    parts: int
    broken_parts: Sequence[str]


def fetch(
    source: SourceRecipe,
    out: str,
    *,
    retry_failed: bool = False,
    on_part: Callable[[int, int], None] | None = None,
) -> FetchReport:
    """Downloads the rows of a list into `out`; with `retry_failed`, what failed, into parts after the last.

    `on_part` is told parts done and rows done. Raises `SourceError` if the source is no list, or `out` holds
    another's.
    """
    opened = open_source(source)
    if not isinstance(opened, Urls | TextPair):
        raise SourceError(f"source {source.name!r} at {source.path!r} is no list of addresses")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _check_identity(folder, {**opened.fingerprint(), "limit": source.limit, "sample": source.sample})
    if retry_failed:
        rows: Iterator[tuple[str, str]] = iter(_failed(folder))
        first = len(_parts(folder))
    else:
        rows, first = _addresses(opened, source), 0
    broken, number, done = [], first, 0
    with Downloader(source.fetch) as downloader:
        while chunk := list(islice(rows, KEYS_A_PART)):
            if not _complete(folder, number):
                try:
                    _fetch_part(folder, number, chunk, downloader)
                except DownloadFailed as error:
                    broken.append(f"part {number:05d}: {error}")
            number, done = number + 1, done + len(chunk)
            if on_part is not None:
                on_part(number - first, done)
    latest = _latest(folder)
    _write_failed(folder, latest)
    statuses = Counter(answer.status for answer in latest.values())
    return FetchReport(statuses=dict(statuses.most_common()), parts=len(_parts(folder)), broken_parts=broken)


def _addresses(opened: Urls | TextPair, source: SourceRecipe) -> Iterator[tuple[str, str]]:
    """Address and first caption of the rows that a build would film."""
    with tempfile.TemporaryDirectory() as folder:
        frozen = freeze_rows(opened.rows(), "urls", Path(folder), KEYS_A_PART, source)
        for part in frozen.parts:
            for row in listed_rows(Path(folder) / part.path, 0, None, frozen.columns):
                if row.fault is None:
                    yield row.file, (row.captions or ("",))[0]


def _fetch_part(folder: Path, number: int, chunk: Sequence[tuple[str, str]], downloader: Downloader) -> None:
    columns = {"url": [url for url, _ in chunk], "caption": [caption for _, caption in chunk]}
    with tempfile.TemporaryDirectory(prefix="_tmp-", dir=folder) as attempt:
        scratch = Path(attempt)
        for tries_left in reversed(range(ATTEMPTS)):
            try:
                downloader.start(write_job(scratch, number, columns))
                downloader.wait()
                rows, places = checked_rows(scratch, number, len(chunk)), image_places(scratch, number)
                lost = [row for row in rows if row and row["status"] == SUCCESS and row["key"] not in places]
                if lost:
                    raise DownloadFailed(f"part {number:05d}: its tar lacks {len(lost)} images")
                break
            except DownloadFailed:
                downloader.stop()
                if not tries_left:
                    raise
        for suffix in TRIPLE:
            os.replace(scratch / f"{number:05d}{suffix}", folder / f"{number:05d}{suffix}")


class Answer(NamedTuple):
    """What an address gave at its last try: nothing wrong, or `fault`."""

    caption: str
    fault: Fault | None

    @property
    def status(self) -> str:
        return SUCCESS if self.fault is None else self.fault.status


def _latest(folder: Path) -> dict[str, Answer]:
    """By address."""
    found: dict[str, Answer] = {}
    for path in _parts(folder):
        for row in pq.read_table(path).to_pylist():
            found[row["url"]] = Answer(row["caption"] or "", download_fault(row))
    return found


def _failed(folder: Path) -> list[tuple[str, str]]:
    return [(url, answer.caption) for url, answer in _latest(folder).items() if answer.status in MENDABLE]


def _write_failed(folder: Path, latest: Mapping[str, Answer]) -> None:
    rows = [
        {"url": url, "caption": caption, "status": fault.status, "message": fault.message}
        for url, (caption, fault) in latest.items()
        if fault is not None
    ]
    schema = pa.schema([(name, pa.string()) for name in ("url", "caption", "status", "message")])
    # Not beside the tars' own parquets by number: no reader takes it for one.
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / FAILED)


def _parts(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.glob("*.parquet") if path.stem.isdigit() and _complete(folder, int(path.stem))
    )


def _complete(folder: Path, number: int) -> bool:
    return all((folder / f"{number:05d}{suffix}").is_file() for suffix in TRIPLE)


def _check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    path = folder / IDENTITY
    if path.is_file():
        before = json.loads(path.read_text())
        changed = [name for name in identity if before.get(name) != identity[name]]
        if changed:
            raise SourceError(f"{str(folder)!r} was fetched from another list: {', '.join(changed)} differ")
    for left in folder.glob("_tmp-*"):
        shutil.rmtree(left)
    path.write_text(json.dumps(identity))
