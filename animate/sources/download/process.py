"""The downloading process as its parent sees it: rows in, rows out as they come, whatever happens to it."""

import contextlib
import dataclasses
import functools
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from animate.data import Fault
from animate.recipe import FetchRecipe

#: Rows in flight for each thread: enough for all to be busy while the rows before are filmed, and for what
#: takes longest to begin early.
ROWS_A_THREAD = 16
#: Seconds that the process may take to start, beside the time limits of its rows.
SECONDS_OF_START = 60.0
#: Columns that come with an image: the digest of its file, and its EXIF as JSON.
DOWNLOADED = ("sha256", "exif")

#: Seconds that this program has waited for downloads, start-up included.
_waited = 0.0


def seconds_waited() -> float:
    """Seconds that this program has waited for images that were still to come, since it began."""
    return _waited


class DownloadFailed(RuntimeError):
    """The downloading process cannot start."""


class Order(NamedTuple):
    """A row to download; its `place` among the rows asked for tells it from the others."""

    place: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What became of an order.

    `fault` says why no image came; without one, the image is in `file`. `meta` has the columns of
    `DOWNLOADED`.
    """

    place: int
    fault: Fault | None
    file: Path
    meta: Mapping[str, Any]


class Downloader:
    """Downloads in a process that starts with the first row, and again after it died or hung.

    The process ends with the `with` block, and with the program at the latest.
    """

    def __init__(self, fetch: FetchRecipe):
        self._fetch = fetch
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the process, and with it every row in flight."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def download(self, orders: Iterable[Order], folder: Path) -> Iterator[Download]:
        """Every one of `orders` with what became of it, as they come; images are files in `folder`.

        A fixed number is in flight, and a new one is asked for as soon as one has come, so that a host that
        never answers holds up one thread and nothing else. Who reads slowly is not flooded.

        When the process dies, or is silent for longer than its time limits allow, the rows in flight are
        asked for once more, one at a time: the one that it dies of again is the one to blame. Raises
        `DownloadFailed` if the process cannot start at all, and `OSError` if an image cannot be written.
        """
        rows, in_flight, suspects = iter(orders), dict[int, Order](), list[Order]()
        alone = False
        try:
            while True:
                if not in_flight and self._process is not None and not self._process.alive:
                    self.stop()  # it died while nothing was asked of it
                if not (alone and in_flight):
                    alone = bool(suspects)
                    room = ROWS_A_THREAD * self._fetch.threads - len(in_flight)
                    asked = [suspects.pop()] if alone else list(islice(rows, room))
                    in_flight |= {order.place: order for order in asked}
                    self._ask(asked, folder)
                if not in_flight:
                    return
                assert self._process is not None
                try:
                    answer = self._process.answer()
                except _Died as death:
                    self.stop()
                    doubtful, in_flight = list(in_flight.values()), {}
                    if not alone:
                        suspects = doubtful
                        continue
                    for order in doubtful:
                        fault = Fault("failed_to_download", f"the downloading process {death}")
                        yield Download(
                            place=order.place, fault=fault, file=folder / str(order.place), meta={}
                        )
                    continue
                if "error" in answer:
                    raise OSError(*answer["error"], str(folder / str(answer["place"])))
                order = in_flight.pop(answer["place"])
                yield Download(
                    place=order.place,
                    fault=Fault(answer["status"], answer["message"]) if answer["status"] else None,
                    file=folder / str(order.place),
                    meta={name: answer.get(name) for name in DOWNLOADED},
                )
        finally:
            if in_flight:  # whoever reads this has enough; what is still to come is for nobody
                self.stop()

    def _ask(self, orders: Iterable[Order], folder: Path) -> None:
        for order in orders:
            if self._process is None:
                self._process = _Process(self._fetch)
            self._process.ask(order, folder / str(order.place))


@functools.cache
def downloader(fetch: FetchRecipe) -> Downloader:
    """The one downloader of this process for a recipe, kept from shard to shard."""
    return Downloader(fetch)


class _Died(Exception):
    """The downloading process died or hung; the text says which, as the end of a sentence."""


class _Process:
    """A running `downloader.py`."""

    def __init__(self, fetch: FetchRecipe):
        #: No row takes longer than its tries; one that does hangs in something that knows no limit.
        self._patience = SECONDS_OF_START + 1.5 * (fetch.retries + 1) * fetch.seconds
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        package = str(Path(__file__).parents[3])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "animate.sources.download.downloader"),
                json.dumps(dataclasses.asdict(fetch)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        # Ends the process when this program does, or when nothing refers to this object any more.
        self._end = weakref.finalize(self, _end_process, self._process, self._log)
        self._buffer = b""
        self._ready = False

    def ask(self, order: Order, file: Path) -> None:
        """Gives a row and returns at once. Of a process that has died, `answer` tells."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            row = {"place": order.place, "url": order.url, "file": str(file)}
            self._process.stdin.write(json.dumps(row).encode() + b"\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The next answer; raises `_Died` if none comes, `DownloadFailed` if the process never began."""
        if not self._ready:
            try:
                self._line()
            except _Died as death:
                raise DownloadFailed(f"the downloading process {death}") from None
            self._ready = True
        return self._line()

    def _line(self) -> dict[str, Any]:
        global _waited
        assert self._process.stdout is not None
        began = time.monotonic()
        deadline = began + self._patience
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise _Died(f"gave no answer for {self._patience:.0f} s")
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                raise _Died(f"died: {self._said()}")
            self._buffer += read
        _waited += time.monotonic() - began
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Kills the process and waits for its end."""
        self._end()

    def _said(self) -> str:
        """The last 1,000 bytes that it printed."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 1000))
        return self._log.read().decode("utf-8", "replace").strip()


def _end_process(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, log):
        assert pipe is not None
        # A row that was still to be written was for a process that is gone.
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
