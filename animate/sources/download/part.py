"""One part of a download: asked for, waited for, checked, and what became of each of its addresses.

A part is what img2dataset calls a shard: the same three files as a shard of ours, marker last.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import SHARD_SUFFIXES, Fault
from animate.record import SUCCESS
from animate.sources.download.process import Downloader, DownloadFailed, DownloadJob
from animate.sources.tars import BrokenTar, Extent, scan

#: Row i of part n gets the key n * this + i from img2dataset, so a part may not have more rows.
#: It must be a power of ten.
KEYS_A_PART = 1000
#: How often a part is tried whose files come out broken.
TRIES = 2
#: Columns that come with an image: the digest of its file, and its EXIF as JSON.
DOWNLOADED = ("sha256", "exif")
#: Names of folders for downloads begin with this and the number of the process.
_SCRATCH_PREFIX = "animate-fetch-"
#: What the guarded opener writes into a message: a status in brackets, and what was found.
_STATUS = re.compile(r"\[(\w+)\] ?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOrder:
    """Rows to download together, as part `number` in `folder`: an address and a caption for each."""

    folder: Path
    number: int
    urls: Sequence[str]
    captions: Sequence[str]


class Download(NamedTuple):
    """What became of an address.

    `fault` says why no image came; without one, `extent` is the image's place in the part's tar. `meta` has
    the columns of `DOWNLOADED`.
    """

    fault: Fault | None
    meta: dict[str, Any]
    extent: Extent | None


def part_files(folder: Path, number: int) -> list[Path]:
    """Tar, parquet and marker of a part, in the order in which they may appear."""
    return [folder / f"{number:05d}{suffix}" for suffix in SHARD_SUFFIXES]


def start_download(order: PartOrder, downloader: Downloader) -> None:
    """Gives the part to the downloader and returns at once; `finish_download` waits for it."""
    columns = {"url": order.urls, "caption": order.captions}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    path = order.folder / f"{order.number:05d}.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    downloader.start(
        DownloadJob(
            table=str(path),
            out=str(order.folder),
            rows=len(table),
            columns=list(columns),
            number=order.number,
            keys_a_part=KEYS_A_PART,
        )
    )


def finish_download(order: PartOrder, downloader: Downloader) -> list[Download]:
    """What became of each address, in order, once the part is there and checked.

    It must be the oldest part that was started. A broken part is downloaded again; `DownloadFailed` if it is
    broken `TRIES` times.
    """
    tries_left = TRIES
    while True:
        try:
            downloader.wait()
            return _downloads(order)
        except DownloadFailed:
            downloader.stop()
            tries_left -= 1
            if not tries_left:
                raise
        start_download(order, downloader)


def download_fault(row: Mapping[str, Any] | None) -> Fault | None:
    """What went wrong with a row of img2dataset's parquet; None if its image came."""
    if row is None:
        return Fault("failed_to_download", "img2dataset gave no answer")
    if row["status"] == SUCCESS:
        return None
    message = row["error_message"] or row["status"]
    match = _STATUS.search(message)
    if match:
        return Fault(match[1], match[2])
    if "X-Robots-Tag" in message:
        return Fault("opted_out", message)
    if "timed out" in message:
        return Fault("download_timed_out", message)
    return Fault("failed_to_download", message)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for downloads, deleted afterwards, as are those that killed processes left behind."""
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{_SCRATCH_PREFIX}*"):
        process = old.name.removeprefix(_SCRATCH_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def _downloads(order: PartOrder) -> list[Download]:
    """Raises `DownloadFailed` if a file of the part is missing or broken, or lacks an image that came."""
    found = []
    rows, extents = _answers(order), _image_extents(order)
    for row in rows:
        fault, said = download_fault(row), row or {}
        extent = extents.get(said.get("key", ""))
        if fault is None and extent is None:
            raise DownloadFailed(f"part {order.number:05d}: its tar lacks the image of a success, {row}")
        found.append(Download(fault=fault, meta={name: said.get(name) for name in DOWNLOADED}, extent=extent))
    return found


def _answers(order: PartOrder) -> list[dict[str, Any] | None]:
    """The rows of the part's parquet in the order asked for; None for one that img2dataset lost.

    img2dataset writes them in the order in which the images came. Part 2 has keys from 2000 on. So if it was
    asked for three rows, and its parquet has the keys 2002 and 2000, the answers are [second, None, first].
    """
    number, count = order.number, len(order.urls)
    files = part_files(order.folder, number)
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise DownloadFailed(f"part {number:05d} has no {', '.join(missing)}")
    _, parquet, marker = files
    try:
        table = pq.read_table(parquet).to_pylist()
        tried = json.loads(marker.read_text())["count"]
    except (pa.ArrowInvalid, OSError, ValueError, KeyError) as error:
        raise DownloadFailed(f"part {number:05d} is broken: {error}") from None
    if tried != count:
        raise DownloadFailed(f"part {number:05d}: {tried} of {count} rows were tried")
    found: list[dict[str, Any] | None] = [None] * count
    for row in table:
        found[int(row["key"]) - number * KEYS_A_PART] = row
    return found


def _image_extents(order: PartOrder) -> dict[str, Extent]:
    """Where in the part's tar each image lies, by img2dataset's key."""
    tar = part_files(order.folder, order.number)[0]
    try:
        return {sample.key: sample.image for sample in scan(str(tar)) if sample.image is not None}
    except BrokenTar as error:
        raise DownloadFailed(f"part {order.number:05d}: its tar {error}") from None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
