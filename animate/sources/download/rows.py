"""Rows of a list of addresses, downloaded while others are filmed."""

import contextlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from animate.arrivals import in_order
from animate.data import Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.download.part import Answer, write_part
from animate.sources.download.process import Download, Order, downloader
from animate.sources.listing import RETRY, Listed, listed_rows

#: Names of folders for files on their way begin with this; then come the process and its machine.
_SCRATCH_PREFIX = "animate-fetch-"
_SCRATCH_OWNER = re.compile(rf"{_SCRATCH_PREFIX}(\d+)@(.*)-[^-]*")


def read_urls(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing with what their addresses gave, in order."""
    return in_order(read_urls_as_they_come(part, start, stop, source, folder, columns))


def read_urls_as_they_come(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[tuple[int, Sample | Rejected]]:
    """As `read_urls`, each row with its place among them, as soon as it is known what it gave."""
    rows = list(listed_rows(folder / part.path, start, stop, columns))
    orders = (Order(place, row.file) for place, row in enumerate(rows) if row.fault is None)
    kept: list[Answer] = []
    with scratch_folder(source.fetch.keep_images or None) as scratch:
        yield from ((place, Rejected.of(row, row.fault)) for place, row in enumerate(rows) if row.fault)
        for download in downloader(source.fetch).download(orders, scratch):
            row = rows[download.place]
            if source.fetch.keep_images:
                kept.append(Answer.of(row.key, row.file, (row.captions or ("",))[0], download))
            yield download.place, _outcome(row, download)
            if not source.fetch.keep_images:
                download.file.unlink(missing_ok=True)
        if kept:
            kept.sort(key=lambda answer: answer.key)
            # Not to be taken for those of the first try, which may have the same first row.
            prefix = f"{Path(part.path).stem}-" if part.path.startswith(RETRY) else ""
            name = prefix + rows[0].key
            write_part(Path(source.fetch.keep_images), name, kept, scratch)


@contextlib.contextmanager
def scratch_folder(root: str | None = None) -> Iterator[Path]:
    """An empty folder for files on their way, in `root` or with other temporary files, deleted afterwards, as
    are those that killed processes of this machine left behind there: `root` may be shared with others."""
    if root:
        os.makedirs(root, exist_ok=True)
    place = Path(root or tempfile.gettempdir())
    for old in place.glob(f"{_SCRATCH_PREFIX}*"):
        owner = _SCRATCH_OWNER.match(old.name)
        if owner and owner[2] == platform.node() and not _is_alive(int(owner[1])):
            shutil.rmtree(old, ignore_errors=True)
    prefix = f"{_SCRATCH_PREFIX}{os.getpid()}@{platform.node()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=place) as folder:
        yield Path(folder)


def _outcome(row: Listed, download: Download) -> Sample | Rejected:
    row = row._replace(meta={**row.meta, **download.meta})
    if download.fault is not None:
        return Rejected.of(row, download.fault)
    return row.sample(download.file.read_bytes())


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
