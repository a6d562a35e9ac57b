"""What is shown while somebody waits: a line now and then off a terminal, and what the packages log."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from rich.console import Console

from .program import LINE_SECONDS

#: Loggers whose plain news are shown; of all others, warnings and what is worse.
_NEWS = ("animate.executor", "animate.cluster")


@contextlib.contextmanager
def never_silent(console: Console, line: Callable[[], str], seconds: float = LINE_SECONDS) -> Iterator[None]:
    """Off a terminal, `line()` is printed whenever so long passed without any; it is called on a thread.

    A `line` that is empty is not printed. Inside the block, what `animate` logs is printed, too.
    """
    over = threading.Event()

    def speak() -> None:
        while not over.wait(seconds):
            text = line()
            if text:
                console.print(text, soft_wrap=True, highlight=False, markup=False)

    with _log_shown_on(console):
        if console.is_terminal:
            yield
            return
        thread = threading.Thread(target=speak, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextlib.contextmanager
def _log_shown_on(console: Console) -> Iterator[None]:
    logger, handler = logging.getLogger("animate"), _Shown(console)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _Shown(logging.Handler):
    """Prints messages, above the bar where there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or record.name in _NEWS:
            self._console.print(record.getMessage(), soft_wrap=True, highlight=False, markup=False)
