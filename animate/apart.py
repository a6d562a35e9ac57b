"""Tasks done in a child of this process, which goes on where what they call ends theirs.

A native library may crash, take all memory or never return, and no `except` catches that. The child is a
fork, so that it costs next to nothing to begin, and has all that was imported.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, NoReturn, Self

from animate.errors import one_line
from animate.threads import end_with_parent, own_threads_restored

#: Seconds that a task has to clear up when it is stopped.
GRACE_SECONDS = 10.0

#: What a task may call as often as it likes to say how far it is.
TaskReport = Callable[..., None]
#: Reports of a task go on at most so often.
SECONDS_BETWEEN = 0.5


class ChildLost(RuntimeError):
    """The child ended in the midst of a task."""


class TaskRaised(Exception):
    """A task raised `error` in the child, where `details` was the traceback."""

    def __init__(self, error: Exception, details: str) -> None:
        super().__init__(error, details)
        self.error, self.details = error, details


class Seldom:
    """A `TaskReport` of which one in `SECONDS_BETWEEN` goes on to `report`."""

    def __init__(self, report: TaskReport) -> None:
        self._report = report
        self._told = time.monotonic()

    def __call__(self, *values: Any) -> None:
        now = time.monotonic()
        if now - self._told >= SECONDS_BETWEEN:
            self._told = now
            self._report(*values)


def can_be_apart(device: str) -> bool:
    """Whether a child can work here: only Linux ends it with its parent, and no GPU survives a fork."""
    return sys.platform == "linux" and device == "cpu"


class Child:
    """A process that calls `function`; use as a context.

    A first child costs some 20 ms. One that is lost is not replaced: make another.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._busy = False
        self._process = context.Process(
            target=_serve, args=(function, theirs, self._connection, os.getpid()), name="apart"
        )
        # Threads of a library do not come along, and it would wait for them: so it has none meanwhile. Those
        # of this program hold no lock that the child wants.
        with own_threads_restored(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connection.close()  # which ends a child that waits for a task
            if self._busy:
                self._process.terminate()
            self._process.join(GRACE_SECONDS)
        finally:  # also where another Ctrl-C breaks in: at its end Python waits for every child that lives
            self._process.kill()
            self._process.join()

    def call(self, task: tuple[Any, ...], on_report: TaskReport | None = None) -> Any:
        """What `function(*task)` gives, with what reports to `on_report` as one more argument where given.

        Raises `TaskRaised`, or `ChildLost` if the child does not come back.
        """
        self._busy = True
        with self._may_be_lost():
            self._connection.send((task, on_report is not None))
        while True:
            with self._may_be_lost():
                kind, *said = self._connection.recv()
            if kind == "report" and on_report is not None:
                on_report(*said)
            elif kind == "answer":
                self._busy = False
                return said[0]
            elif kind == "raised":
                self._busy = False
                raise TaskRaised(*said)

    @contextlib.contextmanager
    def _may_be_lost(self) -> Iterator[None]:
        """Raises `ChildLost` where the child does not answer, or ends in the midst of a long answer."""
        try:
            yield
        except (EOFError, OSError):
            self._process.join(GRACE_SECONDS)
            self._busy = False
            raise ChildLost(f"its process {_ended(self._process.exitcode)}") from None


def _ended(code: int | None) -> str:
    """How a process ended, for messages."""
    if code is None or code >= 0:
        return f"ended with {code}"
    return f"was ended by {signal.Signals(-code).name}"


def _serve(function: Callable[..., Any], connection: Any, parents_end: Any, parent: int) -> NoReturn:
    """The child: does tasks until the parent has no more, or ends."""
    code = 0
    try:
        _listen_to_the_parent_alone(parent)
        parents_end.close()
        while True:
            task, reports = connection.recv()
            report = (Seldom(lambda *values: connection.send(("report", *values))),) if reports else ()
            try:
                answer = ("answer", function(*task, *report))
            except Exception as error:  # it is told to the parent
                answer = ("raised", portable(error), traceback.format_exc())
            connection.send(answer)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        pass
    except BaseException:  # whatever it is, the parent hears that the child is lost
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _listen_to_the_parent_alone(parent: int) -> None:
    """One SIGTERM, which the parent sends, stops the child; what a terminal sends to both does not.

    Where the parent is killed, so is the child.
    """

    def stop(number: int, frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.set_wakeup_fd(-1)  # the parent's
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    end_with_parent(parent)


def portable(error: Exception) -> Exception:
    """The error, if it survives the way to the parent; else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a library's own class does
        return RuntimeError(one_line(error))
    return error
