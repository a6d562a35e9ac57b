"""Files of a corpus: brace patterns, globs and folders to sorted lists, and a cheap identity of a list."""

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from animate.sources.errors import SourceError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


def expand_braces(pattern: str) -> list[str]:
    """`a{0..2}.tar` or `a{x,y}.tar` as the list of what it stands for, in the order it is written."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    return [text for middle in _alternatives(match[1]) for text in expand_braces(before + middle + after)]


def is_url(path: str) -> bool:
    """Whether `path` is an address of some protocol, not a local path."""
    return "://" in path


def find_files(path: str, suffixes: Sequence[str]) -> list[str]:
    """The files that `path` stands for: itself, a folder's with one of `suffixes`, a glob or brace pattern's.

    Brace patterns keep their written order; globs and folders are sorted. Addresses are not looked up.
    `SourceError` if a written file is not there, or nothing matches.
    """
    found: list[str] = []
    for name in expand_braces(path) if not os.path.exists(path) else [path]:
        if is_url(name):
            found.append(name)
        elif os.path.isdir(name):
            found += [
                os.path.join(name, file) for file in sorted(os.listdir(name)) if has_suffix(file, suffixes)
            ]
        elif os.path.isfile(name):
            found.append(name)
        else:
            matches = sorted(glob.glob(name, recursive=True))
            if not matches:
                raise SourceError(f"source.path {path!r}: no such file: {name}")
            found += matches
    if not found:
        raise SourceError(f"source.path {path!r}: no file ending in {', '.join(suffixes)}")
    return found


def has_suffix(name: str, suffixes: Sequence[str]) -> bool:
    """Whether the file name ends in one of `suffixes`, in any case."""
    return name.lower().endswith(tuple(suffixes))


def walk(folder: str | Path) -> Iterator[str]:
    """Paths of all files, relative to `folder` and with `/`, in sorted order; hidden ones are left out."""
    root = str(folder)
    for place, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(place, root).replace(os.sep, "/")
        for name in sorted(files):
            if not name.startswith("."):
                yield name if relative == "." else f"{relative}/{name}"


def identity(files: Sequence[str], root: str) -> dict[str, str | int]:
    """What tells one list of files from another: how many, how large, and a digest of names and sizes."""
    digest, total = hashlib.blake2b(digest_size=16), 0
    for file in files:
        size = 0 if is_url(file) else os.path.getsize(file)
        total += size
        name = file if is_url(file) else os.path.relpath(file, root)
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"files": len(files), "bytes": total, "names_and_sizes": digest.hexdigest()}


def _alternatives(inside: str) -> list[str]:
    match = _RANGE.fullmatch(inside)
    if match is None:
        return inside.split(",")
    first, last = int(match[1]), int(match[2])
    width = max(len(match[1]), len(match[2])) if match[1].startswith("0") or match[2].startswith("0") else 0
    step = 1 if last >= first else -1
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]
