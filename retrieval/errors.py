"""Errors whose message is for whoever typed the command; what else is raised is a bug."""

from animate import UserError


class DataError(UserError):
    """Data that cannot be used as asked: a list that is not the official one, a table without captions, …"""


class MissingData(DataError):
    """Files that a data set needs are not on this machine; the message says which, whence and where to."""

    def __init__(self, what: str, *, page: str, place: str) -> None:
        super().__init__(f"{what}\n  where to get it: {page}\n  where to put it: {place}")


class CheckpointError(UserError):
    """A checkpoint that is missing, incomplete, or of another model than the one wanted."""


class NotFinite(UserError):
    """The loss or its gradient is NaN or infinite; the message names the file with the batch's keys."""

    exit_code = 1  # training began, and is not done
