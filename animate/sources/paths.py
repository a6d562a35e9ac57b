"""Files of a corpus: what patterns, globs and folders stand for, and a fingerprint of a list of files."""

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from braceexpand import braceexpand

from animate.errors import UserError
from animate.sources.errors import SourceError
from animate.text import file_bytes


def expand_braces(pattern: str) -> list[str]:
    """What `a{0..2}.tar` or `a{x,y}.tar` stands for, in written order; a text without braces is itself.

    Raises `UserError` where a brace has no other.
    """
    try:
        return list(braceexpand(pattern, escape=False))
    except ValueError:
        raise UserError(f"{pattern!r}: a brace has no other; write {{00000..00009}} or {{a,b}}") from None


def is_url(path: str) -> bool:
    """Whether `path` is a URL of some protocol, and no local path."""
    return "://" in path


def find_files(path: str, suffixes: Sequence[str]) -> list[str]:
    """The files of a path, a glob or a brace pattern; of a folder, those with one of `suffixes`.

    Brace patterns keep their written order; globs and folders are sorted. URLs are taken as they are.
    `SourceError` if a file that a brace pattern names is not there, or nothing matches.
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
    """Paths of all files, relative to `folder` and with `/`, in sorted order, without hidden ones."""
    root = str(folder)
    for parent, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = os.path.relpath(parent, root).replace(os.sep, "/")
        for name in sorted(files):
            if not name.startswith("."):
                yield name if relative == "." else f"{relative}/{name}"


def files_fingerprint(files: Sequence[str], root: str) -> dict[str, str | int]:
    """What tells one list of files from another: how many, how large, and a digest of names and sizes.

    Names are relative to `root`. The content is not read, and the size of a URL counts as 0.
    """
    digest, total = hashlib.blake2b(digest_size=16), 0
    for file in files:
        size = 0 if is_url(file) else os.path.getsize(file)
        total += size
        name = file if is_url(file) else os.path.relpath(file, root)
        digest.update(file_bytes(f"{name}\0{size}\n"))
    return {"files": len(files), "bytes": total, "names_and_sizes": digest.hexdigest()}
