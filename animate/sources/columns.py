"""Which columns of a table hold the image, the caption and the key, and under what names the rest is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from animate.recipe import SourceRecipe
from animate.sources.carried import carried
from animate.sources.errors import SourceError

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
        raise SourceError(f"{file!r}: {wanted}; {columns_seen(names)}")
    if found not in names:
        raise SourceError(f"{file!r} has no column {found!r} (source.{role}_column); {columns_seen(names)}")


def first_named(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The column whose name is the earliest in `wanted`, in any case; empty if there is none."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), "")


def columns_seen(names: Sequence[str]) -> str:
    """The end of a message about a column that is not there."""
    return f"columns seen: {', '.join(map(repr, names)) or 'none'}"
