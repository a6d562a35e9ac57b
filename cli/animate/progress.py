"""The progress of a build on stderr: a bar on a terminal, a line now and then in a log file."""

import contextlib
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..program import LINE_SECONDS
from ..raw_lines import raw_lines_kept_off
from ..waiting import never_silent

if TYPE_CHECKING:
    from animate.report import Progress as BuildState


#: Inputs without a single clip after which it is said that something is wrong.
_ENOUGH_INPUTS = 1000


class BuildProgress:
    """Shows clips a second, rejected so far and time left, inside a `with` block."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("build", total=None, text="planning")
        self._first: tuple[float, BuildState] | None = None
        self._last_line = time.monotonic()
        self._line = "planning"
        self._waiting = contextlib.ExitStack()
        self._warned = False
        #: What is finished so far, in words.
        self.finished = "no shard finished"

    def __enter__(self) -> "BuildProgress":
        self._waiting.enter_context(raw_lines_kept_off("animate"))
        self._waiting.enter_context(never_silent(self._console, self._overdue))
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """The bar is off the screen."""
        self._bar.stop()
        self._waiting.close()

    def show(self, state: "BuildState") -> None:
        """Bring the bar up to `state`; the first call sets the point from which speed is measured."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, state)
            self._bar.reset(self._task, total=state.inputs_planned)
        began, before = self._first
        if state.inputs >= _ENOUGH_INPUTS and not state.clips and not self._warned:
            self._warned = True
            self._console.print(
                f"none of the first {state.inputs:,} inputs became a clip; `error_message` in the parquets "
                "says why, as soon as a shard is finished",
                soft_wrap=True,
            )
        speed = (state.clips - before.clips) / (now - began) if now > began else 0.0
        self.finished = f"{state.shards_finished:,} of {state.shards_planned:,} shards finished"
        shards = f"{state.shards_finished:,}/{state.shards_planned:,} shards"
        text = f"{shards}, {state.clips:,} clips, {speed:.1f} clips/s, {state.rejected:,} rejected"
        if state.inputs_planned is None:  # then the shards are what can be counted
            self._bar.update(
                self._task, completed=state.shards_finished, total=state.shards_planned, text=text
            )
        else:
            self._bar.update(self._task, completed=state.inputs, text=text)
        self._line = text + _time_left(before, state, now - began)
        if not self._console.is_terminal and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self._console.print(self._line, soft_wrap=True)

    def _overdue(self) -> str:
        """The last line, where none was printed for long; a line of `show` may be a second late for that."""
        now = time.monotonic()
        if now - self._last_line < LINE_SECONDS - 1:
            return ""
        self._last_line = now
        return self._line


def _time_left(before: "BuildState", state: "BuildState", seconds: float) -> str:
    made = state.shards_finished - before.shards_finished
    if not made:
        return ""
    left = round(seconds / made * (state.shards_planned - state.shards_finished))
    return f", {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
