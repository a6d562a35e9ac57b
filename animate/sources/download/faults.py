"""What the message of a failed download means: the status of its row, and whether another try may mend it."""

import re

from animate.data import DOWNLOAD_STATUSES, MENDABLE, Fault

#: What the guarded opener writes into a message: a status in brackets, and what was found.
_STATUS = re.compile(r"\[(\w+)\] ?(.*)", re.DOTALL)
#: What urllib says of answers after which there is no sense in asking again.
_GONE = re.compile(r"HTTP Error (404|410|451)\b")


def fault_of(message: str) -> Fault:
    """The fault of a row whose download failed with `message`."""
    match = _STATUS.search(message)
    if match and match[1] in DOWNLOAD_STATUSES:
        return Fault(match[1], match[2])
    if "X-Robots-Tag" in message:
        return Fault("opted_out", message)
    if "timed out" in message:
        return Fault("download_timed_out", message)
    if _GONE.search(message):
        return Fault("gone", message)
    return Fault("failed_to_download", message)


def may_come_back(fault: Fault) -> bool:
    """Whether another try may give the image."""
    return fault.status in MENDABLE
