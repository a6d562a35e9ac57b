"""What can be wrong with data, said to whoever named it: the command line ends with these messages."""

from animate import UserError


class DataError(UserError):
    """Data that cannot be used as asked: a list that is not the official one, a table without captions, …"""


class MissingData(DataError):
    """Files that a data set needs are not on this machine; the message says which, whence and where to."""

    def __init__(self, what: str, *, page: str, place: str) -> None:
        super().__init__(f"{what}\n  where to get it: {page}\n  where to put it: {place}")
