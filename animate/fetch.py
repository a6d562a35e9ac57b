"""`animate fetch`: a list of addresses to a folder of tars, as img2dataset lays it out, and nothing else.

Every part is checked before it is moved to its place, marker last, so an interrupted fetch goes on where it
was. `failed.parquet` has every address that gave no image.
"""

import json
import logging
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

from animate.data import MENDABLE, PARQUET, Fault
from animate.recipe import SourceRecipe
from animate.record import SUCCESS
from animate.sources import SourceError, open_source
from animate.sources.download.part import (
    KEYS_A_PART,
    PartOrder,
    download_fault,
    finish_download,
    part_files,
    start_download,
)
from animate.sources.download.process import Downloader, DownloadFailed
from animate.sources.listing import freeze_rows, listed_rows
from animate.sources.urls import TextPair, Urls

log = logging.getLogger(__name__)

#: What could not be downloaded, with its status.
FAILED = "failed.parquet"
#: The fingerprint of the list that the folder was fetched from.
IDENTITY = "_fetch.json"
#: Names of folders for parts in flight begin with this.
_ATTEMPT_PREFIX = "_tmp-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a folder of downloads holds after a fetch.

    `statuses` counts the addresses by what they gave when they were last tried, `parts` counts the parts, and
    `broken_parts` says why others could not be downloaded.
    """

    statuses: Mapping[str, int]
    parts: int
    broken_parts: Sequence[str]


class Asked(NamedTuple):
    """A row to download: its address, and the caption that goes with the image."""

    url: str
    caption: str


class Answer(NamedTuple):
    """What an address gave when it was last tried: an image, or a `fault`."""

    caption: str
    fault: Fault | None

    @property
    def status(self) -> str:
        return SUCCESS if self.fault is None else self.fault.status


def fetch(
    source: SourceRecipe,
    out: str,
    *,
    retry_failed: bool = False,
    on_part: Callable[[int, int], None] | None = None,
) -> FetchReport:
    """Downloads the rows of a list into `out`; with `retry_failed`, what failed, into parts after the last.

    `on_part` is told the number of parts done and of rows done. Raises `SourceError` if the source is no
    list, or if `out` was fetched from another one.
    """
    opened = open_source(source)
    if not isinstance(opened, Urls | TextPair):
        raise SourceError(f"source {source.name!r} at {source.path!r} is no list of addresses")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    _check_identity(folder, {**opened.fingerprint(), "limit": source.limit, "sample": source.sample})
    if retry_failed:
        rows: Iterator[Asked] = iter(_mendable(folder))
        first = len(_parquets(folder))
    else:
        rows, first = _addresses(opened, source), 0
    broken, number, done = [], first, 0
    with Downloader(source.fetch) as downloader:
        while chunk := list(islice(rows, KEYS_A_PART)):
            if not _is_complete(folder, number):
                try:
                    _fetch_part(folder, number, chunk, downloader)
                    if number == first:
                        _warn_of_no_images(folder, number)
                except DownloadFailed as error:
                    broken.append(f"part {number:05d}: {error}")
            number, done = number + 1, done + len(chunk)
            if on_part is not None:
                on_part(number - first, done)
    answers = _last_answers(folder)
    _write_failed(folder, answers)
    statuses = Counter(answer.status for answer in answers.values())
    return FetchReport(
        statuses=dict(statuses.most_common()), parts=len(_parquets(folder)), broken_parts=broken
    )


def _addresses(opened: Urls | TextPair, source: SourceRecipe) -> Iterator[Asked]:
    """The rows that a build would film, as far as that is known without their images."""
    with tempfile.TemporaryDirectory() as folder:
        frozen = freeze_rows(opened.rows(), "urls", Path(folder), KEYS_A_PART, source)
        for part in frozen.parts:
            for row in listed_rows(Path(folder) / part.path, 0, None, frozen.columns):
                if row.fault is None:
                    yield Asked(row.file, (row.captions or ("",))[0])


def _mendable(folder: Path) -> list[Asked]:
    """The addresses that gave no image but may do so when they are tried again."""
    answers = _last_answers(folder)
    return [Asked(url, answer.caption) for url, answer in answers.items() if answer.status in MENDABLE]


def _fetch_part(folder: Path, number: int, rows: Sequence[Asked], downloader: Downloader) -> None:
    """Part `number` of `folder` holds the images of `rows`; nothing of it if they cannot be downloaded."""
    with tempfile.TemporaryDirectory(prefix=_ATTEMPT_PREFIX, dir=folder) as attempt:
        order = PartOrder(
            folder=Path(attempt),
            number=number,
            urls=[row.url for row in rows],
            captions=[row.caption for row in rows],
        )
        start_download(order, downloader)
        finish_download(order, downloader)
        for made, kept in zip(part_files(order.folder, number), part_files(folder, number), strict=True):
            os.replace(made, kept)


def _warn_of_no_images(folder: Path, number: int) -> None:
    """Says so if no address of the first part gave an image: the rest of a list is seldom better."""
    _, parquet, _ = part_files(folder, number)
    faults = [download_fault(row) for row in pq.read_table(parquet).to_pylist()]
    if faults and None not in faults:
        (fault, count), *_ = Counter(fault for fault in faults if fault).most_common(1)
        log.warning(
            "none of the first %s addresses gave an image; %s times %s: %s",
            *(f"{len(faults):,}", f"{count:,}", fault.status, fault.message),
        )


def _last_answers(folder: Path) -> dict[str, Answer]:
    """What each address gave when it was last tried; a later part was downloaded later."""
    found: dict[str, Answer] = {}
    for path in _parquets(folder):
        for row in pq.read_table(path).to_pylist():
            found[row["url"]] = Answer(row["caption"] or "", download_fault(row))
    return found


def _write_failed(folder: Path, answers: Mapping[str, Answer]) -> None:
    rows = [
        {"url": url, "caption": caption, "status": fault.status, "message": fault.message}
        for url, (caption, fault) in answers.items()
        if fault is not None
    ]
    schema = pa.schema([(name, pa.string()) for name in ("url", "caption", "status", "message")])
    # Its name is no number, so that no reader takes it for the parquet of a part.
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / FAILED)


def _parquets(folder: Path) -> list[Path]:
    """The parquets of the parts that are complete, in order."""
    return sorted(
        path
        for path in folder.glob(f"*{PARQUET}")
        if path.stem.isdigit() and _is_complete(folder, int(path.stem))
    )


def _is_complete(folder: Path, number: int) -> bool:
    return all(path.is_file() for path in part_files(folder, number))


def _check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """`folder` is of this list and holds no attempts; `SourceError` if it was fetched from another."""
    path = folder / IDENTITY
    if path.is_file():
        before = json.loads(path.read_text())
        changed = [name for name in identity if before.get(name) != identity[name]]
        if changed:
            raise SourceError(f"{str(folder)!r} was fetched from another list: {', '.join(changed)} differ")
    for left in folder.glob(f"{_ATTEMPT_PREFIX}*"):
        shutil.rmtree(left)
    path.write_text(json.dumps(identity))
