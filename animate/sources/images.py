"""Listed images of a named corpus: files beside its annotations, members of a zip, or boxes cut from them."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from animate.codec import UndecodableImage, decode_still, encode_jpeg
from animate.data import Fault, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns
from animate.sources.listing import listed_rows
from animate.sources.named.find import find

#: A box smaller than this, in pixels, is widened about its middle, as far as the image goes.
LEAST_BOX_SIDE = 160


def read_images(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path, columns: Columns
) -> Iterator[Sample | Rejected]:
    """Rows of the listing; one with a `box` [x, y, width, height] gives that piece of it, as a JPEG."""
    root = find(source.name, source.path, source.split).folder
    archives: dict[str, zipfile.ZipFile] = {}
    try:
        for row in listed_rows(folder / part.path, start, stop, columns):
            if row.fault is not None:
                yield Rejected.of(row, row.fault)
                continue
            try:
                image = _read(root, row.file, archives)
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                yield Rejected.of(row, Fault("missing_file", f"{row.file!r}: {error}"))
                continue
            box = row.meta.get("box")
            cut = image if box is None else _cut(image, json.loads(str(box)), source)
            if isinstance(cut, Fault):
                yield Rejected.of(row, cut)
            else:
                yield Sample(key=row.key, image=cut, captions=row.captions or (), meta=row.meta)
    finally:
        for archive in archives.values():
            archive.close()


def _read(root: str, file: str, archives: dict[str, zipfile.ZipFile]) -> bytes:
    path, bang, member = file.partition("!")
    if not bang:
        return Path(root, file).read_bytes()
    if path not in archives:
        archives[path] = zipfile.ZipFile(os.path.join(root, path))
    return archives[path].read(member)


def _cut(image: bytes, box: list[int], source: SourceRecipe) -> bytes | Fault:
    """The box of the image as a JPEG, or what is wrong with the image."""
    try:
        still = decode_still(image, source)
    except UndecodableImage as error:
        return error.fault
    left, right = _span(box[0], box[2], still.shape[1])
    top, bottom = _span(box[1], box[3], still.shape[0])
    return encode_jpeg(still[top:bottom, left:right].copy(), 95)


def _span(first: int, length: int, whole: int) -> tuple[int, int]:
    """The box' stretch along a side of `whole` pixels, `LEAST_BOX_SIDE` long or more where there is room."""
    wanted = min(max(length, LEAST_BOX_SIDE), whole)
    start = min(max(first - (wanted - length) // 2, 0), whole - wanted)
    return start, start + wanted
