"""One downloaded part: asked for, checked, read back row by row."""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Fault
from animate.record import SUCCESS
from animate.sources.download.process import DownloadFailed, Job
from animate.sources.tars import BrokenTar, scan

#: img2dataset numbers the rows of part n from n times this (a power of ten): the most that a part may have.
KEYS_A_PART = 1000
PREFIX = "animate-fetch-"
TRIPLE = (".tar", ".parquet", "_stats.json")

_STATUS = re.compile(r"\[(\w+)\] ?(.*)", re.DOTALL)


def write_job(folder: Path, number: int, columns: Mapping[str, Sequence[Any]]) -> Job:
    """The job of downloading rows into `folder` as triple `number`: their `url`, and what to carry."""
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    path = folder / f"{number:05d}.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return Job(
        table=str(path),
        out=str(folder),
        rows=len(table),
        columns=list(columns),
        number=number,
        keys_a_part=KEYS_A_PART,
    )


def checked_rows(folder: Path, number: int, rows: int) -> list[dict[str, Any] | None]:
    """The part's parquet rows in the order asked for; None for one that img2dataset lost.

    Raises `DownloadFailed` if a file of the triple is missing or broken.
    """
    stem = folder / f"{number:05d}"
    missing = [suffix for suffix in TRIPLE if not Path(f"{stem}{suffix}").is_file()]
    if missing:
        raise DownloadFailed(f"part {number:05d} has no {', '.join(missing)}")
    try:
        table = pq.read_table(f"{stem}.parquet").to_pylist()
        count = json.loads(Path(f"{stem}_stats.json").read_text())["count"]
    except (pa.ArrowInvalid, OSError, ValueError, KeyError) as error:
        raise DownloadFailed(f"part {number:05d} is broken: {error}") from None
    if count != rows:
        raise DownloadFailed(f"part {number:05d}: {count} of {rows} rows were tried")
    found: list[dict[str, Any] | None] = [None] * rows
    for row in table:
        found[int(row["key"]) - number * KEYS_A_PART] = row
    return found


def image_places(folder: Path, number: int) -> dict[str, tuple[int, int]]:
    """Where in the part's tar each image lies, by img2dataset's key."""
    try:
        return {
            sample.key: sample.places["jpg"]
            for sample in scan(str(folder / f"{number:05d}.tar"))
            if "jpg" in sample.places
        }
    except BrokenTar as error:
        raise DownloadFailed(f"part {number:05d}: its tar {error}") from None


def download_fault(row: dict[str, Any] | None) -> Fault | None:
    """What went wrong with a row, by what img2dataset says of it; None where its image came."""
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
    """An empty folder for downloads, gone afterwards, as are those of processes that were killed."""
    root = Path(tempfile.gettempdir())
    for old in root.glob(f"{PREFIX}*"):
        process = old.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdigit() and not _alive(int(process)):
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
