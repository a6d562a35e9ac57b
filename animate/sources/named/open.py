"""Named corpora as sources: their files are found, then opened as a general source or as annotations."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from animate.data import Frozen
from animate.recipe import SourceRecipe
from animate.sources.duplicates import refuse_duplicates
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.listing import Row, freeze_rows
from animate.sources.named.annotations import coco_rows, flickr_rows, region_rows, vg_rows
from animate.sources.named.corpora import CORPORA, Corpus
from animate.sources.named.find import Found, find
from animate.sources.named.images import ZIP_MEMBER, locate_images
from animate.sources.packed import unpacked_name
from animate.sources.paths import files_fingerprint
from animate.sources.source import Source
from animate.sources.tars import TAR_SUFFIXES
from animate.sources.urls import TextPair, Urls
from animate.sources.webdataset import WebDataset

#: The rows of an annotation file: what was found, the places of its images by name, and the recipe.
AnnotationReader = Callable[[Found, Mapping[str, str], SourceRecipe], Iterator[Row]]

#: The name of a corpus, or else its kind -> how its annotations are read.
_ANNOTATIONS: Mapping[str, AnnotationReader] = {
    "coco": coco_rows,
    "flickr": flickr_rows,
    "vg": vg_rows,
    "vg-regions": region_rows,
}


def open_named(name: str, source: SourceRecipe) -> Source:
    """The corpus `name` where `source.path` or ANIMATE_DATA has it; `SourceError` says what is missing."""
    corpus, found = CORPORA[name], find(name, source.path, source.split)
    first = found.files[0]
    if first.endswith(TAR_SUFFIXES):
        return WebDataset(dataclasses.replace(source, path=_pattern(found.files)))
    if corpus.kind == "sbu" and unpacked_name(first).endswith(".txt"):
        return TextPair(source, first)
    if corpus.kind in ("urls", "sbu"):
        given = dataclasses.replace(
            source,
            path=_pattern(found.files),
            url_column=source.url_column or corpus.url_column,
            caption_column=source.caption_column or corpus.caption_column,
        )
        is_tsv = unpacked_name(first).lower().endswith(".tsv")
        return Urls(given, names=corpus.names if is_tsv else None)
    return Annotated(source, corpus, found, _ANNOTATIONS[name if name in _ANNOTATIONS else corpus.kind])


class Annotated:
    """A corpus of an annotation file and images in folders or zips beside it."""

    def __init__(self, source: SourceRecipe, corpus: Corpus, found: Found, rows: AnnotationReader):
        self.source, self.found, self._rows = source, found, rows
        self.root = found.folder
        names = [pattern.format(split=found.split) for pattern in corpus.image_folders]
        roots = [source.images] if source.images else [os.path.join(found.folder, name) for name in names]
        self.images = locate_images(roots, found.folder)
        if not self.images:
            wanted = source.images or " or ".join(names)
            raise SourceError(f"{found.folder!r} has no images: looked for {wanted} (or set source.images)")

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.found.files, self.found.folder)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        refuse_duplicates(self.source, f"{self.source.name}: no image of it is listed twice")
        zips = {image.partition(ZIP_MEMBER)[0] for image in self.images.values() if ZIP_MEMBER in image}
        packed = [os.path.join(self.root, name) for name in sorted(zips)]
        write_files(folder, [*self.found.files, *packed], self.root)
        rows = self._rows(self.found, self.images, self.source)
        return freeze_rows(rows, "images", folder, rows_per_shard, self.source, root=self.root)


def _pattern(files: tuple[str, ...]) -> str:
    """One path that stands for all of the files."""
    return files[0] if len(files) == 1 else "{" + ",".join(files) + "}"
