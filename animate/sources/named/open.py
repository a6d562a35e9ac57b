"""Named corpora as sources: files found, then read by a general source or by a reader of their own."""

import dataclasses
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from animate.data import Frozen
from animate.recipe import SourceRecipe
from animate.sources.duplicates import refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.listing import Row, freeze_rows
from animate.sources.named.annotations import coco_rows, flickr_rows, region_rows, vg_rows
from animate.sources.named.find import Found, find
from animate.sources.named.table import CORPORA, Corpus
from animate.sources.paths import identity, walk
from animate.sources.urls import TextPair, Urls
from animate.sources.webdataset import TAR_SUFFIXES, WebDataset


def open_named(name: str, source: SourceRecipe) -> Any:
    """The corpus `name` where `source.path` or ANIMATE_DATA has it; `SourceError` says what is missing."""
    corpus, found = CORPORA[name], find(name, source.path, source.split)
    if found.files[0].endswith(TAR_SUFFIXES):
        return WebDataset(dataclasses.replace(source, path=_pattern(found.files)))
    if corpus.kind == "sbu" and found.files[0].endswith(".txt"):
        return TextPair(source, found.files[0])
    if corpus.kind in ("urls", "sbu"):
        given = dataclasses.replace(
            source,
            path=_pattern(found.files),
            url_column=source.url_column or corpus.url_column,
            caption_column=source.caption_column or corpus.caption_column,
        )
        return Urls(
            given, names=corpus.names if found.files[0].lower().endswith((".tsv", ".tsv.gz")) else None
        )
    return Annotated(source, corpus, found, _ROWS[name if name in _ROWS else corpus.kind])


class Annotated:
    """A corpus of an annotation file and images in folders or zips beside it."""

    def __init__(
        self, source: SourceRecipe, corpus: Corpus, found: Found, rows: Callable[..., Iterator[Row]]
    ):
        self.source, self.found, self._rows = source, found, rows
        self.places = image_places(corpus, found, source)

    def fingerprint(self) -> dict[str, str | int]:
        return identity(self.found.files, self.found.folder)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        refuse_duplicates(self.source, f"{self.source.name}: no image of it is listed twice")
        rows = self._rows(self.found, self.places, self.source)
        return freeze_rows(rows, "images", folder, rows_per_shard, self.source)


def image_places(corpus: Corpus, found: Found, source: SourceRecipe) -> dict[str, str]:
    """Image file name to where it is, relative to the corpus: a path, or `archive.zip!member`."""
    names = [pattern.format(split=found.split) for pattern in corpus.image_folders]
    roots = [source.images] if source.images else [os.path.join(found.folder, name) for name in names]
    places: dict[str, str] = {}
    for root in roots:
        relative = os.path.relpath(root, found.folder)
        if os.path.isdir(root):
            places.update((file.rpartition("/")[2], f"{relative}/{file}") for file in walk(root))
        elif os.path.isfile(root):
            with zipfile.ZipFile(root) as archive:
                members = (item for item in archive.namelist() if not item.endswith("/"))
                places.update((item.rpartition("/")[2], f"{relative}!{item}") for item in members)
    if not places:
        wanted = source.images or " or ".join(names)
        raise SourceError(f"{found.folder!r} has no images: looked for {wanted} (or set source.images)")
    return places


def _pattern(files: tuple[str, ...]) -> str:
    return files[0] if len(files) == 1 else "{" + ",".join(files) + "}"


_ROWS: Mapping[str, Callable[..., Iterator[Row]]] = {
    "coco": coco_rows,
    "flickr": flickr_rows,
    "vg": vg_rows,
    "vg-regions": region_rows,
}
