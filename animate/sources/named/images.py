"""Images of a named corpus: files beside its annotations, members of a zip, or boxes cut out of either."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from animate.codec import UndecodableImage, decode_still, encode_jpeg
from animate.data import Fault, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.errors import SourceError
from animate.sources.facts import check_images
from animate.sources.listing import listed_rows
from animate.sources.named.find import find
from animate.sources.packed import BROKEN, UNREADABLE_ZIP
from animate.sources.paths import survey
from animate.sources.regular import MOST_BYTES, MOST_BYTES_SAID, image_content

#: A box with a side shorter than this, in pixels, is widened about its middle, as far as the image goes.
MIN_BOX_SIDE = 160
#: Stands between a zip file and its member in the `file` of a row.
ZIP_MEMBER = "!"


def locate_images(roots: list[str], folder: str) -> dict[str, str]:
    """Each image's file name -> its path relative to `folder`, or `archive.zip!member`.

    `roots` are folders and zips that may hold images, the first to be taken of two that hold one of the same
    name; those that do not exist are passed over. `SourceError` for a zip that cannot be read.
    """
    located: dict[str, str] = {}
    for root in reversed(roots):
        relative = os.path.relpath(root, folder)
        if os.path.isdir(root):
            # A list may know a file by any of its names.
            names = (entry.name for entry in survey(root) if not entry.problem)
            located.update((name.rpartition("/")[2], f"{relative}/{name}") for name in names)
        elif os.path.isfile(root):
            try:
                with zipfile.ZipFile(root) as archive:
                    members = [name for name in archive.namelist() if not name.endswith("/")]
            except UNREADABLE_ZIP as error:
                raise SourceError(f"{root!r}: not a readable zip: {error}") from None
            located.update((name.rpartition("/")[2], relative + ZIP_MEMBER + name) for name in members)
    return located


def read_images(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing; of one that carries a `box` [x, y, width, height], that piece of it as a JPEG."""
    root = find(source.name, source.path, source.split).folder
    archives: dict[str, zipfile.ZipFile] = {}
    check_images(part, start, stop, root, folder)
    try:
        for row in listed_rows(folder / part.path, start, stop, columns):
            if row.fault is not None:
                yield Rejected.of(row, row.fault)
                continue
            piece, box = _file_or_member(root, row.file, archives), row.meta.get("box")
            if box is not None and not isinstance(piece, Fault):
                piece = _cut_out(piece, json.loads(str(box)), source)
            yield Rejected.of(row, piece) if isinstance(piece, Fault) else row.sample(piece)
    finally:
        for archive in archives.values():
            archive.close()


def _file_or_member(root: str, file: str, archives: dict[str, zipfile.ZipFile]) -> bytes | Fault:
    path, bang, member = file.partition(ZIP_MEMBER)
    if not bang:
        return image_content(root, file)
    try:
        if path not in archives:
            archives[path] = zipfile.ZipFile(os.path.join(root, path))
        if archives[path].getinfo(member).file_size > MOST_BYTES:
            return Fault("too_large", f"{file!r} {MOST_BYTES_SAID}")
        return archives[path].read(member)
    except (*BROKEN, *UNREADABLE_ZIP, KeyError) as error:
        return Fault("missing_file", f"{file!r}: {error}")


def _cut_out(image: bytes, box: list[int], source: SourceRecipe) -> bytes | Fault:
    """The box of the image as a JPEG, or what is wrong with the image."""
    try:
        still = decode_still(image, source)
    except UndecodableImage as error:
        return error.fault
    height, width = still.shape[:2]
    across, down = _inside(box[0], box[2], width), _inside(box[1], box[3], height)
    if across is None or down is None:
        return Fault("bad_row", f"the box {box} shows nothing of an image of {width} x {height}")
    left, right = _side_of_box(*across, width)
    top, bottom = _side_of_box(*down, height)
    return encode_jpeg(still[top:bottom, left:right].copy(), 95)


def _inside(start: int, length: int, whole: int) -> tuple[int, int] | None:
    """Start and length of what a side of the box has inside one of `whole` pixels; None if that is nothing.

    A box of 30 pixels from -10 on has 20 from 0 on; in an image of 100 one from 100 on has none.
    """
    first, end = max(start, 0), min(start + length, whole)
    return (first, end - first) if first < end else None


def _side_of_box(start: int, length: int, whole: int) -> tuple[int, int]:
    """Where the box starts and ends along a side of `whole` pixels: `MIN_BOX_SIDE` apart, if there is room.

    A box of 30 pixels from 100 on becomes 160 long by 65 more on either side: 35 to 195. From 10 on it would
    begin at -55, so it is moved in: 0 to 160. In an image of 120 pixels it is the whole side: 0 to 120.
    """
    wanted = min(max(length, MIN_BOX_SIDE), whole)
    first = min(max(start - (wanted - length) // 2, 0), whole - wanted)
    return first, first + wanted
