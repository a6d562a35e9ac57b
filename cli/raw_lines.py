"""What the native half of Ray writes straight to the terminal is kept off it.

That is meant for a log: lines as `[2026-11-27 18:57:51,213 E 26990 27307] rpc_client.h:204: …`. They come
from threads that Python knows nothing of, and the last of them when Ray ends the whole process. So it is
another process that reads what is written to the file descriptor, and lets through everything else.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator

#: A line of Ray's own log, but for fatal ones (C): those say why a program is about to crash.
_RAW = re.compile(rb"\[\d{4}-\d\d-\d\d [\d:,.]+ [DIWE] \d+ \d+\] ")
#: Ray ends the process that it runs in when it says so.
_HEAD_IS_GONE = b"Failed to connect to GCS within"
_SAID_INSTEAD = "Ray's head process is gone, and Ray ends this one; the same command goes on with the rest"
#: A filter that still has something to say after so many seconds is left alone with it.
_END_SECONDS = 2.0


@contextlib.contextmanager
def raw_lines_kept_off(program: str) -> Iterator[None]:
    """Inside the block, file descriptor 2 goes through a filter, and `sys.stderr` past it.

    `program` says what must be said to the user. Without a descriptor 2, as in a notebook, nothing happens.
    """
    if not _is_the_terminal(sys.stderr):
        yield
        return
    sys.stderr.flush()
    straight = os.dup(2)
    filtering = subprocess.Popen(
        [sys.executable, "-E", "-s", __file__, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is not meant for it: it reads to the end
    )
    assert filtering.stdin is not None
    os.dup2(filtering.stdin.fileno(), 2)
    filtering.stdin.close()
    before = sys.stderr
    sys.stderr = os.fdopen(straight, "w", 1, encoding=before.encoding, errors=before.errors, closefd=False)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(straight, 2)  # the filter's last writer is gone, but for processes of Ray that live on
        os.close(straight)
        with contextlib.suppress(subprocess.TimeoutExpired):
            filtering.wait(_END_SECONDS)


def _is_the_terminal(stream: object) -> bool:
    try:
        return isinstance(stream, io.TextIOBase) and stream.fileno() == 2
    except (OSError, ValueError):
        return False


def _filter(program: str) -> None:
    """Copies stdin to stderr, but for raw lines."""
    for line in sys.stdin.buffer:
        if _HEAD_IS_GONE in line:
            line = f"{program}: {_SAID_INSTEAD}\n".encode()
        elif _RAW.match(line):
            continue
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


if __name__ == "__main__":
    _filter(sys.argv[1])
