"""Listed images of a named corpus: files beside its annotations, members of a zip, or boxes cut from them."""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from animate.data import Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources.listing import listed_rows

#: A box smaller than this, in pixels, is widened about its middle, as far as the image goes.
LEAST_BOX_SIDE = 160


def read_images(
    part: Part, start: int, stop: int | None, source: SourceRecipe, folder: Path
) -> Iterator[Sample | Rejected]:
    """Rows of the listing; one with a `box` [x, y, width, height] gives that piece of it, as a JPEG."""
    from animate.sources.named.find import find

    root = find(source.name, source.path, source.split).folder
    archives: dict[str, zipfile.ZipFile] = {}
    try:
        for row in listed_rows(folder / part.path, start, stop):
            if row.rejected is not None:
                yield row.rejected
                continue
            rest: dict[str, Any] = {"captions": row.captions or (), "meta": row.meta}
            try:
                image = _read(root, row.file, archives)
            except (OSError, KeyError, zipfile.BadZipFile) as error:
                yield Rejected(key=row.key, status="missing_file", message=f"{row.file!r}: {error}", **rest)
                continue
            box = row.meta.get("box")
            cut = image if box is None else _cut(image, json.loads(str(box)), source)
            if isinstance(cut, bytes):
                yield Sample(key=row.key, image=cut, **rest)
            else:
                yield Rejected(key=row.key, status=cut[0], message=cut[1], **rest)
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


def _cut(image: bytes, box: list[int], source: SourceRecipe) -> bytes | tuple[str, str]:
    """The box of the image as a JPEG, or status and message of what is wrong with the image."""
    from animate.codec import UndecodableImage, decode_still, encode_jpeg

    try:
        still = decode_still(image, source)
    except UndecodableImage as error:
        return error.status, str(error)
    left, right = _span(box[0], box[2], still.shape[1])
    top, bottom = _span(box[1], box[3], still.shape[0])
    return encode_jpeg(still[top:bottom, left:right].copy(), 95)


def _span(first: int, length: int, whole: int) -> tuple[int, int]:
    """The box' stretch along a side of `whole` pixels, `LEAST_BOX_SIDE` long or more where there is room."""
    wanted = min(max(length, LEAST_BOX_SIDE), whole)
    start = min(max(first - (wanted - length) // 2, 0), whole - wanted)
    return start, start + wanted
