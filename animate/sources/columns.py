"""Which columns of a table hold the image, the caption and the key, and under what names the rest is kept."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from animate.recipe import SourceRecipe
from animate.sources.addresses import is_address
from animate.sources.carried import carried
from animate.sources.errors import SourceError
from animate.sources.named.corpora import CORPORA
from animate.sources.packed import unpacked_name
from animate.text import printable

#: Usual names of the column of captions, where the recipe names none: best first, in any case.
CAPTION_NAMES = ("captions", "caption", "text", "txt", "sentences", "sentence", "raw", "description", "title")
#: The same for the image: its file, or its bytes.
IMAGE_NAMES = (
    *("image", "image_path", "file", "file_name", "filename", "filepath", "path", "img", "img_path"),
    *("image_file", "image_name", "jpg", "image_bytes", "bytes", "data"),
)
#: The same for the address of an image.
URL_NAMES = ("url", "image_url", "img_url", "urls", "image_urls", "photo_url")
#: The same for the key.
KEY_NAMES = ("key", "__key__")
#: So many columns are told where one is missing.
_NAMES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnNames:
    """The columns of a table that make its samples.

    `image` holds a path or the image itself, `caption` one caption or several. `key` is empty where a row is
    named after its image or its number.
    """

    image: str
    caption: str
    key: str

    def rest(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the row carries besides image, caption and key, under names that a clip's record has free."""
        own = (self.image, self.caption, self.key)
        return carried((name, value) for name, value in row.items() if name not in own)


def find_columns(
    names: Sequence[str], source: SourceRecipe, file: str, images: Sequence[str] = ()
) -> ColumnNames:
    """The columns that the recipe names, or that have a usual name; `SourceError` lists what the file has.

    `images` are columns known to hold image bytes: the first is taken if none has a usual name of images.
    """
    image = source.image_column or first_named(names, IMAGE_NAMES) or next(iter(images), "")
    caption = source.caption_column or first_named([name for name in names if name != image], CAPTION_NAMES)
    key = source.key_column or first_named(names, KEY_NAMES)
    check_column("image", image, names, file)
    check_column("caption", caption, names, file)
    if key:
        check_column("key", key, names, file)
    return ColumnNames(image=image, caption=caption, key=key)


def check_column(role: str, found: str, names: Sequence[str], file: str) -> None:
    """`SourceError` if no column was found for `role`, or if the file does not have it."""
    if not found:
        wanted = f"no column looks like the {role}: set source.{role}_column"
        if re.search(r"\.[ct]sv(\.\w+)?$", file):
            wanted += ", or source.columns where no line of names comes first"
        raise SourceError(f"{file!r}: {wanted}; {columns_seen(names)}")
    if found not in names:
        raise SourceError(f"{file!r} has no column {found!r} (source.{role}_column); {columns_seen(names)}")


def check_header(names: Sequence[str], file: str) -> None:
    """`SourceError` if the first line of a list is a row and no header, with the way to read such a list."""
    cells = tuple("url" if is_address(name) else "caption" for name in names)
    if "url" not in cells:
        return
    corpus = corpus_without_header(cells) if unpacked_name(file).lower().endswith(".tsv") else ""
    remedy = (
        f"use --src {corpus} --urls {shlex.quote(file)}"
        if corpus
        else "write a line above all others that names the columns, such as caption and url"
    )
    raise SourceError(
        f"{file!r} has no header, but begins with {', '.join(map(repr, names))[:200]}: {remedy}"
    )


def check_headerless(files: Sequence[str]) -> None:
    """`SourceError` where `source.columns` would name the columns of files that name them themselves."""
    for file in files:
        if not unpacked_name(file).lower().endswith((".csv", ".tsv")):
            raise SourceError(f"{file!r} names its columns itself: source.columns is for csv and tsv alone")


def corpus_without_header(names: Sequence[str]) -> str:
    """The corpus whose lists have these columns and no header; empty if there is none."""
    return next((name for name, corpus in CORPORA.items() if corpus.names == tuple(names)), "")


def respelled(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows with their columns spelled as in `columns` where they differ from these in case alone.

    So it is with folders of parquet files of several makers: with `columns` URL and TEXT, a row of `url`,
    `TEXT` and `width` becomes one of URL, TEXT and `width`.
    """
    spelling = {name.lower(): name for name in reversed(columns)}
    seen: tuple[str, ...] = ()
    names: dict[str, str] = {}
    for row in rows:
        if tuple(row) != seen:
            seen = tuple(row)
            wanted = {name: spelling.get(name.lower(), name) for name in seen}
            names = {name: new for name, new in wanted.items() if new != name and new not in row}
        yield {names.get(name, name): value for name, value in row.items()} if names else row


def same_column(name: str, names: Sequence[str]) -> str:
    """The column of this name, or else the first that differs in case alone; empty if there is none."""
    return name if name in names else first_named(names, (name.lower(),))


def first_named(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The column whose name is the earliest in `wanted`, in any case; empty if there is none."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), "")


def columns_seen(names: Sequence[str]) -> str:
    """The end of a message about a column that is not there, short whatever a file has for names."""
    seen = [repr(printable(name)[:40]) for name in names[:_NAMES_SHOWN]]
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"columns seen: {', '.join(seen) or 'none'}{more}"
