"""Corpora: `SOURCES` maps a name to how it is opened, `READERS` a part to how a worker reads it.

Add a corpus: a short file here with a class that has `fingerprint` and `freeze`, and a line in `SOURCES`.
"""

import functools
import glob
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from animate.data import Frozen, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.demo import open_demo
from animate.sources.errors import SourceError
from animate.sources.folder import IMAGE_SUFFIXES, Folder, captions_table
from animate.sources.images import read_images
from animate.sources.keys import safe_key
from animate.sources.named.open import open_named
from animate.sources.named.table import CORPORA
from animate.sources.paths import expand_braces, has_suffix, is_url, walk
from animate.sources.read import read_files, read_stored
from animate.sources.table import Table, lists_addresses
from animate.sources.tables import TABLE_SUFFIXES
from animate.sources.urls import Urls, read_urls
from animate.sources.webdataset import TAR_SUFFIXES, WebDataset, read_tar, read_tar_stream

__all__ = [
    "READERS",
    "SOURCES",
    "Source",
    "SourceError",
    "open_source",
    "read_part",
    "resolve_src",
    "safe_key",
]


class Source(Protocol):
    """A corpus that is there."""

    def fingerprint(self) -> dict[str, str | int]:
        """What tells this corpus from another or from what it was: counts, sizes, digests.

        Cheap, and the same wherever the corpus lies.
        """
        ...

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        """Writes down in `folder` what a worker must know; gives the parts and the columns.

        Nothing is read but names, headers, captions and what samples carry; memory stays flat.
        """
        ...


#: How a worker reads rows of a part: see `read_part`.
Reader = Callable[[Part, int, int | None, SourceRecipe, Path, Columns], Iterator[Sample | Rejected]]

SOURCES: Mapping[str, Callable[[SourceRecipe], Source]] = {
    "demo": open_demo,
    "folder": Folder,
    "table": Table,
    "webdataset": WebDataset,
    "urls": Urls,
    **{name: functools.partial(open_named, name) for name in CORPORA},
}

READERS: Mapping[str, Reader] = {
    "files": read_files,
    "rows": read_stored,
    "tar": read_tar,
    "urls": read_urls,
    "images": read_images,
    "tar_stream": read_tar_stream,
}


def open_source(recipe: SourceRecipe) -> Source:
    """The corpus that the recipe names; `SourceError` if it, its path or its columns are not there."""
    if recipe.name not in SOURCES:
        raise SourceError(
            f"source.name = {recipe.name!r}: must be one of {', '.join(SOURCES)}, or give --src a path"
        )
    if recipe.name not in ("demo", *CORPORA) and not recipe.path:
        raise SourceError(f"source.name = {recipe.name!r} needs source.path: where the corpus lies")
    return SOURCES[recipe.name](recipe)


def resolve_src(src: str, *, urls: str = "", root: str = "") -> dict[str, str]:
    """`--src` as overrides of the recipe's source table: a name from `SOURCES`, or a path of a known kind.

    With a name, `urls` says where its list or folder is; `root` is a folder with a folder for each corpus.
    """
    if src in SOURCES:
        path = urls or (os.path.join(root, src) if root else "")
        return {"name": src, "path": path} if path else {"name": src}
    if urls:
        raise SourceError(f"--urls goes with a source's name, not with --src {src!r}: {', '.join(SOURCES)}")
    kind = _kind_of_folder(src) if os.path.isdir(src) else _kind_of_files(src)
    return {"name": kind, "path": src}


def read_part(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows `start` to `stop` of a part, in order, each as exactly one sample or rejection.

    `folder` is where the corpus was frozen, `columns` what it carries. Bad data never raises.
    """
    return READERS[part.reader](part, start, stop, source, Path(folder), columns)


def _kind_of_folder(path: str) -> str:
    """Of what lies in the folder: tars before a captions table or images before tables."""
    names = sorted(os.listdir(path))
    if any(has_suffix(name, TAR_SUFFIXES) for name in names):
        return "webdataset"
    if captions_table(path) is not None or any(has_suffix(name, IMAGE_SUFFIXES) for name in walk(path)):
        return "folder"
    tables = [os.path.join(path, name) for name in names if has_suffix(name, TABLE_SUFFIXES)]
    if tables:
        return _kind_of_table(tables[0])
    raise SourceError(
        f"--src {path!r}: holds no tars, images or tables; it has: {', '.join(names[:10]) or 'nothing'}"
    )


def _kind_of_files(src: str) -> str:
    """By the ending of the (first) file; a pattern or an address must have one too."""
    first = expand_braces(src)[0]
    found = first if is_url(first) or os.path.exists(first) else next(iter(sorted(glob.glob(first))), None)
    if found is None:
        raise SourceError(
            f"--src {src!r}: no such file or folder, and no source of that name: {', '.join(SOURCES)}"
        )
    if has_suffix(found, TAR_SUFFIXES):
        return "webdataset"
    if has_suffix(found, TABLE_SUFFIXES) and not is_url(found):
        return _kind_of_table(found)
    raise SourceError(
        f"--src {src!r}: cannot tell what this is; tars end in {', '.join(TAR_SUFFIXES)}, "
        f"tables in {', '.join(TABLE_SUFFIXES)}"
    )


def _kind_of_table(file: str) -> str:
    return "urls" if lists_addresses(file) else "table"
