"""Which files are videos and which are stills, by their names; and a file's name as it can be printed."""

import os
from pathlib import Path

#: One owner for the whole package: what `read_video` reads, and what searching through a folder looks for.
# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".gif", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv",
    ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
})
# fmt: on
STILL_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def is_still(path: Path) -> bool:
    return path.suffix.lower() in STILL_SUFFIXES


def printable_path(path: str | Path) -> str:
    r"""The name as valid text: bytes that are no UTF-8 are written as escapes (caf\xe9.mp4)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
