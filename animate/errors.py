"""The one family of errors that are for whoever typed the command, and not for whoever maintains the code."""

from typing import ClassVar


class UserError(ValueError):
    """Something asked for that cannot be done: the message names it, its value, and what would do.

    A program prints the message and ends with `exit_code`; any other exception is a bug and keeps its
    traceback.
    """

    exit_code: ClassVar[int] = 2


class StopsBuild(UserError):
    """What no other task of the same build would fare better with: the first one ends them all."""


def one_line(error: BaseException) -> str:
    """What was raised, in at most 500 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500]
