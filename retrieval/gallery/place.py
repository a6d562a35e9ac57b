"""Where a gallery is made and how it comes to its place: one process at a time, whole or not at all."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from retrieval.durable import sync
from retrieval.errors import DataError
from retrieval.paths import state_folder
from retrieval.video import printable_path

if os.name == "posix":
    import fcntl


def complete(folder: Path) -> None:
    """A gallery that was finished, and moving to its place at the moment of a crash, is there."""
    folder = folder.resolve()
    if (state_folder(folder) / "finished").exists():
        with locked(state_folder(folder)):
            move_in(folder)


def move_in(folder: Path) -> None:
    """The finished gallery to its place; begun again after a crash in any line, it ends the same."""
    place, old = state_folder(folder) / "gallery", folder.with_name(f".{folder.name}.old")
    if place.exists():
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        place.rename(folder)
        sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(state_folder(folder), ignore_errors=True)


def locked(state: Path) -> IO[bytes]:
    lock = (state / "lock").open("ab")
    if os.name == "posix":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataError(f"{printable_path(state)}: another process is making this gallery") from None
    return lock


def take_over(source: Path, target: Path, starts: np.ndarray, rows: Sequence[int]) -> None:
    """`target` holds the bytes of some rows of `source`, ascending; row i is at `starts[i]:starts[i + 1]`."""
    if len(rows) == len(starts) - 1:
        try:
            os.link(source, target)  # all of them: no second copy is needed
        except OSError:  # a file system without hard links
            shutil.copyfile(source, target)
        return
    with source.open("rb") as file, target.open("wb") as out:
        for row in rows:
            file.seek(int(starts[row]))
            out.write(file.read(int(starts[row + 1] - starts[row])))
