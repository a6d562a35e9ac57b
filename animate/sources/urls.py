"""`urls`: lists of image addresses with captions; a worker downloads the rows that it films.

The rows of a shard are downloaded some hundred at a time: while one chunk is filmed, the next comes. Each
chunk is checked and, unless kept, deleted when it is filmed. Rows are numbered as they stand in the list, and
that is their key.
"""

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from animate.data import Part, Rejected, Sample
from animate.recipe import FetchRecipe, SourceRecipe
from animate.sources.captions import caption_texts
from animate.sources.columns import CAPTION_NAMES, URL_NAMES, carried, first_named
from animate.sources.download.part import (
    TRIPLE,
    checked_rows,
    image_places,
    outcome,
    scratch_folder,
    write_job,
)
from animate.sources.download.process import DownloadFailed, running, stop_running
from animate.sources.errors import SourceError
from animate.sources.listing import LISTING, Listed, Row, freeze_rows, listed_rows
from animate.sources.paths import find_files, identity
from animate.sources.tables import BAD_ROW, TABLE_SUFFIXES, table_columns, table_rows

CHUNK = 256
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

    def freeze(self, folder: Path, rows_per_shard: int) -> Iterator[Part]:
        by_url = self.source.filters.duplicates == "url"

        def mark(row: Row) -> str | None:
            return row.file if by_url else (row.meta or {}).get("sha256")

        yield from freeze_rows(self.rows(), "urls", folder, rows_per_shard, self.source, fingerprint=mark)

    def rows(self) -> Iterator[Row]:
        number = 0
        for path in self.files:
            for row in table_rows(path, names=self.names):
                yield self._row(f"{number:09d}", row)
                number += 1

    def _row(self, key: str, row: dict[str, Any]) -> Row:
        if BAD_ROW in row:
            return Row(key, (), status="bad_row", message=row[BAD_ROW])
        url = row.pop(self.url)
        captions = caption_texts(row.pop(self.caption))
        meta = {"url": url, **carried(row.items())}
        if not isinstance(url, str) or not url.strip():
            return Row(key, captions, meta=meta, status="bad_row", message=f"no address in {self.url!r}")
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

    def freeze(self, folder: Path, rows_per_shard: int) -> Iterator[Part]:
        by_url = self.source.filters.duplicates == "url"
        mark = (lambda row: row.file) if by_url else None
        yield from freeze_rows(self.rows(), "urls", folder, rows_per_shard, self.source, fingerprint=mark)

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
                    yield Row(key, texts, status="bad_row", message="no address in this line")


def read_urls(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path
) -> Iterator[Sample | Rejected]:
    """Rows of the listing, downloaded a chunk at a time, one ahead of what is read."""
    rows = list(listed_rows(folder / part.path, start, stop))
    prefix = "" if part.path == LISTING else f"{Path(part.path).stem}-"
    chunks = [(start + i, rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
    with scratch_folder() as scratch:
        for i, (number, chunk) in enumerate(chunks):
            if i == 0:
                _ask(scratch, number, chunk, source.fetch)
            results = _collect(scratch, number, chunk, source.fetch)
            if i + 1 < len(chunks):
                _ask(scratch, *chunks[i + 1], source.fetch)
            yield from _read(scratch, number, chunk, results)
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


def _ask(scratch: Path, number: int, chunk: list[Listed], fetch: FetchRecipe) -> None:
    wanted = [row for row in chunk if row.rejected is None]
    if wanted:
        columns = {
            "url": [row.file for row in wanted],
            "caption": [(row.captions or ("",))[0] for row in wanted],
        }
        running(fetch).start(write_job(scratch, number, columns))


def _collect(
    scratch: Path, number: int, chunk: list[Listed], fetch: FetchRecipe
) -> Iterator[tuple[str, str, dict[str, Any], tuple[int, int] | None]]:
    """For each row asked for: status, message, what img2dataset says of it, and its place in the tar."""
    wanted = sum(row.rejected is None for row in chunk)
    if not wanted:
        return iter(())
    for attempt in range(ATTEMPTS):
        try:
            running(fetch).wait()
            rows, places = checked_rows(scratch, number, wanted), image_places(scratch, number)
            break
        except DownloadFailed:
            stop_running(fetch)
            if attempt + 1 == ATTEMPTS:
                raise
            _ask(scratch, number, chunk, fetch)
    results = []
    for row in rows:
        status, message = outcome(row)
        place = places.get(row["key"]) if row is not None else None
        if status == "success" and place is None:
            raise DownloadFailed(f"rows {number} on: the tar lacks the image of a success, {row}")
        results.append((status, message, row or {}, place))
    return iter(results)


def _read(
    scratch: Path,
    number: int,
    chunk: list[Listed],
    results: Iterator[tuple[str, str, dict[str, Any], tuple[int, int] | None]],
) -> Iterator[Sample | Rejected]:
    for row in chunk:
        if row.rejected is not None:
            yield replace(row.rejected, meta={**row.meta, "sha256": row.meta.get("sha256"), "exif": None})
            continue
        status, message, said, place = next(results)
        meta = {**row.meta, "sha256": said.get("sha256"), "exif": said.get("exif")}
        if place is None:
            yield Rejected(
                key=row.key, status=status, message=message, captions=row.captions or (), meta=meta
            )
            continue
        with open(scratch / f"{number:05d}.tar", "rb") as tar:
            tar.seek(place[0])
            image = tar.read(place[1])
        yield Sample(key=row.key, image=image, captions=row.captions or (), meta=meta)


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
