"""Files that have an end: a fifo would be waited for and a device never ends, so neither is ever opened."""

import errno
import functools
import os
import stat
from pathlib import Path
from typing import Any

from animate.data import Fault
from animate.stores import PatientFile, open_store, patiently

#: An image or a caption of more bytes than this is not read, be it a file or a member of a tar or zip.
MOST_BYTES = 2**28
#: How messages say so.
MOST_BYTES_SAID = f"has more than {MOST_BYTES // 2**20} MiB"

#: What a file is that is neither a file nor a folder, where it is no device.
_SPECIAL = {stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket"}


def special(mode: int) -> str:
    """Why a file of this mode is not opened; empty for a regular file and for a folder."""
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return ""
    return f"{_SPECIAL.get(stat.S_IFMT(mode), 'a device')}, which is never opened"


def check_regular(path: str | Path) -> None:
    """`OSError` for what is not there, or for a fifo, a socket or a device, at the end of all links."""
    problem = special(os.stat(path).st_mode)
    if problem:
        raise OSError(errno.EINVAL, problem, str(path))


def open_anywhere(path: str) -> Any:
    """A local path or a URL, to be read as bytes in a `with`; `OSError` as `check_regular` has it.

    Requests that fail for a passing reason are made again (`animate.stores.patiently`), but for those in the
    midst of what can only be read from front to back.
    """
    local = path.removeprefix("file://")
    if "://" not in local:
        check_regular(local)
        return open(local, "rb")
    filesystem, inner = open_store(path)
    file = patiently(path, lambda: filesystem.open(inner, "rb"))
    return PatientFile(file, functools.partial(patiently, path)) if file.seekable() else file


def image_content(root: str, file: str) -> bytes | Fault:
    """The bytes of the image `file` under `root`, or why they cannot be had."""
    path = Path(root, file)
    try:
        check_regular(path)
        if path.stat().st_size > MOST_BYTES:
            return Fault("too_large", f"{file!r} {MOST_BYTES_SAID}")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a null character in it is a ValueError
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Fault("missing_file", f"{file!r}: {reason}")
