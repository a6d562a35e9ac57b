"""`folder`: a tree of images, each with a text beside it, or with tables of captions."""

import dataclasses
import functools
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from animate.data import Fault, Frozen
from animate.recipe import SourceRecipe
from animate.sources.annotations import ANNOTATION_COLUMNS, annotation_records
from animate.sources.captions import unique
from animate.sources.columns import CAPTION_NAMES, ColumnNames, find_columns, first_named
from animate.sources.duplicates import image_identity
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.image_files import (
    IMAGE_SUFFIXES,
    TEXT_SUFFIXES,
    FolderImage,
    folder_image,
    folder_images,
    image_key,
)
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import TreeEntry, files_fingerprint, has_suffix, survey, walk
from animate.sources.regular import MOST_BYTES, MOST_BYTES_SAID
from animate.sources.table import group_rows, table_row
from animate.sources.table_files import TABLE_SUFFIXES, table_columns, table_rows

#: Names of the table, of which a folder may have one.
CAPTION_TABLES = tuple(f"captions{suffix}" for suffix in TABLE_SUFFIXES)
#: Names of the table that Hugging Face's imagefolder has, in any folder of the tree.
METADATA_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
#: The column of such a table that names the image, relative to the table's folder.
METADATA_IMAGE = "file_name"


class Folder:
    """The images under a folder, in sorted order, or in the order of its tables where it has any.

    Every line of an image's `.txt` is a caption; where there is no such file, or none of its lines has a
    caption, every line of its `.caption` is. An image without a usual suffix is known by its whole name, as
    is its text (`g` and g.txt, `2022.05` and 2022.05.txt).

    A captions table at the top may name an image by its path in the folder or in `images/`, or by its bare
    name if that occurs once in the tree. Without one, the metadata tables of the tree do the same, each for
    its own folder. Images that the table of their folder does not name are inputs without caption.

    The path may be that of one image, too, which is then the corpus, with its text.

    What may be an image, or has the name of a table, and cannot be opened (a link to nowhere, a fifo, a
    folder without permission) is a row that says so.
    """

    def __init__(self, source: SourceRecipe):
        self.source, self.root = source, folder_root(source.path)
        #: The one image of the corpus, where the path is that of an image.
        self.only = "" if self.root == source.path else os.path.basename(source.path)
        if not os.path.isdir(self.root):
            raise SourceError(f"source.path {source.path!r}: no such folder")
        self.table = None if self.only else captions_table(source.path)

    def fingerprint(self) -> dict[str, str | int]:
        if self.only:
            names = [self.only, *_texts_beside(self.only)]
            there = [path for name in names if os.path.isfile(path := os.path.join(self.root, name))]
            return files_fingerprint(there, self.root)
        files = [
            os.path.join(self.root, entry.name)
            for entry in survey(self.root)
            if _is_text_or_table(entry) or folder_image(self.root, entry) is not None
        ]
        return files_fingerprint(files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        identify = image_identity(self.source, self.root)
        if self.only:
            rows = iter([self._row_of(FolderImage(self.only))])
            return freeze_rows(
                rows, "files", folder, rows_per_shard, self.source, identify=identify, root=self.root
            )
        tables = (
            self._metadata_tables() if self.table is None else [self._open_table(self.table, self.source)]
        )
        write_files(folder, [os.path.join(self.root, table.name) for table in tables], self.root)
        rows = self._rows_of_tables(tables) if tables else map(self._row_of, folder_images(self.root))
        rows = itertools.chain(rows, self._unread_tables())
        return freeze_rows(
            rows, "files", folder, rows_per_shard, self.source, identify=identify, root=self.root
        )

    def _row_of(self, image: FolderImage) -> Row:
        """The row of an image that no table is for."""
        captions, fault = self._lines_beside(image.file)
        return Row(image_key(image.file), captions, image.file, fault=image.fault or fault)

    def _lines_beside(self, file: str) -> tuple[tuple[str, ...], Fault | None]:
        """The captions beside an image, or why a text that is there cannot be read."""
        for text in _texts_beside(file):
            path = Path(self.root, text)
            try:
                if not stat.S_ISREG(path.stat().st_mode):
                    return (), Fault("bad_row", f"{text!r} is no file")
                if path.stat().st_size > MOST_BYTES:
                    return (), Fault("bad_row", f"{text!r} {MOST_BYTES_SAID}")
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                return (), Fault("bad_row", f"{text!r}: {error.strerror}")
            # A line ends at LF, as everywhere; a CR before it goes with the white space.
            lines = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
            captions = unique(line.strip() for line in lines if line.strip())
            if captions:
                return captions, None
        return (), None

    def _unread_tables(self) -> Iterator[Row]:
        """A row for each table that cannot be opened: a fifo, a device, a link to nowhere."""
        for entry in survey(self.root):
            if entry.problem and (entry.name.lower() in CAPTION_TABLES or _is_metadata(entry.name)):
                yield Row(entry.name, (), fault=Fault("bad_row", f"{entry.name!r}: {entry.problem}"))

    def _metadata_tables(self) -> "list[_CaptionTable]":
        """The metadata tables of the tree that name images and captions."""
        names = [file for file in walk(self.root) if _is_metadata(file)]
        tables: list[_CaptionTable] = []
        for name in names:
            columns = table_columns(os.path.join(self.root, name))
            image = self.source.image_column or first_named(columns, (METADATA_IMAGE,))
            caption = self.source.caption_column or first_named(columns, CAPTION_NAMES)
            if image not in columns or caption not in columns:
                continue
            table = self._open_table(name, dataclasses.replace(self.source, image_column=image))
            _refuse_several(
                self.root, [*(other.name for other in tables if other.folder == table.folder), name]
            )
            tables.append(table)
        return tables

    def _open_table(self, name: str, source: SourceRecipe) -> "_CaptionTable":
        path = os.path.join(self.root, name)
        records = annotation_records(path)
        if records is not None:
            return _CaptionTable(name=name, folder="", columns=ANNOTATION_COLUMNS, records=records)
        columns = find_columns(table_columns(path), source, path)
        return _CaptionTable(name=name, folder=name.removesuffix(_base(name)), columns=columns)

    def _rows_of_tables(self, tables: "list[_CaptionTable]") -> Iterator[Row]:
        images, named = list(folder_images(self.root)), set[str]()
        fault_of = {image.file: image.fault for image in images}
        for table in tables:
            columns, path = table.columns, os.path.join(self.root, table.name)
            find = _FindImage(self.root, table.folder, list(fault_of))
            records = table_rows(path) if table.records is None else table.records
            rows = (
                table_row(row, columns, f"{table.name}-{i:06d}", self.root, self.source)
                for i, row in enumerate(records)
            )
            for row in group_rows(rows):
                file = find(row.file) if row.file else ""
                named.add(file)
                key = row.key if columns.key or not file else image_key(file)
                yield row._replace(file=file, key=key, fault=row.fault or fault_of.get(file))
        for image in images:
            if image.file in named:
                continue
            covered = any(image.file.startswith(table.folder) for table in tables)
            yield (
                Row(image_key(image.file), (), image.file, fault=image.fault)
                if covered
                else self._row_of(image)
            )


def folder_root(path: str) -> str:
    """The folder that the corpus at a path lies in: the path itself, or that of an image."""
    is_image = has_suffix(path, IMAGE_SUFFIXES) and os.path.isfile(path)
    return os.path.dirname(os.path.abspath(path)) if is_image else path


def _texts_beside(file: str) -> list[str]:
    """Names of the texts that may have the captions of an image, the first that has any first."""
    names = dict.fromkeys((image_key(file), os.path.splitext(file)[0]))
    return [name + suffix for name in names for suffix in TEXT_SUFFIXES]


def captions_table(folder: str) -> str | None:
    """Name of the captions table at the top of a folder, or None; `SourceError` if there are several."""
    try:
        named = sorted(name for name in os.listdir(folder) if name.lower() in CAPTION_TABLES)
        found = [name for name in named if os.path.isfile(os.path.join(folder, name))]
    except OSError as error:
        raise SourceError(f"{folder!r}: cannot be read: {error.strerror}") from None
    _refuse_several(folder, found)
    return found[0] if found else None


def _refuse_several(folder: str, tables: Sequence[str]) -> None:
    if len(tables) > 1:
        raise SourceError(f"{folder!r} has several captions tables: {', '.join(tables)}; keep one")


class _CaptionTable(NamedTuple):
    """A table of captions: its path in the corpus, its columns, and the folder that it names images of.

    The folder is empty for the corpus itself, and ends in `/` otherwise. `records` are the rows of a file in
    COCO's form, whose images and captions had to be joined.
    """

    name: str
    folder: str
    columns: ColumnNames
    records: list[dict[str, Any]] | None = None


class _FindImage:
    """Finds the image that a table in `folder`, under `root`, means by a name; `files` are all images.

    Links may give a file several names, of which only one is in `files`.
    """

    def __init__(self, root: str, folder: str, files: list[str]):
        self._root, self._folder, self._files = root, folder, files
        self._file_by_name = _file_by_name([f.removeprefix(folder) for f in files if f.startswith(folder)])

    def __call__(self, name: str) -> str:
        found = self._file_by_name.get(_normal(name))
        if found is not None:
            return self._folder + found
        file = os.path.join(self._folder, name)
        path = os.path.join(self._root, file)
        return self._file_by_place.get(os.path.realpath(path), file) if os.path.exists(path) else file

    @functools.cached_property
    def _file_by_place(self) -> dict[str, str]:
        return {os.path.realpath(os.path.join(self._root, file)): file for file in self._files}


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


def _base(file: str) -> str:
    return file.rpartition("/")[2]


def _is_text_or_table(entry: TreeEntry) -> bool:
    """Whether an entry that is no image is part of the corpus."""
    if entry.problem or entry.again:
        return False
    name = entry.name.lower()
    return has_suffix(name, TEXT_SUFFIXES) or name in CAPTION_TABLES or _is_metadata(name)


def _is_metadata(file: str) -> bool:
    return _base(file).lower() in METADATA_TABLES
