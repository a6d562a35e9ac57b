"""The downloading process as its parent sees it: start it, give it jobs, wait, kill it when it hangs."""

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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from animate.recipe import FetchRecipe


class DownloadFailed(RuntimeError):
    """A part that could not be downloaded as a whole: the process died, hung, or left broken files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadJob:
    """One part to download.

    `table` is an Arrow file of `rows` rows with `columns`, of which one is `url`. The files of part `number`
    go into the folder `out`. The rows of part n are numbered from n * `keys_a_part` on.
    """

    table: str
    out: str
    rows: int
    columns: Sequence[str]
    number: int
    keys_a_part: int

    def seconds_allowed(self, fetch: FetchRecipe) -> float:
        """Time for every image to run into its time limit, half of that again, and 2 minutes for start-up."""
        rounds = -(-self.rows // fetch.threads) * (fetch.retries + 1)
        return 120 + 1.5 * rounds * fetch.seconds


class DownloadProcess:
    """A running `downloader.py`, which takes jobs one after another."""

    def __init__(self, fetch: FetchRecipe):
        self.fetch = fetch
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        package = str(Path(__file__).parents[3])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        config = dataclasses.asdict(fetch)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "animate.sources.download.downloader", json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )
        # Ends the process when this program does, or when nothing refers to this object any more.
        self._end = weakref.finalize(self, _end_process, self._process, self._log)
        self._buffer = b""
        self._ready = False
        #: Seconds that each job in flight may take, the oldest first.
        self._seconds_allowed: list[float] = []

    def start(self, job: DownloadJob) -> None:
        """Gives a job and returns at once; jobs are done in order."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(dataclasses.asdict(job)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise DownloadFailed(f"the downloading process died: {self.log()}") from None
        self._seconds_allowed.append(job.seconds_allowed(self.fetch))

    def wait(self) -> None:
        """Returns when the oldest job is done; kills the process and raises `DownloadFailed` if it is not."""
        seconds = self._seconds_allowed.pop(0)
        deadline = time.monotonic() + seconds
        if not self._ready:
            self._answer(deadline, seconds)
            self._ready = True
        error = self._answer(deadline, seconds).get("error")
        if error:
            raise DownloadFailed(f"{error}: {self.log()}")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Kills the process and waits for its end."""
        self._end()

    def log(self) -> str:
        """The last 1,000 bytes that img2dataset printed."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 1000))
        return self._log.read().decode("utf-8", "replace").strip()

    def _answer(self, deadline: float, seconds: float) -> dict[str, Any]:
        """The next line that the process answers; `deadline` is `seconds` after it was first waited for."""
        assert self._process.stdout is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                self._process.kill()
                raise DownloadFailed(f"a part was not done within {seconds:.0f} s")
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                raise DownloadFailed(f"the downloading process died: {self.log()}")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)


class Downloader:
    """Downloads parts in a process that starts with the first part, and again after a failure.

    The process ends with the `with` block, and with the program at the latest.
    """

    def __init__(self, fetch: FetchRecipe):
        self._fetch = fetch
        self._process: DownloadProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, job: DownloadJob) -> None:
        """Gives a job and returns at once; jobs are done in order."""
        if self._process is not None and not self._process.alive:
            self.stop()
        if self._process is None:
            self._process = DownloadProcess(self._fetch)
        self._process.start(job)

    def wait(self) -> None:
        """Returns when the oldest job is done. `DownloadFailed` if it is not; then call `stop`."""
        assert self._process is not None, "no job was given"
        self._process.wait()

    def stop(self) -> None:
        """Ends the process, and with it every job that is not done."""
        if self._process is not None:
            self._process.stop()
            self._process = None


@functools.cache
def downloader(fetch: FetchRecipe) -> Downloader:
    """The one downloader of this process for a recipe, kept from shard to shard: a start takes 6 seconds."""
    return Downloader(fetch)


def _end_process(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, log):
        assert pipe is not None
        # A job that was still to be written was for a process that is gone.
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
