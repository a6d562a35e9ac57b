"""When two inputs have the same image: equal addresses, equal sha256 of the files, or equal looks."""

import hashlib
import os

import cv2
import numpy as np

from animate.codec import UndecodableImage, decode_still
from animate.data import Fault
from animate.recipe import SourceRecipe
from animate.sources.errors import SourceError
from animate.sources.listing import IdentifyImage, Row
from animate.sources.regular import image_content
from animate.sources.tars import read_extent


def image_identity(source: SourceRecipe, root: str) -> IdentifyImage | None:
    """What `source.filters.duplicates` compares of images in files or plain tars under `root`.

    None if duplicates are kept. Every image is read while planning, unless its address is compared. An image
    that cannot be read or decoded is equal to no other.
    """
    kind = source.filters.duplicates
    if kind == "keep":
        return None
    if kind == "url":
        return lambda row: None if not row.meta or not row.meta.get("url") else str(row.meta["url"])

    def identify(row: Row) -> str | None:
        content = _content(row, root)
        if content is None:
            return None
        return hashlib.sha256(content).hexdigest() if kind == "sha256" else difference_hash(content, source)

    return identify


def refuse_duplicates(source: SourceRecipe, what: str) -> None:
    """`SourceError` if the recipe compares images otherwise than by sha256.

    That comparison can be made when the shards are finished (`animate.shards.repeated_stills`). No other is
    possible for `what`.
    """
    if source.filters.duplicates not in ("keep", "sha256"):
        raise SourceError(
            f"source.filters.duplicates = {source.filters.duplicates!r}: not for {what}; use 'sha256'"
        )


def difference_hash(content: bytes, source: SourceRecipe) -> str | None:
    """64 bits: which pixels of a grey thumbnail of 9 x 8 are darker than their right neighbour.

    None if the image cannot be decoded.
    """
    try:
        still = decode_still(content, source, at_least=(72, 64))
    except UndecodableImage:
        return None
    grey = cv2.resize(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def _content(row: Row, root: str) -> bytes | None:
    if row.content is not None:
        return row.content
    if row.image is None:
        content = image_content(root, row.file)
        return None if isinstance(content, Fault) else content
    try:
        with open(os.path.join(root, row.file), "rb") as tar:
            return read_extent(tar, row.image)
    except OSError:  # its worker says what is wrong with it
        return None
