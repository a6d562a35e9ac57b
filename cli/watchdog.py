"""A program that is told to stop stops, even where a native call hears of no signal.

Python runs the handler of a signal between two of its own instructions, and Ray's native half may wait for a
minute in one. The interpreter notes at once that a signal came; a thread hears of it, and ends the process
where that has not ended itself.
"""

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator

#: How long a program may take to clear up after the first signal, and after another.
STOP_SECONDS, AGAIN_SECONDS = 45.0, 5.0
#: Signals that end a program.
_STOPS = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}


@contextlib.contextmanager
def watched(program: str) -> Iterator[None]:
    """Inside the block, whoever stops this process waits no longer than that for it, once Ray is loaded."""
    if os.name != "posix":
        yield
        return
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(heard, program), name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(tell)


def _end_in_time(heard: int, program: str) -> None:
    ends = None
    while True:
        left = None if ends is None else max(0.0, ends - time.monotonic())
        if not select.select([heard], [], [], left)[0]:
            os.write(2, f"{program}: what runs does not answer; ended all the same\n".encode())
            os._exit(130)
        signals = os.read(heard, 256)
        if not signals:  # the block has ended
            os.close(heard)
            return
        if _STOPS & set(signals) and "ray" in sys.modules:
            seconds = STOP_SECONDS if ends is None else AGAIN_SECONDS
            ends = min(ends or float("inf"), time.monotonic() + seconds)
