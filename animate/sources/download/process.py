"""The parent's side of the downloading process: start, give jobs, wait with a time limit, kill."""

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
    """One part: an Arrow file with `columns` (of which one is `url`), and where the triple `number` goes."""

    table: str
    out: str
    rows: int
    columns: Sequence[str]
    number: int
    keys_a_part: int

    def seconds_allowed(self, fetch: FetchRecipe) -> float:
        """What the part takes if every image runs into its time limit, half as much again, and start-up."""
        rounds = -(-self.rows // fetch.threads) * (fetch.retries + 1)
        return 120 + 1.5 * rounds * fetch.seconds


class DownloadProcess:
    """A running downloader, which takes jobs one after another."""

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
        # Not left behind when the program ends, or forgets us.
        self._end = weakref.finalize(self, _end_process, self._process, self._log)
        self._buffer = b""
        self._ready = False
        self._deadlines: list[float] = []

    def start(self, job: DownloadJob) -> None:
        """Gives a job; its time begins when the jobs before it are done."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(dataclasses.asdict(job)).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise DownloadFailed(f"the downloading process died: {self.log()}") from None
        self._deadlines.append(job.seconds_allowed(self.fetch))

    def wait(self) -> None:
        """Returns when the oldest job is done; kills the process and raises `DownloadFailed` if it is not."""
        seconds = self._deadlines.pop(0)
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
        """The end of what img2dataset printed."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 1000))
        return self._log.read().decode("utf-8", "replace").strip()

    def _answer(self, deadline: float, seconds: float) -> dict[str, Any]:
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


def _end_process(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, log):
        assert pipe is not None
        # What was still to be written is for a process that is gone.
        with contextlib.suppress(BrokenPipeError):
            pipe.close()


class Downloader:
    """Downloads parts, in a process that starts with the first and, after a failure, anew.

    As a context, and at the latest when this program ends, the process ends too.
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
        """Gives a job; its time begins when the jobs before it are done."""
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
        """Ends the process, and with it all jobs."""
        if self._process is not None:
            self._process.stop()
            self._process = None


@functools.cache
def downloader(fetch: FetchRecipe) -> Downloader:
    """The one of this process for a recipe, kept from shard to shard: a start takes 6 seconds."""
    return Downloader(fetch)
