"""`animate fetch`: a list of addresses to a folder of tars, as img2dataset lays it out, and nothing else.

Every row of the list ends as a row of a part, asked for or not. The list is frozen into `_fetch` first: a
file for each `PARTS_A_FILE` parts, whose row group i has the rows of the i-th of them. Parts appear whole,
marker last, so an interrupted fetch goes on where it was. `failed.parquet` has every row that gave no image.
"""

import json
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from animate import executor
from animate.data import MENDABLE, PARQUET, TAR, Fault
from animate.executor import AUTOMATIC, TaskReport, Workforce
from animate.recipe import FetchRecipe, SourceRecipe
from animate.record import SUCCESS
from animate.sources import SourceError, open_source
from animate.sources.download.part import Answer, is_complete, part_files, write_part
from animate.sources.download.process import Download, Order, downloader
from animate.sources.download.rows import scratch_folder
from animate.sources.listing import FIRST_ROWS, listed_rows
from animate.sources.urls import TextPair, Urls

log = logging.getLogger(__name__)

#: What could not be downloaded, with its status.
FAILED = "failed.parquet"
#: The folder of the frozen list, beside the parts.
FROZEN = "_fetch"
#: Which list that is; the last file of it to be written.
IDENTITY = "list.json"
#: Rows of a part.
ROWS_A_PART = 1000
#: Parts whose rows share a file of the frozen list.
PARTS_A_FILE = 1000
#: Most parts that a worker downloads as one task.
PARTS_A_TASK = 10

#: Fewer rows are downloaded before a cluster has started.
TOO_FEW_FOR_RAY = 2000

#: Rows of a row group of `failed.parquet`.
_FAILED_TOGETHER = 20_000
#: Columns of a part that say what became of a row, …
_ANSWERED = ["key", "url", "caption", "status", "error_message"]
#: … and those of the frozen list and of what failed.
_ROWS = pa.schema([(name, pa.string()) for name in ("key", "url", "caption", "status", "message")])

#: Told how many rows of how many are done.
OnRows = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a folder of downloads holds after a fetch.

    `statuses` counts the rows of the list by what they gave when they were last tried, `parts` counts the
    parts, and `broken_parts` says why others could not be downloaded.
    """

    statuses: Mapping[str, int]
    parts: int
    broken_parts: Sequence[str]


class Asked(NamedTuple):
    """A row of the frozen list; with a `fault` it is not asked for."""

    key: str
    url: str
    caption: str
    fault: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchTask:
    """Parts that one worker downloads one after another, without a pause between them."""

    folder: str
    parts: Sequence[int]
    fetch: FetchRecipe


def fetch(
    source: SourceRecipe,
    out: str,
    workforce: Workforce = AUTOMATIC,
    *,
    retry_failed: bool = False,
    on_rows: OnRows | None = None,
) -> FetchReport:
    """Downloads the rows of a list into `out`; with `retry_failed`, what failed, into parts after the last.

    Raises `SourceError` if the source is no list, or if `out` was fetched from another one.
    """
    opened = open_source(source)
    if not isinstance(opened, Urls | TextPair):
        raise SourceError(f"source {source.name!r} at {source.path!r} is no list of addresses")
    folder = Path(out)
    frozen = _freeze(folder, opened, source)
    if retry_failed and not _unfinished(folder):
        _freeze_rows(folder, _mendable(folder), first_part=_num_parts(folder))
    todo = _unfinished(folder)
    broken = _download(folder, todo, source.fetch, workforce, on_rows) if todo else []
    statuses = _write_failed(folder, frozen)
    parts = _num_parts(folder) - len(_unfinished(folder))
    return FetchReport(statuses=statuses, parts=parts, broken_parts=broken)


def fetch_parts(task: FetchTask, report: TaskReport | None = None) -> tuple[int, int]:
    """Downloads the parts of a task; how many rows they have, and how many of these gave an image.

    Slow hosts of one part hold up no other.
    """
    folder, begun, done, images = Path(task.folder), dict[int, _Begun](), 0, 0

    def orders(scratch: Path) -> Iterator[Order]:
        for number in task.parts:
            if is_complete(folder, part_name(number)):  # the task was tried before
                continue
            part = begun[number] = _Begun(rows_of_part(folder, number), scratch)
            for place, row in enumerate(part.rows):
                if row.fault is None:
                    yield Order(number * ROWS_A_PART + place, row.url)
            finish_if_whole(number, scratch)

    def finish_if_whole(number: int, scratch: Path) -> None:
        if begun[number].whole:
            write_part(folder, part_name(number), begun.pop(number).answers, scratch)

    with scratch_folder(task.folder) as scratch:
        for download in downloader(task.fetch).download(orders(scratch), scratch):
            number, place = divmod(download.place, ROWS_A_PART)
            begun[number].add(place, download)
            finish_if_whole(number, scratch)
            done, images = done + 1, images + (download.fault is None)
            if report is not None:
                report(done, images)
    assert not begun, f"parts {sorted(begun)} lack rows"
    return done, images


class _Begun:
    """A part of which some rows are known: those with a fault at once, the others as they come."""

    def __init__(self, rows: Sequence[Asked], scratch: Path) -> None:
        self.rows = rows
        self._answers = {
            place: Answer(row.key, row.url, row.caption, row.fault, scratch / row.key, {})
            for place, row in enumerate(rows)
            if row.fault is not None
        }

    def add(self, place: int, download: Download) -> None:
        row = self.rows[place]
        self._answers[place] = Answer.of(row.key, row.url, row.caption, download)

    @property
    def whole(self) -> bool:
        return len(self._answers) == len(self.rows)

    @property
    def answers(self) -> list[Answer]:
        """Those that are known, in order."""
        return [self._answers[place] for place in sorted(self._answers)]


def part_name(number: int) -> str:
    """The stem of a part's files."""
    return f"{number:05d}"


def rows_of_part(folder: Path, number: int) -> list[Asked]:
    """What part `number` of a folder of downloads was, or is to be, asked for."""
    first = max(first for first in _frozen_files(folder) if first <= number)
    with pq.ParquetFile(_frozen_file(folder, first)) as file:
        table = file.read_row_group(number - first).to_pylist()
    return [
        Asked(
            row["key"],
            row["url"],
            row["caption"],
            Fault(row["status"], row["message"]) if row["status"] else None,
        )
        for row in table
    ]


def _download(
    folder: Path, parts: Sequence[int], fetch: FetchRecipe, workforce: Workforce, on_rows: OnRows | None
) -> list[str]:
    """Downloads `parts`; why those that could not be are missing."""
    workforce = workforce.sized(len(parts), small=len(parts) * ROWS_A_PART < TOO_FEW_FOR_RAY, waiting=True)
    # One after the other without a pause where this process does it all, else some for each worker.
    here = workforce.workers == 0 and workforce.address is None
    size = len(parts) if here else max(1, min(PARTS_A_TASK, len(parts) // (2 * (workforce.workers or 1))))
    groups = [parts[first : first + size] for first in range(0, len(parts), size)]
    tasks = [(FetchTask(folder=str(folder), parts=group, fetch=fetch),) for group in groups]
    #: Rows, and images that they gave, of each task.
    finished, running = dict[int, tuple[int, int]](), dict[int, tuple[int, int]]()
    warned = False

    def tell() -> None:
        nonlocal warned
        counts = {**running, **finished}.values()
        rows, images = sum(rows for rows, _ in counts), sum(images for _, images in counts)
        if on_rows is not None:
            on_rows(rows, len(parts) * ROWS_A_PART)
        if rows >= FIRST_ROWS and not images and not warned:
            warned = True
            log.warning(
                "none of the first %s addresses gave an image; `error_message` in the parquets says why",
                f"{rows:,}",
            )

    def on_done(index: int, counts: tuple[int, int]) -> None:
        finished[index] = counts
        tell()

    def on_report(reports: Mapping[int, tuple[int, int]]) -> None:
        running.clear()
        running.update(reports)
        tell()

    names = [f"parts {group[0]:05d} to {group[-1]:05d}" for group in groups]
    failures = executor.run_tasks(
        fetch_parts,
        tasks,
        workforce,
        on_done=on_done,
        on_report=on_report if on_rows is not None else None,
        names=names,
    )
    return [f"{names[failure.task]}: {failure.message}" for failure in failures]


def _freeze(folder: Path, opened: Urls | TextPair, source: SourceRecipe) -> dict[str, int]:
    """The folder has the frozen list, of this source: how many `parts` it has, and `keys`, all below that.

    Raises `SourceError` if the folder was fetched from another list.
    """
    path = folder / FROZEN / IDENTITY
    identity = json.loads(
        json.dumps({**opened.fingerprint(), "limit": source.limit, "sample": source.sample})
    )
    if path.is_file():
        before = json.loads(path.read_text())
        changed = [name for name in identity if before["list"].get(name) != identity[name]]
        if changed:
            raise SourceError(f"{str(folder)!r} was fetched from another list: {', '.join(changed)} differ")
        return before["frozen"]
    if any(folder.glob(f"*{TAR}")):
        raise SourceError(f"{str(folder)!r} holds tars, but not the list that they were fetched from")
    shutil.rmtree(folder / FROZEN, ignore_errors=True)  # of a run that was cut off while it froze
    (folder / FROZEN).mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder / FROZEN) as temporary:
        listed = opened.freeze(Path(temporary), ROWS_A_PART)
        rows = (
            Asked(row.key, row.file, (row.captions or ("",))[0], row.fault)
            for part in listed.parts
            for row in listed_rows(Path(temporary) / part.path, 0, None, listed.columns)
        )
        last = _freeze_rows(folder, rows, first_part=0)
    frozen = {"parts": _num_parts(folder), "keys": int(last or -1) + 1}
    path.write_text(json.dumps({"list": identity, "frozen": frozen}))
    return frozen


def _freeze_rows(folder: Path, rows: Iterable[Asked], *, first_part: int) -> str:
    """Writes rows to ask for, as parts from `first_part` on; the key of the last. A file appears whole."""
    waiting, last, number = iter(rows), "", first_part
    parts = iter(lambda: list(islice(waiting, ROWS_A_PART)), [])
    attempt = folder / FROZEN / "rows.tmp"
    for first in parts:
        with pq.ParquetWriter(attempt, _ROWS, compression="zstd") as writer:
            for part in chain([first], islice(parts, PARTS_A_FILE - 1)):
                writer.write_table(_frozen_rows(part), row_group_size=ROWS_A_PART)
                last = part[-1].key
        os.replace(attempt, _frozen_file(folder, number))
        number += PARTS_A_FILE
    return last


def _frozen_rows(part: Sequence[Asked]) -> pa.Table:
    columns = {
        "key": [row.key for row in part],
        "url": [row.url for row in part],
        "caption": [row.caption for row in part],
        "status": [row.fault.status if row.fault else "" for row in part],
        "message": [row.fault.message if row.fault else "" for row in part],
    }
    return pa.table(columns, _ROWS)


def _frozen_file(folder: Path, first_part: int) -> Path:
    return folder / FROZEN / f"{part_name(first_part)}{PARQUET}"


def _frozen_files(folder: Path) -> list[int]:
    """The first part of each file of the frozen list, in order."""
    names = (path.stem for path in (folder / FROZEN).glob(f"*{PARQUET}"))
    return sorted(int(name) for name in names if name.isdigit())


def _num_parts(folder: Path) -> int:
    last = _frozen_files(folder)[-1:]
    return sum(first + pq.read_metadata(_frozen_file(folder, first)).num_row_groups for first in last)


def _unfinished(folder: Path) -> list[int]:
    return [number for number in range(_num_parts(folder)) if not is_complete(folder, part_name(number))]


def _mendable(folder: Path) -> Iterator[Asked]:
    """The rows that gave no image but may do so when they are tried again, in order."""
    with pq.ParquetFile(folder / FAILED) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                if row["status"] in MENDABLE:
                    yield Asked(row["key"], row["url"], row["caption"], None)


def _write_failed(folder: Path, frozen: Mapping[str, int]) -> dict[str, int]:
    """Writes `failed.parquet`; how many rows of the list gave what when they were last tried.

    The last parts come first: what they tried again counts as they have it.
    """
    statuses: Counter[str] = Counter()
    retried = _num_parts(folder) > frozen["parts"]
    known = np.zeros(frozen["keys"] if retried else 0, bool)
    attempt, pending = folder / FROZEN / "failed.tmp", _ROWS.empty_table()
    with pq.ParquetWriter(attempt, _ROWS, compression="zstd") as writer:
        for number in reversed(range(_num_parts(folder))):
            if not is_complete(folder, part_name(number)):
                continue
            table = pq.read_table(part_files(folder, part_name(number))[1], columns=_ANSWERED)
            if retried:
                keys = table["key"].cast(pa.int64()).to_numpy()
                table = table.filter(pa.array(~known[keys]))
                known[keys] = True
            statuses.update(table["status"].to_pylist())
            failed = table.filter(pc.field("status") != SUCCESS)
            pending = pa.concat_tables([pending, failed.rename_columns(_ROWS.names)])
            if len(pending) >= _FAILED_TOGETHER:
                writer.write_table(pending)
                pending = _ROWS.empty_table()
        writer.write_table(pending)
    os.replace(attempt, folder / FAILED)
    return dict(statuses.most_common())
