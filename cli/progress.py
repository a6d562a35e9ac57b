"""How many of how many are done, on stderr: a bar on a terminal, a line now and then in a log file."""

import contextlib
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import Progress

from .program import LINE_SECONDS
from .waiting import never_silent


class CountProgress:
    """Shows how many `things` are done and how many a second, inside a `with` block."""

    def __init__(
        self,
        things: str,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._things = things
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._bar = Progress(console=self._console, disable=not self._console.is_terminal)
        self._task = self._bar.add_task(things, total=None)
        self._began: tuple[float, int] | None = None
        self._last_line = clock()
        self._text = f"no {things} yet"
        self._waiting = contextlib.ExitStack()

    def __enter__(self) -> "CountProgress":
        self._waiting.enter_context(never_silent(self._console, self._overdue))
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._waiting.close()

    def show(self, done: int, total: int) -> None:
        """The first call tells how many were done before, and sets the point from which speed is measured."""
        now = self._clock()
        if self._began is None:
            self._began = now, done
            if done:
                self._line(f"{done:,} of {total:,} {self._things} are there already")
        self._bar.update(self._task, completed=done, total=total)
        seconds = now - self._began[0]
        speed = (done - self._began[1]) / seconds if seconds else 0.0
        self._text = f"{done:,} of {total:,} {self._things}, {speed:.1f} a second"
        if not self._console.is_terminal and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self._line(self._text)

    def _overdue(self) -> str:
        """The last line, where none was printed for long; a line of `show` may be a second late for that."""
        now = self._clock()
        if now - self._last_line < LINE_SECONDS - 1:
            return ""
        self._last_line = now
        return self._text

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)
