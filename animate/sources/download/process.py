"""The parent's side of the downloading process: start, give jobs, wait with a time limit, kill."""

import atexit
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animate.recipe import FetchRecipe


class DownloadFailed(RuntimeError):
    """A part that could not be downloaded as a whole: the process died, hung, or left broken files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
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
        self._buffer = b""
        self._ready = False
        self._deadlines: list[float] = []

    def start(self, job: Job) -> None:
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
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                # What was still to be written is for a process that is gone.
                continue

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


_running: dict[FetchRecipe, DownloadProcess] = {}


def running(fetch: FetchRecipe) -> DownloadProcess:
    """This process' downloader for the recipe, started if there is none."""
    process = _running.get(fetch)
    if process is None or not process.alive:
        if process is not None:
            process.stop()
        process = _running[fetch] = DownloadProcess(fetch)
    return process


def stop_running(fetch: FetchRecipe) -> None:
    """Ends the downloader for the recipe, if there is one."""
    process = _running.pop(fetch, None)
    if process is not None:
        process.stop()


@atexit.register
def _stop_all() -> None:
    for fetch in list(_running):
        stop_running(fetch)
