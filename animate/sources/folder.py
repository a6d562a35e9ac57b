"""`folder`: a tree of images, each with a `.txt` beside it, or with a captions table at the top."""

import os
from collections.abc import Iterator
from pathlib import Path

from animate.data import Frozen
from animate.recipe import SourceRecipe
from animate.sources.captions import unique
from animate.sources.columns import find_columns
from animate.sources.duplicates import image_fingerprint
from animate.sources.errors import SourceError
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import has_suffix, identity, walk
from animate.sources.table import grouped, table_row
from animate.sources.tables import TABLE_SUFFIXES, table_columns, table_rows

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
CAPTION_TABLES = tuple(f"captions{suffix}" for suffix in TABLE_SUFFIXES)


class Folder:
    """The images under a folder, in sorted order, or in the order of its captions table where it has one.

    Every line of an image's `.txt` is a caption. Paths in the table are relative to the folder (or to
    its `images/`, or they are bare names that occur once in the tree). Images that the table does not
    name are inputs without caption.
    """

    def __init__(self, source: SourceRecipe):
        self.source, self.root = source, source.path
        if not os.path.isdir(source.path):
            raise SourceError(f"source.path {source.path!r}: no such folder")
        self.table = captions_table(source.path)

    def fingerprint(self) -> dict[str, str | int]:
        files = [os.path.join(self.root, file) for file in walk(self.root) if _counts(file)]
        return identity(files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        rows = self._beside() if self.table is None else self._listed(self.table)
        mark = image_fingerprint(self.source, self.root)
        return freeze_rows(rows, "files", folder, rows_per_shard, self.source, fingerprint=mark)

    def _beside(self) -> Iterator[Row]:
        """Images with their `.txt`; the walk is sorted, so one folder at a time is enough to know both."""
        for file in walk(self.root):
            if has_suffix(file, IMAGE_SUFFIXES):
                yield Row(_stem(file), self._text_beside(file), file)

    def _text_beside(self, file: str) -> tuple[str, ...]:
        try:
            content = Path(self.root, f"{_stem(file)}.txt").read_bytes()
        except FileNotFoundError:
            return ()
        lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").splitlines()
        return unique(line.strip() for line in lines if line.strip())

    def _listed(self, table: str) -> Iterator[Row]:
        path = os.path.join(self.root, table)
        columns = find_columns(table_columns(path), self.source, path)
        images = [file for file in walk(self.root) if has_suffix(file, IMAGE_SUFFIXES)]
        places, named = _places(images), set[str]()
        rows = (table_row(row, columns, f"{table}-{i:06d}") for i, row in enumerate(table_rows(path)))
        for row in grouped(rows):
            file = places.get(_normal(row.file), row.file)
            named.add(file)
            yield row._replace(file=file, key=row.key if columns.key or not row.file else _stem(file))
        for file in images:
            if file not in named:
                yield Row(_stem(file), (), file)


def captions_table(folder: str) -> str | None:
    """Name of the captions table at the top of a folder, or None; `SourceError` if there are several."""
    found = sorted(name for name in os.listdir(folder) if name.lower() in CAPTION_TABLES)
    if len(found) > 1:
        raise SourceError(f"{folder!r} has several captions tables: {', '.join(found)}; keep one")
    return found[0] if found else None


def _places(images: list[str]) -> dict[str, str]:
    """What a table may call each image (its path, its path under images/, its bare name) to where it is."""
    names: dict[str, str] = {}
    repeated = set[str]()
    for file in images:
        bare = file.rpartition("/")[2]
        if bare in names:
            repeated.add(bare)
        names[bare] = file
    for bare in repeated:
        del names[bare]
    names.update((file.removeprefix("images/"), file) for file in images)
    names.update((file, file) for file in images)
    return names


def _normal(path: str) -> str:
    return os.path.normpath(path).replace(os.sep, "/") if path else path


def _stem(file: str) -> str:
    return os.path.splitext(file)[0]


def _counts(file: str) -> bool:
    """Whether a file of the tree is part of the corpus."""
    return has_suffix(file, (*IMAGE_SUFFIXES, ".txt")) or file.lower() in CAPTION_TABLES
