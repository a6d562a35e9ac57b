"""Paths given to commands, looked at before anything heavy is loaded."""

import fnmatch
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

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


def check_removed(gallery: Path, patterns: Sequence[str]) -> None:
    """`DataError` for an id, path or pattern that means no video of the gallery."""
    lines = pq.read_table(gallery / "videos.parquet", columns=["id", "path", "path_bytes"]).to_pylist()
    files = [(line["id"], stored_path(line)) for line in lines] if patterns else []
    missing = [one for one in patterns if not any(means(one, name, file) for name, file in files)]
    if missing:
        raise DataError(
            f"remove = {', '.join(sorted(missing))}: no video of the gallery has such an id or path"
        )


def means(pattern: str, video_id: str, file: Path) -> bool:
    """Whether an id, a path, or a pattern of either means this video."""
    names = (video_id, printable_path(file), printable_path(file.absolute()))
    return pattern in names or any(fnmatch.fnmatchcase(name, pattern) for name in names)


def stored_path(line: Mapping[str, Any]) -> Path:
    """The file of a line of a gallery's table, whose path may be no valid text."""
    raw = line["path_bytes"]
    return Path(line["path"] if raw is None else os.fsdecode(raw))


def damaged_gallery(folder: Path, error: Exception) -> DataError:
    """What to say of a gallery whose files are not what was written there."""
    return DataError(f"gallery {printable_path(folder)!r}: is damaged ({error}); index the videos again")


def check_result(out: Path | None) -> None:
    """`DataError` where no result can be written: said before the work that leads to it.

    Folders that are not there are made. A `.png` is what the curve beside a result is called.
    """
    if out is None:
        return
    if out.is_dir():
        raise DataError(f"out = {printable_path(out)!r}: is a folder; name a file")
    if out.suffix == ".png":
        raise DataError(f"out = {printable_path(out)!r}: is a picture's name; name a .json file")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir():
        raise DataError(f"out = {printable_path(out)!r}: {printable_path(there)} is no folder")
    if not os.access(out if out.exists() else there, os.W_OK):
        raise DataError(f"out = {printable_path(out)!r}: {printable_path(there)} may not be written")


def state_folder(gallery: Path) -> Path:
    """The hidden folder beside a gallery in which it is made."""
    place = gallery.resolve()
    return place.with_name(f".{place.name}.indexing")
