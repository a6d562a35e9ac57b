"""`urls`: lists of image addresses with captions; a worker downloads the rows that it films.

Rows are numbered as they stand in the list, and the number is their key.
"""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from animate.data import Fault, Frozen
from animate.recipe import SourceRecipe
from animate.sources.captions import caption_texts
from animate.sources.carried import carried
from animate.sources.columns import CAPTION_NAMES, URL_NAMES, check_column, first_named
from animate.sources.download.process import DOWNLOADED
from animate.sources.errors import SourceError
from animate.sources.listing import Row, freeze_rows
from animate.sources.paths import files_fingerprint, find_files
from animate.sources.table_files import BAD_ROW, TABLE_SUFFIXES, table_columns, table_rows
from animate.text import printable


class Urls:
    """Rows of one list, or of several, in order; `names` are the columns of lists without header."""

    def __init__(self, source: SourceRecipe, names: Sequence[str] | None = None):
        _refuse_perceptual(source)
        self.source, self.names = source, tuple(names) if names else None
        self.files = find_files(source.path, TABLE_SUFFIXES)
        self.root = os.path.dirname(os.path.abspath(self.files[0]))
        columns = list(names) if names else table_columns(self.files[0])
        self.url = source.url_column or first_named(columns, URL_NAMES)
        check_column("url", self.url, columns, self.files[0])
        others = [name for name in columns if name != self.url]
        self.caption = source.caption_column or first_named(others, CAPTION_NAMES)
        check_column("caption", self.caption, others, self.files[0])

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        return _freeze_list(self.rows(), self.source, folder, rows_per_shard)

    def rows(self) -> Iterator[Row]:
        number = 0
        for path in self.files:
            for row in table_rows(path, names=self.names):
                yield self._row_of(row, _number_key(number))
                number += 1

    def _row_of(self, row: dict[str, Any], key: str) -> Row:
        if BAD_ROW in row:
            return Row(key, (), fault=Fault("bad_row", row[BAD_ROW]))
        url = row.pop(self.url)
        captions = caption_texts(row.pop(self.caption))
        meta = {"url": url, **carried(row.items())}
        if not isinstance(url, str) or not url.strip():
            return Row(key, captions, meta=meta, fault=Fault("bad_row", f"no address in {self.url!r}"))
        return Row(key, captions, printable(url.strip()), meta)


class TextPair:
    """Addresses and captions in two text files, line by line, as SBU has them."""

    def __init__(self, source: SourceRecipe, urls: str):
        _refuse_perceptual(source)
        self.source, self.urls = source, urls
        head, name = os.path.split(urls)
        self.captions = os.path.join(head, name.replace("urls", "captions"))
        if self.captions == urls or not os.path.isfile(self.captions):
            raise SourceError(f"{urls!r}: no file of captions beside it: {self.captions!r}")

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint([self.urls, self.captions], os.path.dirname(os.path.abspath(self.urls)))

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        return _freeze_list(self.rows(), self.source, folder, rows_per_shard)

    def rows(self) -> Iterator[Row]:
        with (
            open(self.urls, encoding="utf-8", errors="surrogateescape") as urls,
            open(self.captions, encoding="utf-8", errors="surrogateescape") as captions,
        ):
            for number, (url, caption) in enumerate(itertools.zip_longest(urls, captions)):
                key, texts, address = _number_key(number), caption_texts(caption or ""), (url or "").strip()
                if address:
                    yield Row(key, texts, printable(address), {"url": address})
                else:
                    yield Row(key, texts, fault=Fault("bad_row", "no address in this line"))


def _freeze_list(rows: Iterable[Row], source: SourceRecipe, folder: Path, rows_per_shard: int) -> Frozen:
    """Images are compared before they are downloaded: by address, or by sha256 where the list has it."""
    by_address = source.filters.duplicates == "url"

    def identify(row: Row) -> str | None:
        return row.file if by_address else (row.meta or {}).get("sha256")

    return freeze_rows(rows, "urls", folder, rows_per_shard, source, identify=identify, more_texts=DOWNLOADED)


def _refuse_perceptual(source: SourceRecipe) -> None:
    if source.filters.duplicates == "perceptual":
        raise SourceError(
            "source.filters.duplicates = 'perceptual' needs the images: fetch them and build from those, "
            "or use 'sha256'"
        )


def _number_key(number: int) -> str:
    return f"{number:09d}"
