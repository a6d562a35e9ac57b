"""`urls`: lists of image addresses with captions; a worker downloads the rows that it films.

Rows are numbered as they stand in the list, and the number is their key.
"""

import itertools
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from animate.data import Fault, Frozen
from animate.recipe import SourceRecipe
from animate.sources.addresses import BadAddress, clean_address, is_address
from animate.sources.captions import caption_texts
from animate.sources.carried import carried
from animate.sources.columns import (
    CAPTION_NAMES,
    URL_NAMES,
    check_column,
    check_header,
    columns_seen,
    corpus_without_header,
    first_named,
    respelled,
)
from animate.sources.download.process import DOWNLOADED
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.listing import FIRST_ROWS, Row, freeze_rows
from animate.sources.named.find import captions_beside
from animate.sources.packed import text_lines
from animate.sources.paths import files_fingerprint, find_files
from animate.sources.table_files import BAD_ROW, TABLE_SUFFIXES, rows_or_fault, table_columns, table_rows
from animate.text import printable


class Urls:
    """Rows of one list, or of several, in order; `names` are the columns of lists without header."""

    def __init__(self, source: SourceRecipe, names: Sequence[str] | None = None):
        _refuse_perceptual(source)
        self.source, self.names = source, tuple(names) if names else None
        self.files = find_files(source.path, TABLE_SUFFIXES)
        self.root = os.path.dirname(os.path.abspath(self.files[0]))
        if names:
            self._refuse_headers()
        self.columns = list(names) if names else table_columns(self.files[0])
        if not names:
            check_header(self.columns, self.files[0])
        self.url = source.url_column or first_named(self.columns, URL_NAMES)
        check_column("url", self.url, self.columns, self.files[0])
        others = [name for name in self.columns if name != self.url]
        self.caption = source.caption_column or first_named(others, CAPTION_NAMES)
        check_column("caption", self.caption, others, self.files[0])

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        write_files(folder, self.files, self.root)
        return _freeze_list(self.rows(), self.source, folder, rows_per_shard)

    def rows(self) -> Iterator[Row]:
        """The rows; `SourceError` if the first of them are no addresses with captions."""
        return _checked_start(self._rows(), self._remedy)

    def _rows(self) -> Iterator[Row]:
        number = 0
        for path in self.files:
            for row in respelled(rows_or_fault(table_rows(path, names=self.names)), self.columns):
                yield self._row_of(row, _number_key(number))
                number += 1

    def _row_of(self, row: dict[str, Any], key: str) -> Row:
        if BAD_ROW in row:
            return Row(key, (), fault=Fault("bad_row", row[BAD_ROW]))
        url = row.pop(self.url, None)
        captions = caption_texts(row.pop(self.caption, None))
        if not isinstance(url, str) or not url.strip():
            meta = {"url": None, **carried(row.items())}
            return Row(key, captions, meta=meta, fault=Fault("bad_row", f"no address in {self.url!r}"))
        return _address_row(key, captions, url, carried(row.items()))

    def _refuse_headers(self) -> None:
        """`SourceError` if a list that should have no header has one."""
        for file in self.files:
            cells = table_columns(file)
            if first_named(cells, URL_NAMES) and first_named(cells, CAPTION_NAMES):
                raise SourceError(
                    f"{file!r} has a header ({', '.join(cells)}), and lists of {self.source.name} have "
                    f"none: use --src urls --urls {shlex.quote(file)}"
                )

    def _remedy(self, rows: Sequence[Row]) -> str:
        """What to do about a list whose first rows hold no addresses."""
        turned = sum(any(map(is_address, row.captions or ())) for row in rows)
        if self.names and turned * 2 > len(rows):
            other = corpus_without_header(self.names[::-1])
            return f"its columns are those of {other}: use --src {other} --urls {shlex.quote(self.files[0])}"
        if self.names:
            return f"lists of {self.source.name} have the columns {' and '.join(self.names)}, and no header"
        return f"they were looked for in {self.url!r}: set source.url_column; {columns_seen(self.columns)}"


class TextPair:
    """Addresses and captions in two text files, line by line, as SBU has them."""

    def __init__(self, source: SourceRecipe, urls: str):
        _refuse_perceptual(source)
        self.source, self.urls = source, urls
        self.captions = captions_beside(urls)
        self.root = os.path.dirname(os.path.abspath(urls))
        if self.captions == urls or not os.path.isfile(self.captions):
            raise SourceError(f"{urls!r}: no file of captions beside it: {self.captions!r}")

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint([self.urls, self.captions], self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        write_files(folder, [self.urls, self.captions], self.root)
        return _freeze_list(self.rows(), self.source, folder, rows_per_shard)

    def rows(self) -> Iterator[Row]:
        """The rows; `SourceError` if the two files are not of one length, or the first rows no addresses."""
        return _checked_start(self._rows(), lambda rows: "write one address a line")

    def _rows(self) -> Iterator[Row]:
        pairs = itertools.zip_longest(text_lines(self.urls), text_lines(self.captions))
        for number, (url, caption) in enumerate(pairs):
            if url is None or caption is None:
                self._refuse_lengths(number)
                return
            key, texts, address = _number_key(number), caption_texts(caption), url.strip()
            if address:
                yield _address_row(key, texts, address, {})
            else:
                yield Row(key, texts, fault=Fault("bad_row", "no address in this line"))

    def _refuse_lengths(self, number: int) -> None:
        """`SourceError` unless all that one of the files has after `number` lines is empty lines."""
        rest = [
            [line for line in itertools.islice(text_lines(path), number, None) if line.strip()]
            for path in (self.urls, self.captions)
        ]
        if any(rest):
            urls, captions = (number + len(lines) for lines in rest)
            raise SourceError(
                f"{self.urls!r} has {urls:,} lines and {self.captions!r} {captions:,}: whose caption is "
                "whose cannot be told"
            )


def _address_row(key: str, captions: tuple[str, ...], url: str, meta: dict[str, Any]) -> Row:
    """The row of an address; its `url` is as the list wrote it, so long as that is text."""
    written = url.strip()
    try:
        address = clean_address(written)
    except BadAddress as error:
        return Row(
            key, captions, meta={"url": printable(written), **meta}, fault=Fault("bad_url", str(error))
        )
    told = written if printable(written) == written else address
    return Row(key, captions, address, {"url": told, **meta})


def _checked_start(rows: Iterator[Row], remedy: Callable[[Sequence[Row]], str]) -> Iterator[Row]:
    """The rows; `SourceError` with `remedy` if next to none of the first `FIRST_ROWS` has an address.

    Captions that happen to be addresses do not make a list of a file whose columns are the other way round.
    """
    first = list(itertools.islice(rows, FIRST_ROWS))
    bad = [row for row in first if row.fault is not None]
    if first and len(bad) > 0.99 * len(first):
        said = bad[0].fault.message if bad[0].fault else ""
        raise SourceError(
            f"{len(bad):,} of the first {len(first):,} rows have no address ({said}): {remedy(first)}"
        )
    return itertools.chain(first, rows)


def _freeze_list(rows: Iterable[Row], source: SourceRecipe, folder: Path, rows_per_shard: int) -> Frozen:
    """Images are compared before they are downloaded: by address, or by sha256 where the list has it."""
    by_address = source.filters.duplicates == "url"

    def identify(row: Row) -> str | None:
        if by_address:
            return row.file
        digest = (row.meta or {}).get("sha256")
        return digest.strip().lower() or None if isinstance(digest, str) else None

    return freeze_rows(
        rows,
        "urls",
        folder,
        rows_per_shard,
        source,
        identify=identify,
        more_texts=DOWNLOADED,
        unique_keys=True,
    )


def _refuse_perceptual(source: SourceRecipe) -> None:
    if source.filters.duplicates == "perceptual":
        raise SourceError(
            "source.filters.duplicates = 'perceptual' needs the images: fetch them and build from those, "
            "or use 'sha256'"
        )


def _number_key(number: int) -> str:
    return f"{number:09d}"
