"""A shard made in a process of its own, after a first attempt ended its worker: one sample is lost, no more.

What a native library does to its process (a crash, all memory, a call that never returns) no `except`
catches. So the process says which group of rows it is at. When it dies, or goes past a limit, that group is
left out, with a row that says why, and the shard is made again without it.
"""

import base64
import contextlib
import dataclasses
import json
import os
import pickle
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from animate.apart import portable
from animate.data import Fault, ShardRecord
from animate.errors import StopsBuild
from animate.shard import Assignment, build_shard
from animate.shards.write import OnRow
from animate.threads import end_with_parent, prepare_process

#: Seconds between two looks at the memory of the process.
_SECONDS_BETWEEN = 0.2
#: So much of a limit passes from one look at the process to the next, at most.
_MOST_AT_ONCE = 1.0


def build_carefully(assignment: Assignment, on_row: OnRow | None = None) -> ShardRecord:
    """As `build_shard`; what ends its process is found and becomes a rejection.

    A process that dies while it is at no group (it reads, or writes) raises `RuntimeError`.
    """
    lost = dict(assignment.lost)
    while True:
        answer = _attempt(dataclasses.replace(assignment, lost=lost), on_row)
        if isinstance(answer, ShardRecord):
            return answer
        group, fault = answer
        assert group not in lost, f"group {group} ended the process, and was left out of it"
        lost[group] = fault


def _attempt(assignment: Assignment, on_row: OnRow | None) -> ShardRecord | tuple[int, Fault]:
    """The shard, or the group of rows that it did not get past, and why."""
    limits = assignment.recipe.limits
    with tempfile.TemporaryFile() as log, _process(assignment, log) as process:
        at: int | None = None
        spent, last = 0.0, time.monotonic()
        for line in _lines(process):
            # Hours for which this process was stopped (Ctrl-Z, a scheduler that suspends jobs) do not count.
            now = time.monotonic()
            spent, last = spent + min(now - last, _MOST_AT_ONCE), now
            if at is not None and spent > limits.seconds:
                return at, Fault(
                    "took_too_long", f"filming took longer than limits.seconds = {limits.seconds:g}"
                )
            if at is not None and _megabytes(process.pid) > limits.memory_mb:
                message = f"filming took more memory than limits.memory_mb = {limits.memory_mb}"
                return at, Fault("took_too_much_memory", message)
            if line is None:
                continue
            said = json.loads(line)
            if "record" in said:
                return pickle.loads(base64.b64decode(said["record"]))
            if "refused" in said:
                raise pickle.loads(base64.b64decode(said["refused"]))
            if "error" in said:
                raise RuntimeError(said["error"])
            if "at" in said:
                at, spent = said["at"], 0.0
            elif on_row is not None:
                on_row(*said["rows"])
        code = process.wait()
        log.seek(0)
        text = f"the process ended with {code}: {log.read().decode('utf-8', 'replace')[-500:].strip()}"
        if at is None:
            raise RuntimeError(f"{text} (it was reading or writing)")
        return at, Fault("crashed", text)


@contextlib.contextmanager
def _process(assignment: Assignment, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that makes the shard, killed at the end of the block if it lives."""
    package = str(Path(__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    with subprocess.Popen(
        [sys.executable, "-m", "animate.careful", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        try:
            assert process.stdin is not None
            with process.stdin as stdin:
                pickle.dump(assignment, stdin)
            yield process
        finally:
            process.kill()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
    """What the process says, line by line until its end, and None where it has been silent for a while."""
    assert process.stdout is not None
    descriptor, buffer = process.stdout.fileno(), b""
    while True:
        if not select.select([descriptor], [], [], _SECONDS_BETWEEN)[0]:
            yield None
            continue
        read = os.read(descriptor, 65536)
        if not read:
            return
        *lines, buffer = (buffer + read).split(b"\n")
        yield from lines


def _megabytes(process: int) -> float:
    """Resident memory of a process; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """The child: an `Assignment` comes in on standard input, lines of JSON go out.

    The one argument is the number of its parent.
    """
    end_with_parent(int(sys.argv[1]))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(**words: Any) -> None:
        print(json.dumps(words), file=out, flush=True)

    assignment = pickle.load(sys.stdin.buffer)
    prepare_process()
    try:
        record = build_shard(
            assignment,
            lambda clips, rejected: say(rows=[clips, rejected]),
            on_group=lambda group: say(at=group),
        )
    except (StopsBuild, OSError) as error:  # of a disk that is full the errno tells
        say(refused=base64.b64encode(pickle.dumps(portable(error))).decode())
    except Exception as error:  # told to the parent, for which it is the error of a task
        say(error=f"{type(error).__name__}: {error}")
    else:
        say(record=base64.b64encode(pickle.dumps(record)).decode())


if __name__ == "__main__":
    main()
