"""What two inputs with the same image share: the sha256 of the file, or a hash of how it looks."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from animate.codec import UndecodableImage, decode_still
from animate.recipe import SourceRecipe
from animate.sources.errors import SourceError
from animate.sources.listing import Row

Fingerprint = Callable[[Row], str | None]


def image_fingerprint(source: SourceRecipe, root: str) -> Fingerprint | None:
    """How `source.filters.duplicates` tells the images of files or plain tars under `root`; None to keep all.

    Every image is read while planning. An image that cannot be read or decoded is like no other.
    """
    kind = source.filters.duplicates
    if kind == "keep":
        return None
    if kind == "url":
        return lambda row: None if not row.meta or not row.meta.get("url") else str(row.meta["url"])

    def mark(row: Row) -> str | None:
        content = _content(row, root)
        if content is None:
            return None
        return hashlib.sha256(content).hexdigest() if kind == "sha256" else look(content, source)

    return mark


def refuse_duplicates(source: SourceRecipe, what: str) -> None:
    """`SourceError` if duplicates are not told by sha256, by which `what` is compared when all is made."""
    if source.filters.duplicates not in ("keep", "sha256"):
        raise SourceError(
            f"source.filters.duplicates = {source.filters.duplicates!r}: not for {what}; use 'sha256'"
        )


def look(content: bytes, source: SourceRecipe) -> str | None:
    """A 64-bit difference hash: which pixels of a 9 x 8 grey thumbnail are darker than the next one."""
    try:
        still = decode_still(content, source, at_least=(72, 64))
    except UndecodableImage:
        return None
    grey = cv2.resize(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes().hex()


def _content(row: Row, root: str) -> bytes | None:
    if row.content is not None:
        return row.content
    try:
        if row.image is None:
            return Path(root, row.file).read_bytes()
        with open(os.path.join(root, row.file), "rb") as tar:
            tar.seek(row.image[0])
            return tar.read(row.image[1])
    except OSError:
        return None
