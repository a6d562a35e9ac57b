"""Where a named corpus lies on this machine, and what to get if it is not here."""

import glob
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from animate.sources.errors import SourceError
from animate.sources.named.corpora import CORPORA, Corpus
from animate.sources.packed import PACKED_SUFFIXES, without_packed
from animate.sources.paths import find_files
from animate.sources.table_files import TABLE_SUFFIXES
from animate.sources.tars import TAR_SUFFIXES

#: Endings of files that may hold a corpus; a download that is not complete has another.
_READ = (
    *TABLE_SUFFIXES,
    *TAR_SUFFIXES,
    *(suffix + packed for suffix in (".txt", ".token") for packed in ("", *PACKED_SUFFIXES)),
)

#: The environment variable that names the folder with a folder for each corpus.
ROOT_VARIABLE = "ANIMATE_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A corpus on this machine: `files` are the lists or tars of `split`, `folder` is where all else is."""

    folder: str
    files: tuple[str, ...]
    split: str


def find(name: str, path: str, split: str) -> Found:
    """The files of corpus `name`: at `path` (its folder, a file, a pattern), or under ANIMATE_DATA.

    Raises `SourceError` with what to get and where, or with the known splits.
    """
    corpus = CORPORA[name]
    if split and split not in corpus.files:
        raise SourceError(f"source.split = {split!r}: {name} has {', '.join(filter(None, corpus.files))}")
    split = split or next(iter(corpus.files))
    if path and not os.path.isdir(path):
        files = find_files(path, ())
        return Found(folder=os.path.dirname(os.path.abspath(files[0])), files=tuple(files), split=split)
    folder = path or default_folder(name)
    files = matching(folder, corpus.files[split]) if folder else ()
    if not files:
        raise SourceError(explain(name, folder))
    return Found(folder=folder, files=files, split=split)


def default_folder(name: str, root: str = "") -> str:
    """The folder of the corpus in `root`, or else in ANIMATE_DATA; empty if neither is given."""
    root = root or os.environ.get(ROOT_VARIABLE, "")
    return os.path.join(root, name) if root else ""


def matching(folder: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """The sorted files of the first pattern that matches any that can be read; what is packed counts once."""
    for pattern in patterns:
        paths = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        found = tuple(path for path in without_packed(paths) if path.lower().endswith(_READ))
        if found:
            return found
    return ()


class Overview(NamedTuple):
    """One line about a corpus; `where` says in which folder it is, or "-"."""

    name: str
    title: str
    size: str
    where: str


def overview(root: str = "") -> list[Overview]:
    """A line about each corpus."""
    return [
        Overview(name, corpus.title, corpus.size, _where(corpus, default_folder(name, root)))
        for name, corpus in CORPORA.items()
    ]


def explain(name: str, folder: str = "", root: str = "") -> str:
    """What corpus `name` is, which of its files were found, and the command to type next."""
    if name not in CORPORA:
        raise SourceError(f"no corpus {name!r}; known ones: {', '.join(CORPORA)}")
    corpus = CORPORA[name]
    folder = folder or default_folder(name, root)
    lines = [
        f"{name}: {corpus.title}, {corpus.size}",
        f"  page      {corpus.page}",
        f"  licence   {corpus.licence}",
        f"  citation  {corpus.citation}",
    ]
    if corpus.notes:
        lines.append(f"  notes     {corpus.notes}")
    if corpus.dead_links:
        lines.append(f"  links     expect up to {corpus.dead_links:.0%} of them to be dead; each is counted")
    for split, patterns in corpus.files.items():
        found = matching(folder, patterns) if folder else ()
        state = f"found {len(found)} in {folder}" if found else "not found"
        lines.append(f"  {split or 'captions':9} {' or '.join(patterns)}: {state}")
    if corpus.image_folders:
        lines.append(f"  images    {' or '.join(corpus.image_folders)}")
    lines += [f"  next      {line}" for line in _next(name, folder, root)]
    return "\n".join(lines)


def _next(name: str, folder: str, root: str) -> list[str]:
    """The command for each split that is here, as it can be typed, and what to get where something is not."""
    corpus = CORPORA[name]
    default = next(iter(corpus.files))
    if root:
        place = f" --root {shlex.quote(root)}"
    else:
        place = f" --urls {shlex.quote(folder)}" if folder != default_folder(name) else ""
    here = [split for split, patterns in corpus.files.items() if folder and matching(folder, patterns)]
    lines = []
    for split in here:
        missing = _missing(corpus, folder, split)
        chosen = "" if split == default else f" --set source.split={split}"
        out = f"shards/{name}-{split}" if split else f"shards/{name}"
        command = f"animate build --src {name}{place}{chosen} --out {out}"
        lines.append(f"get {missing} into {folder}, then: {command}" if missing else command)
    if lines:
        return lines
    setting = "" if folder else f"{ROOT_VARIABLE}=$HOME/data "
    command = f"{setting}animate build --src {name}{place} --out shards/{name}"
    return [f"get the files from the page into {folder or f'$HOME/data/{name}'}, then: {command}"]


def _missing(corpus: Corpus, folder: str, split: str) -> str:
    """What a split needs beside its own files and does not have; empty if it has all."""
    file = matching(folder, corpus.files[split])[0]
    if corpus.kind == "flickr" and split and file.endswith(".txt") and not matching(folder, corpus.files[""]):
        return " or ".join(corpus.files[""])
    if corpus.kind == "sbu" and file.endswith(".txt"):
        captions = captions_beside(file)
        return "" if os.path.isfile(captions) else os.path.basename(captions)
    images = [pattern.format(split=split) for pattern in corpus.image_folders]
    if images and not file.endswith(TAR_SUFFIXES) and not any(map(os.path.exists, _in(folder, images))):
        return " or ".join(images)
    return ""


def captions_beside(urls: str) -> str:
    """The file of captions that goes with one of addresses, as SBU calls the two."""
    head, name = os.path.split(urls)
    return os.path.join(head, name.replace("urls", "captions"))


def _in(folder: str, names: Sequence[str]) -> list[str]:
    return [os.path.join(folder, name) for name in names]


def _where(corpus: Corpus, folder: str) -> str:
    found = folder and any(matching(folder, patterns) for patterns in corpus.files.values())
    return f"in {folder}" if found else "-"
