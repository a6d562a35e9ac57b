"""Files of a corpus: what patterns, globs and folders stand for, and a fingerprint of a list of files."""

import fnmatch
import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from braceexpand import braceexpand

from animate.data import OURS, PLAN
from animate.errors import UserError
from animate.sources.errors import SourceError
from animate.sources.packed import without_packed
from animate.sources.regular import special
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
    """The files of a path, a glob or a brace pattern; of a folder, those that end in one of `suffixes`.

    Of a folder, hidden files and folders are none; what cannot be opened is told of later. What lies beside
    itself unpacked is left out. Brace patterns keep their written order; globs and folders are sorted. URLs
    are taken as they are. What links give several names comes once, under the first.
    `SourceError` if a file that a brace pattern names is not there, a folder on the way cannot be read, or
    nothing matches, or what matches are shards that were filmed already.
    """
    found: list[str] = []
    for name in expand_braces(path) if not os.path.exists(path) else [path]:
        if is_url(name):
            found.append(name)
        elif os.path.isdir(name):
            try:
                named = [file for file in sorted(os.listdir(name)) if has_suffix(file, suffixes)]
            except OSError as error:
                raise SourceError(f"{name!r}: cannot be read: {error.strerror}") from None
            paths = [os.path.join(name, file) for file in named if not file.startswith(".")]
            found += without_packed([path for path in paths if not os.path.isdir(path)])
        elif os.path.isfile(name):
            found.append(name)
        else:
            matches = glob_files(name)
            if not matches:
                raise SourceError(f"source.path {path!r}: no such file: {name}")
            found += without_packed(matches)
    if not found:
        raise SourceError(f"source.path {path!r}: no file ending in {', '.join(suffixes)}")
    _refuse_shard_set(found)
    once: dict[str, str] = {}
    for name in found:
        once.setdefault(name if is_url(name) else os.path.realpath(name), name)
    return list(once.values())


def _refuse_shard_set(files: Sequence[str]) -> None:
    """`SourceError` where a local file lies in a shard set: its tars hold posters of clips."""
    for folder in dict.fromkeys(os.path.dirname(file) for file in files if not is_url(file)):
        if os.path.isfile(os.path.join(folder, PLAN)):
            raise SourceError(
                f"{folder or os.curdir!r}: is a shard set, filmed already ({OURS}/ is in it): `animate "
                "materialize` makes video of virtual clips, and `animate.load_clips` reads any; to film "
                "anew, name the corpus that it was filmed from"
            )


def glob_files(pattern: str) -> list[str]:
    """What a glob matches, sorted; `SourceError` for a folder on its way that cannot be read."""
    _check_readable(pattern)
    return sorted(glob.glob(pattern, recursive=True))


def _check_readable(pattern: str) -> None:
    """`SourceError` for a folder that a glob lists and that cannot be read: `glob` passes over these."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise SourceError(f"{error.filename!r}: cannot be read: {error.strerror}") from None

    if not glob.has_magic(pattern):
        return
    parts = pattern.split(os.sep)
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    top = os.sep.join(parts[:first]) or (os.sep if pattern.startswith(os.sep) else os.curdir)
    for folder, below, _ in os.walk(top, onerror=refuse):
        left = parts[first + (0 if folder == top else os.path.relpath(folder, top).count(os.sep) + 1) :]
        if "**" in parts:
            below[:] = [name for name in below if not name.startswith(".")]
        else:  # p/a*/x*.tar lists p, and of the folders there those that match a*
            below[:] = fnmatch.filter(below, left[0]) if len(left) > 1 else []


def has_suffix(name: str, suffixes: Sequence[str]) -> bool:
    """Whether the file name ends in one of `suffixes`, in any case."""
    return name.lower().endswith(tuple(suffixes))


class TreeEntry(NamedTuple):
    """A file under a folder; `name` is its path in it, with `/`.

    `problem` says why it cannot be opened, and is empty if it can. A folder that cannot be read is an entry
    whose name ends in `/`. `again` marks a file that came before under another name.
    """

    name: str
    problem: str = ""
    again: bool = False


def walk(folder: str | Path) -> Iterator[str]:
    """The names of `survey` that can be opened, each file once."""
    return (entry.name for entry in survey(folder) if not entry.problem and not entry.again)


def survey(folder: str | Path) -> Iterator[TreeEntry]:
    """All files, those of a folder before those of the folders in it, in sorted order, without hidden ones.

    A link to what is in the folder anyway is marked, or not walked: that comes under its own name, beside its
    own texts, and circles end. Links that lead out are followed; what two of them reach is marked from its
    second name on. With photos/1.jpg, a.jpg -> photos/1.jpg, photos/up -> .., b.jpg and c.jpg -> /else/2.jpg:

        a.jpg        `again`: it is photos/1.jpg
        b.jpg        given: nothing else names it
        c.jpg        `again`: it is b.jpg
        photos/1.jpg given; photos/up is not walked

    Two hard links are two files. Names are compared, so no file is opened or even asked for, but links.
    """
    root, top = str(folder), os.path.realpath(folder)
    prefix_of: dict[_Identity, str] = {}  # of each folder that was walked
    linked: set[tuple[_Identity, str]] = set()  # folder and name of files that came as the target of a link
    left = [""]
    while left:
        prefix = left.pop()
        try:
            here = _identity(os.path.join(root, prefix))
            if here in prefix_of:
                continue
            with os.scandir(os.path.join(root, prefix)) as found:
                entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            yield TreeEntry(prefix, f"a folder that cannot be read: {error.strerror}")
            continue
        prefix_of[here] = prefix
        folders = []
        for entry in entries:
            name, link = prefix + entry.name, entry.is_symlink()
            if link and _comes_anyway(os.path.realpath(entry.path), top):
                if not entry.is_dir():
                    yield TreeEntry(name, again=True)
                continue
            try:
                mode = 0 if not link and entry.is_file() else entry.stat().st_mode
                target = _target(entry.path) if link and stat.S_ISREG(mode) else (here, entry.name)
            except OSError as error:
                yield TreeEntry(name, f"{_described(entry)}: {error.strerror}")
                continue
            if stat.S_ISDIR(mode):
                folders.append(f"{name}/")
            elif mode and not stat.S_ISREG(mode):
                yield TreeEntry(name, special(mode))
            elif not link:
                yield TreeEntry(name, again=target in linked)
            else:
                parent, base = target
                # The files of a folder come before anything else does, so those of any other folder in
                # `prefix_of` came already.
                came = parent in prefix_of and (parent != here or base < entry.name) and base[0] != "."
                yield TreeEntry(name, again=came or target in linked)
                linked.add(target)
        left += reversed(folders)


def files_fingerprint(files: Sequence[str], root: str) -> dict[str, str | int]:
    """What tells one list of files from another: how many, how large, and a digest of names and sizes.

    Names are relative to `root`. The content is not read, and the size of a URL, or of what is not there,
    counts as 0.
    """
    digest, total = hashlib.blake2b(digest_size=16), 0
    for file in files:
        size = 0 if is_url(file) else _size(file)
        total += size
        name = file if is_url(file) else os.path.relpath(file, root)
        digest.update(file_bytes(f"{name}\0{size}\n"))
    return {"files": len(files), "bytes": total, "names_and_sizes": digest.hexdigest()}


#: Device and number of a file or folder, which all its names share.
_Identity = tuple[int, int]


def _identity(path: str) -> _Identity:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _comes_anyway(path: str, top: str) -> bool:
    """Whether a walk of the folder `top` meets what is at a real path: it is there, in it, and not hidden."""
    if path != top and not path.startswith(os.path.join(top, "")):
        return False
    hidden = any(part.startswith(".") for part in path[len(top) :].split(os.sep))
    return not hidden and os.path.exists(path)


def _target(link: str) -> tuple[_Identity, str]:
    """The folder in which the target of a link lies, and its name in it."""
    folder, name = os.path.split(os.path.realpath(link))
    return _identity(folder), name


def _described(entry: os.DirEntry[str]) -> str:
    return f"a link to {os.readlink(entry.path)!r}" if entry.is_symlink() else "a file"


def _size(file: str) -> int:
    try:
        return os.path.getsize(file)
    except OSError:
        return 0
