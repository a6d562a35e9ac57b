"""Which columns of a table hold the image, the caption and the key, and what the others become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from animate.recipe import SourceRecipe
from animate.sources.carried import carried
from animate.sources.errors import SourceError

#: Names looked for, best first, in any case, where the recipe names no column.
CAPTION_NAMES = ("captions", "caption", "text", "txt", "sentences", "sentence", "raw", "description", "title")
IMAGE_NAMES = (
    *(
        "image",
        "image_path",
        "file",
        "file_name",
        "filename",
        "filepath",
        "path",
        "img",
        "img_path",
        "image_file",
    ),
    *("image_name", "jpg", "image_bytes", "bytes", "data"),
)
URL_NAMES = ("url", "image_url", "img_url", "urls", "image_urls", "photo_url")
KEY_NAMES = ("key", "__key__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Column names of a table; `key` is empty where rows are named after their image or number."""

    image: str
    caption: str
    key: str

    def rest(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the row carries besides image, caption and key, under names free in a clip's record."""
        return carried((name, value) for name, value in row.items() if name not in self._own())

    def _own(self) -> tuple[str, str, str]:
        return self.image, self.caption, self.key


def find_columns(
    names: Sequence[str], source: SourceRecipe, file: str, images: Sequence[str] = ()
) -> Columns:
    """The columns that the recipe names, or that are named as usual; `SourceError` lists what the file has.

    `images` are columns known to hold image bytes: one of them is taken where none has a usual name.
    """
    image = source.image_column or first_named(names, IMAGE_NAMES) or next(iter(images), "")
    caption = source.caption_column or first_named([name for name in names if name != image], CAPTION_NAMES)
    key = source.key_column or first_named(names, KEY_NAMES)
    for role, found in (("image", image), ("caption", caption), ("key", key)):
        if found and found not in names:
            raise SourceError(f"{file!r} has no column {found!r} (source.{role}_column); {_seen(names)}")
        if not found and role != "key":
            raise SourceError(
                f"{file!r}: no column looks like the {role}: set source.{role}_column; {_seen(names)}"
            )
    return Columns(image=image, caption=caption, key=key)


def first_named(names: Sequence[str], wanted: Sequence[str]) -> str:
    """The column whose name is the earliest in `wanted`, in any case; empty if there is none."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), "")


def _seen(names: Sequence[str]) -> str:
    return f"columns seen: {', '.join(map(repr, names)) or 'none'}"
