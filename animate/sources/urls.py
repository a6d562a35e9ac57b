"""`urls`: lists of image addresses with captions; a worker downloads the rows that it films.

The rows of a shard are downloaded some hundred at a time: while one chunk is filmed, the next comes. Each
chunk is checked and, unless kept, deleted when it is filmed. Rows are numbered as they stand in the list, and
that is their key.
"""

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from animate.data import Fault, Frozen, Part, Rejected, Sample
from animate.recipe import FetchRecipe, SourceRecipe
from animate.record import Columns
from animate.sources.captions import caption_texts
from animate.sources.carried import carried
from animate.sources.columns import CAPTION_NAMES, URL_NAMES, first_named
from animate.sources.download.part import (
    TRIPLE,
    checked_rows,
    download_fault,
    image_places,
    scratch_folder,
    write_job,
)
from animate.sources.download.process import Downloader, DownloadFailed, downloader
from animate.sources.errors import SourceError
from animate.sources.listing import LISTING, Listed, Row, freeze_rows, listed_rows
from animate.sources.paths import find_files, identity
from animate.sources.tables import BAD_ROW, TABLE_SUFFIXES, table_columns, table_rows

CHUNK = 256
#: Columns that come with an image: the digest of its file, and its EXIF as JSON.
DOWNLOADED = ("sha256", "exif")
#: How often a chunk is tried whose files come out broken, before the shard fails.
ATTEMPTS = 2


class Urls:
    """Rows of one list or of several, in order; `names` are the columns of lists without header."""

    def __init__(self, source: SourceRecipe, names: Sequence[str] | None = None):
        self.source, self.names = source, tuple(names) if names else None
        self.files = find_files(source.path, TABLE_SUFFIXES)
        self.root = os.path.dirname(os.path.abspath(self.files[0]))
        columns = list(names) if names else table_columns(self.files[0])
        self.url = _column("url", source.url_column, URL_NAMES, columns, self.files[0])
        others = [name for name in columns if name != self.url]
        self.caption = _column("caption", source.caption_column, CAPTION_NAMES, others, self.files[0])
        _refuse_perceptual(source)

    def fingerprint(self) -> dict[str, str | int]:
        return identity(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        by_url = self.source.filters.duplicates == "url"

        def mark(row: Row) -> str | None:
            return row.file if by_url else (row.meta or {}).get("sha256")

        return freeze_rows(
            self.rows(),
            "urls",
            folder,
            rows_per_shard,
            self.source,
            fingerprint=mark,
            more_texts=DOWNLOADED,
        )

    def rows(self) -> Iterator[Row]:
        number = 0
        for path in self.files:
            for row in table_rows(path, names=self.names):
                yield self._row(f"{number:09d}", row)
                number += 1

    def _row(self, key: str, row: dict[str, Any]) -> Row:
        if BAD_ROW in row:
            return Row(key, (), fault=Fault("bad_row", row[BAD_ROW]))
        url = row.pop(self.url)
        captions = caption_texts(row.pop(self.caption))
        meta = {"url": url, **carried(row.items())}
        if not isinstance(url, str) or not url.strip():
            return Row(key, captions, meta=meta, fault=Fault("bad_row", f"no address in {self.url!r}"))
        return Row(key, captions, url.strip(), meta)


class TextPair:
    """Addresses and captions in two text files, line by line, as SBU has them."""

    def __init__(self, source: SourceRecipe, urls: str):
        self.source, self.urls = source, urls
        _refuse_perceptual(source)
        head, name = os.path.split(urls)
        self.captions = os.path.join(head, name.replace("urls", "captions"))
        if self.captions == urls or not os.path.isfile(self.captions):
            raise SourceError(f"{urls!r}: no file of captions beside it: {self.captions!r}")

    def fingerprint(self) -> dict[str, str | int]:
        return identity([self.urls, self.captions], os.path.dirname(os.path.abspath(self.urls)))

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        by_url = self.source.filters.duplicates == "url"
        mark = (lambda row: row.file) if by_url else None
        return freeze_rows(
            self.rows(),
            "urls",
            folder,
            rows_per_shard,
            self.source,
            fingerprint=mark,
            more_texts=DOWNLOADED,
        )

    def rows(self) -> Iterator[Row]:
        with (
            open(self.urls, encoding="utf-8", errors="surrogateescape") as urls,
            open(self.captions, encoding="utf-8", errors="surrogateescape") as captions,
        ):
            for number, (url, caption) in enumerate(itertools.zip_longest(urls, captions)):
                key, texts, address = f"{number:09d}", caption_texts(caption or ""), (url or "").strip()
                if address:
                    yield Row(key, texts, address, {"url": address})
                else:
                    yield Row(key, texts, fault=Fault("bad_row", "no address in this line"))


class Download(NamedTuple):
    """What became of an address: `fault` if no image came, else `place`, where in the chunk's tar it lies.

    `meta` has the columns of `DOWNLOADED`; a place is (offset, size).
    """

    fault: Fault | None
    meta: dict[str, Any]
    place: tuple[int, int]


def read_urls(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing, downloaded a chunk at a time, one ahead of what is read."""
    rows = list(listed_rows(folder / part.path, start, stop, columns))
    prefix = "" if part.path == LISTING else f"{Path(part.path).stem}-"
    chunks = [(start + i, rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
    worker = downloader(source.fetch)
    with scratch_folder() as scratch:
        for i, (number, chunk) in enumerate(chunks):
            if i == 0:
                _ask(scratch, number, chunk, worker)
            downloads = _collect(scratch, number, chunk, worker)
            if i + 1 < len(chunks):
                _ask(scratch, *chunks[i + 1], worker)
            yield from _read(scratch, number, chunk, iter(downloads))
            _dispose(scratch, number, source.fetch, prefix)


def _refuse_perceptual(source: SourceRecipe) -> None:
    if source.filters.duplicates == "perceptual":
        raise SourceError(
            "source.filters.duplicates = 'perceptual' needs the images: fetch them and build from those, "
            "or use 'sha256'"
        )


def _column(role: str, given: str, known: Sequence[str], names: list[str], file: str) -> str:
    found = given or first_named(names, known)
    if found not in names:
        seen = ", ".join(map(repr, names)) or "none"
        asked = f"no column {given!r}" if given else f"no column looks like the {role}"
        raise SourceError(f"{file!r}: {asked} (source.{role}_column); columns seen: {seen}")
    return found


def _ask(scratch: Path, number: int, chunk: list[Listed], worker: Downloader) -> None:
    wanted = [row for row in chunk if row.fault is None]
    if wanted:
        columns = {
            "url": [row.file for row in wanted],
            "caption": [(row.captions or ("",))[0] for row in wanted],
        }
        worker.start(write_job(scratch, number, columns))


def _collect(scratch: Path, number: int, chunk: list[Listed], worker: Downloader) -> list[Download]:
    """What became of each row that was asked for, in order."""
    wanted = sum(row.fault is None for row in chunk)
    if not wanted:
        return []
    for attempt in range(ATTEMPTS):
        try:
            worker.wait()
            rows, places = checked_rows(scratch, number, wanted), image_places(scratch, number)
            break
        except DownloadFailed:
            worker.stop()
            if attempt + 1 == ATTEMPTS:
                raise
            _ask(scratch, number, chunk, worker)
    downloads = []
    for row in rows:
        fault, said = download_fault(row), row or {}
        place = places.get(said.get("key", ""))
        if fault is None and place is None:
            raise DownloadFailed(f"rows {number} on: the tar lacks the image of a success, {row}")
        found = {name: said.get(name) for name in DOWNLOADED}
        downloads.append(Download(fault=fault, meta=found, place=place or (0, 0)))
    return downloads


def _read(
    scratch: Path,
    number: int,
    chunk: list[Listed],
    downloads: Iterator[Download],
) -> Iterator[Sample | Rejected]:
    for row in chunk:
        if row.fault is not None:
            yield Rejected.of(row, row.fault)
            continue
        download = next(downloads)
        row = row._replace(meta={**row.meta, **download.meta})
        if download.fault is not None:
            yield Rejected.of(row, download.fault)
            continue
        with open(scratch / f"{number:05d}.tar", "rb") as tar:
            tar.seek(download.place[0])
            image = tar.read(download.place[1])
        yield Sample(key=row.key, image=image, captions=row.captions or (), meta=row.meta)


def _dispose(scratch: Path, number: int, fetch: FetchRecipe, prefix: str) -> None:
    """Deletes the chunk's files, or moves them to where they are kept, the marker last.

    `prefix` keeps the names of a retry's chunks apart from those of the first try.
    """
    if fetch.keep_images:
        os.makedirs(fetch.keep_images, exist_ok=True)
    for suffix in TRIPLE:
        path = scratch / f"{number:05d}{suffix}"
        if path.exists() and fetch.keep_images:
            shutil.move(path, os.path.join(fetch.keep_images, prefix + path.name))
        else:
            path.unlink(missing_ok=True)
