"""How far the shard in hand is: told by its writer, heard by whoever runs it, for progress bars only.

A channel beside the calls, as logging is: no shard depends on whether anybody listens.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol

#: A listener hears of a shard at most so often.
SECONDS_BETWEEN = 0.5

#: Told (clips, rejected) of the shard in hand so far.
Listener = Callable[[int, int], None]


class _Counter(Protocol):
    def __call__(self, *, made: bool) -> None: ...


def _nobody_listens(*, made: bool) -> None:
    pass


_counter: _Counter = _nobody_listens


def count(*, made: bool) -> None:
    """One more input of this shard is dealt with: it was `made` into a clip, or rejected."""
    _counter(made=made)


@contextlib.contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Inside the block, `listener` hears of what this process counts, now and then."""
    global _counter
    clips = rejected = 0
    told = time.monotonic()

    def counter(*, made: bool) -> None:
        nonlocal clips, rejected, told
        clips, rejected = clips + made, rejected + (not made)
        now = time.monotonic()
        if now - told >= SECONDS_BETWEEN:
            told = now
            listener(clips, rejected)

    before, _counter = _counter, counter
    try:
        yield
    finally:
        _counter = before
