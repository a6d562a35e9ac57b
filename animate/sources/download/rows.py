"""Rows of a list of addresses, downloaded some hundred at a time while those before them are filmed.

Each chunk is checked and, unless kept, deleted when it is filmed.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from animate.data import Part, Rejected, Sample
from animate.recipe import FetchRecipe, SourceRecipe
from animate.record import Columns
from animate.sources.download.part import (
    Download,
    PartOrder,
    finish_download,
    part_files,
    scratch_folder,
    start_download,
)
from animate.sources.download.process import Downloader, downloader
from animate.sources.listing import LISTING, Listed, listed_rows
from animate.sources.tars import read_extent

#: Rows that are downloaded together.
CHUNK_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Neighbouring `rows` of a listing; `order` asks for those of them that have no fault."""

    rows: Sequence[Listed]
    order: PartOrder

    def start(self, worker: Downloader) -> None:
        """Asks for the images, unless there is none to ask for."""
        if self.order.urls:
            start_download(self.order, worker)

    def finish(self, worker: Downloader) -> list[Download]:
        """What became of each address, in order."""
        return finish_download(self.order, worker) if self.order.urls else []


def read_urls(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing with what their addresses gave; one chunk is downloaded ahead of what is read.

    With chunks a, b and c:

        start a
        wait for a,  start b,  give the rows of a (b downloads meanwhile),  delete a
        wait for b,  start c,  give the rows of b (c downloads meanwhile),  delete b
        wait for c,            give the rows of c,                          delete c

    Only one chunk is ever being downloaded, so when it fails, nothing else is lost with the process.
    """
    rows = list(listed_rows(folder / part.path, start, stop, columns))
    # A retry has a listing of its own, whose chunks are numbered from 0 again.
    prefix = "" if part.path == LISTING else f"{Path(part.path).stem}-"
    worker = downloader(source.fetch)
    with scratch_folder() as scratch:
        chunks = [
            _chunk(rows[i : i + CHUNK_ROWS], scratch, start + i) for i in range(0, len(rows), CHUNK_ROWS)
        ]
        for chunk, after in zip(chunks, [*chunks[1:], None], strict=True):
            if chunk is chunks[0]:
                chunk.start(worker)
            downloads = chunk.finish(worker)
            if after is not None:
                after.start(worker)
            yield from _read_chunk(chunk, downloads)
            _dispose(chunk.order, source.fetch, prefix)


def _chunk(rows: Sequence[Listed], scratch: Path, number: int) -> _Chunk:
    wanted = [row for row in rows if row.fault is None]
    order = PartOrder(
        folder=scratch,
        number=number,
        urls=[row.file for row in wanted],
        captions=[(row.captions or ("",))[0] for row in wanted],
    )
    return _Chunk(rows=rows, order=order)


def _read_chunk(chunk: _Chunk, downloads: Sequence[Download]) -> Iterator[Sample | Rejected]:
    tar = part_files(chunk.order.folder, chunk.order.number)[0]
    answers = iter(downloads)
    for row in chunk.rows:
        if row.fault is not None:
            yield Rejected.of(row, row.fault)
            continue
        download = next(answers)
        row = row._replace(meta={**row.meta, **download.meta})
        if download.fault is not None:
            yield Rejected.of(row, download.fault)
            continue
        assert download.extent is not None
        with open(tar, "rb") as file:
            image = read_extent(file, download.extent)
        yield row.sample(image)


def _dispose(order: PartOrder, fetch: FetchRecipe, prefix: str) -> None:
    """Deletes the files of the part, or moves them to where they are kept, the marker last.

    `prefix` keeps the names of a retry's parts apart from those of the first try.
    """
    if fetch.keep_images:
        os.makedirs(fetch.keep_images, exist_ok=True)
    for path in part_files(order.folder, order.number):
        if path.exists() and fetch.keep_images:
            shutil.move(path, os.path.join(fetch.keep_images, prefix + path.name))
        else:
            path.unlink(missing_ok=True)
