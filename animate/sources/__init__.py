"""Corpora: `SOURCES` says how a corpus is opened, `READERS` how a worker reads rows of one of its parts.

To add a kind of corpus, write a short file with a class that has the methods of `Source`, and add a line to
`SOURCES`. To add a corpus of a known kind by name, add an entry to `named/corpora.py`.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from animate.data import Part, ReaderName, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.annotations import Annotations
from animate.sources.demo import open_demo
from animate.sources.download.process import seconds_waited
from animate.sources.download.rows import read_urls, read_urls_as_they_come
from animate.sources.errors import SourceError
from animate.sources.folder import Folder
from animate.sources.keys import safe_key
from animate.sources.named.corpora import CORPORA
from animate.sources.named.images import read_images
from animate.sources.named.open import open_named
from animate.sources.read import listed_image, read_cells, read_files
from animate.sources.source import Reader, Source
from animate.sources.table import Table
from animate.sources.tar_samples import read_tar_rows, read_tar_stream
from animate.sources.urls import Urls
from animate.sources.webdataset import WebDataset

__all__ = [
    "READERS",
    "SOURCES",
    "Source",
    "SourceError",
    "listed_image",
    "open_source",
    "read_arrivals",
    "read_part",
    "safe_key",
    "seconds_waited",
]

#: `source.name` of a recipe -> how that corpus is opened.
SOURCES: Mapping[str, Callable[[SourceRecipe], Source]] = {
    "demo": open_demo,
    "folder": Folder,
    "table": Table,
    "webdataset": WebDataset,
    "annotations": Annotations,
    "urls": Urls,
    **{name: functools.partial(open_named, name) for name in CORPORA},
}

#: `Part.reader` -> how rows of such a part are read.
READERS: Mapping[ReaderName, Reader] = {
    "files": read_files,
    "rows": read_cells,
    "tar": read_tar_rows,
    "tar_stream": read_tar_stream,
    "urls": read_urls,
    "images": read_images,
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


def read_part(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows `start` to `stop` (None: to the end) of a part, in order, each as exactly one sample or rejection.

    `folder` is where the corpus was frozen, `columns` is what it carries. Bad data is a rejection and never
    an exception.
    """
    return READERS[part.reader](part, start, stop, source, Path(folder), columns)


def read_arrivals(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[tuple[int, Sample | Rejected]]:
    """As `read_part`, each row with its place among them, in the order in which they come: a row whose image
    is being downloaded holds up no other."""
    if part.reader == "urls":
        return read_urls_as_they_come(part, start, stop, source, Path(folder), columns)
    return enumerate(read_part(part, start, stop, source, folder, columns))
