"""Paths given to commands, looked at before anything heavy is loaded."""

import json
from pathlib import Path
from typing import Any

from retrieval.errors import DataError
from retrieval.video import printable_path


def check_videos(place: Path) -> None:
    """`DataError` unless it is a folder or a file."""
    if not place.is_dir() and not place.is_file():
        raise DataError(f"videos = {printable_path(place)!r}: no such folder or file")


def check_free(out: Path, *, overwrite: bool) -> None:
    """`DataError` unless a gallery may be made there."""
    if out.exists() and not (overwrite and (out / "gallery.json").is_file()):
        raise DataError(
            f"out = {printable_path(out)!r}: is there already; --overwrite replaces a gallery, and nothing "
            "else; --add and --remove change one"
        )


def check_gallery(folder: Path) -> dict[str, Any]:
    """What a gallery says of itself, its model among it; `DataError` unless one is there."""
    path = folder / "gallery.json"
    if not path.is_file():
        raise DataError(
            f"gallery {printable_path(folder)!r}: no gallery there; make one with `retrieval index`"
        )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # half a file, or bytes that are no text
        raise damaged_gallery(folder, error) from None


def damaged_gallery(folder: Path, error: Exception) -> DataError:
    """What to say of a gallery whose files are not what was written there."""
    return DataError(f"gallery {printable_path(folder)!r}: is damaged ({error}); index the videos again")


def check_result(out: Path | None) -> None:
    """`DataError` where a file to be written is a folder: said before the work that leads to it."""
    if out is not None and out.is_dir():
        raise DataError(f"out = {printable_path(out)!r}: is a folder; name a file")


def state_folder(gallery: Path) -> Path:
    """The hidden folder beside a gallery in which it is made."""
    place = gallery.resolve()
    return place.with_name(f".{place.name}.indexing")
