"""Which files are images: by a suffix that only images have, or else by their first bytes."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from animate.codec import image_format
from animate.data import Fault
from animate.sources.paths import TreeEntry, has_suffix, survey
from animate.sources.regular import check_regular
from animate.sources.table_files import TABLE_SUFFIXES

#: Suffixes that make an image of whatever has them, best first: of two in one sample, the first is filmed.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".apng", ".dib", ".avif", ".avifs", ".heic", ".heif"),
    *(".hif", ".jp2", ".j2k", ".jpf", ".jpx", ".jpm", ".j2c", ".jxl", ".jxr", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".pam", ".psd", ".tga", ".ico", ".svg", ".exr", ".qoi", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf"),
    ".rw2",
)  # fmt: skip
#: Suffixes of the text beside an image, in the order in which they are looked for.
TEXT_SUFFIXES = (".txt", ".caption")
#: So many of the first bytes tell an image.
FIRST_BYTES = 64

#: Names of what systems leave in folders of images, besides hidden files.
_LEFT_BY_SYSTEMS = ("thumbs.db", "desktop.ini")


class FolderImage(NamedTuple):
    """An image under a folder; `fault` says why it cannot be read, where that is known by its name alone."""

    file: str
    fault: Fault | None = None


def folder_images(root: str) -> Iterator[FolderImage]:
    """The images under `root` in the order of `survey`, and what may be one but cannot be opened."""
    return filter(None, (folder_image(root, entry) for entry in survey(root)))


def folder_image(root: str, entry: TreeEntry) -> FolderImage | None:
    """The image that an entry under `root` is; None if it is something else, or came before.

    A file whose name does not tell is opened.
    """
    name, problem = entry.name, entry.problem
    if entry.again:
        return None
    if not problem:
        if has_suffix(name, IMAGE_SUFFIXES):
            return FolderImage(name)
        if not may_be_image(name):
            return None
        try:
            return FolderImage(name) if image_format(first_bytes(os.path.join(root, name))) else None
        except OSError as error:
            problem = error.strerror or str(error)
    elif not _hides_image(root, name):
        return None
    return FolderImage(name, Fault("missing_file", f"{name!r}: {problem}"))


def image_key(file: str) -> str:
    """The path of an image without its suffix, where it has one that only images have."""
    return os.path.splitext(file)[0] if has_suffix(file, IMAGE_SUFFIXES) else file


def first_bytes(path: str) -> bytes:
    """The bytes of a file that tell what it is."""
    check_regular(path)
    with open(path, "rb", buffering=0) as file:
        return file.read(FIRST_BYTES)


def may_be_image(name: str) -> bool:
    """Whether the bytes of a file with this name, which has no known suffix, decide."""
    return not has_suffix(name, (*TEXT_SUFFIXES, *TABLE_SUFFIXES, *_LEFT_BY_SYSTEMS))


def _hides_image(root: str, name: str) -> bool:
    """Whether an entry that cannot be opened may have been an image, or a folder of them.

    A folder without permission may; so may a link to nowhere, unless it or its target has the suffix of
    something else; what else cannot be opened (a fifo, a device) is one only if its own suffix says so.
    """
    path = os.path.join(root, name)
    if name.endswith("/") or has_suffix(name, IMAGE_SUFFIXES):
        return True
    if not os.path.islink(path):
        return False
    target = os.readlink(path)
    return has_suffix(target, IMAGE_SUFFIXES) or not (
        os.path.splitext(name)[1] or os.path.splitext(target)[1]
    )
