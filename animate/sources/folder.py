"""`folder`: a tree of images, each with a `.txt` beside it, or with one captions table at the top."""

import os
from collections.abc import Iterator
from pathlib import Path

from animate.data import Frozen
from animate.recipe import SourceRecipe
from animate.sources.captions import unique
from animate.sources.columns import find_columns
from animate.sources.duplicates import image_identity
from animate.sources.errors import SourceError
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import files_fingerprint, has_suffix, walk
from animate.sources.table import group_rows, table_row
from animate.sources.table_files import TABLE_SUFFIXES, table_columns, table_rows

#: Suffixes of the files that are images.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
#: Names of the table, of which a folder may have one.
CAPTION_TABLES = tuple(f"captions{suffix}" for suffix in TABLE_SUFFIXES)


class Folder:
    """The images under a folder, in sorted order, or in the order of its captions table where it has one.

    Every line of an image's `.txt` is a caption. The table may name an image by its path in the folder or in
    `images/`, or by its bare name if that occurs once in the tree. Images that the table does not name are
    inputs without caption.
    """

    def __init__(self, source: SourceRecipe):
        self.source, self.root = source, source.path
        if not os.path.isdir(source.path):
            raise SourceError(f"source.path {source.path!r}: no such folder")
        self.table = captions_table(source.path)

    def fingerprint(self) -> dict[str, str | int]:
        files = [os.path.join(self.root, file) for file in walk(self.root) if _belongs(file)]
        return files_fingerprint(files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        rows = self._rows_of_files() if self.table is None else self._rows_of_table(self.table)
        identify = image_identity(self.source, self.root)
        return freeze_rows(rows, "files", folder, rows_per_shard, self.source, identify=identify)

    def _rows_of_files(self) -> Iterator[Row]:
        for file in walk(self.root):
            if has_suffix(file, IMAGE_SUFFIXES):
                yield Row(_key_of(file), self._lines_beside(file), file)

    def _lines_beside(self, file: str) -> tuple[str, ...]:
        try:
            content = Path(self.root, f"{_key_of(file)}.txt").read_bytes()
        except FileNotFoundError:
            return ()
        lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").splitlines()
        return unique(line.strip() for line in lines if line.strip())

    def _rows_of_table(self, table: str) -> Iterator[Row]:
        path = os.path.join(self.root, table)
        columns = find_columns(table_columns(path), self.source, path)
        images = [file for file in walk(self.root) if has_suffix(file, IMAGE_SUFFIXES)]
        file_by_name, named = _file_by_name(images), set[str]()
        rows = (
            table_row(row, columns, f"{table}-{i:06d}", self.root, self.source)
            for i, row in enumerate(table_rows(path))
        )
        for row in group_rows(rows):
            file = file_by_name.get(_normal(row.file), row.file)
            named.add(file)
            yield row._replace(file=file, key=row.key if columns.key or not row.file else _key_of(file))
        for file in images:
            if file not in named:
                yield Row(_key_of(file), (), file)


def captions_table(folder: str) -> str | None:
    """Name of the captions table at the top of a folder, or None; `SourceError` if there are several."""
    found = sorted(name for name in os.listdir(folder) if name.lower() in CAPTION_TABLES)
    if len(found) > 1:
        raise SourceError(f"{folder!r} has several captions tables: {', '.join(found)}; keep one")
    return found[0] if found else None


def _file_by_name(images: list[str]) -> dict[str, str]:
    """Each name by which a table may call an image -> the path of the image.

    The names are its whole path, its path in images/ and its bare name. Of images/a.jpg, images/b/c.jpg and
    b/c.jpg, in this order:

        images/a.jpg, a.jpg    the first
        images/b/c.jpg         the second
        b/c.jpg                the third: a whole path goes before a path in images/
        c.jpg                  no image: two have this bare name
    """
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
    """The path as `walk` would write it: no `./`, and `/` between its parts."""
    return os.path.normpath(path).replace(os.sep, "/") if path else path


def _key_of(file: str) -> str:
    """The path without its suffix."""
    return os.path.splitext(file)[0]


def _belongs(file: str) -> bool:
    """Whether a file of the tree is part of the corpus."""
    return has_suffix(file, (*IMAGE_SUFFIXES, ".txt")) or file.lower() in CAPTION_TABLES
