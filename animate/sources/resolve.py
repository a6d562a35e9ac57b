"""What `--src` stands for: a corpus by name, or a path whose files tell what kind of corpus it is."""

import os

from animate.sources import SOURCES
from animate.sources.annotations import annotation_records
from animate.sources.errors import SourceError
from animate.sources.folder import captions_table
from animate.sources.image_files import IMAGE_SUFFIXES, folder_images
from animate.sources.paths import expand_braces, glob_files, has_suffix, is_url
from animate.sources.table import lists_addresses
from animate.sources.table_files import TABLE_SUFFIXES
from animate.sources.tars import TAR_SUFFIXES


def resolve_src(src: str, *, urls: str = "", root: str = "") -> dict[str, str]:
    """`name` and `path` of the recipe's source table for `--src`: a name in `SOURCES`, or a path.

    With a name, `urls` is the path of its list or folder; otherwise, `root` is a folder that holds a folder
    for each corpus. `SourceError` if it is neither a name nor a path of a known kind.
    """
    if src in SOURCES:
        path = urls or (os.path.join(root, src) if root else "")
        return {"name": src, "path": path} if path else {"name": src}
    if urls:
        raise SourceError(f"--urls goes with a source's name, not with --src {src!r}: {', '.join(SOURCES)}")
    kind = _kind_of_folder(src) if os.path.isdir(src) else _kind_of_files(src)
    return {"name": kind, "path": src}


def _kind_of_folder(path: str) -> str:
    """Tars are looked for first, then a captions table or images, then tables."""
    table = captions_table(path)
    names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    if any(has_suffix(name, TAR_SUFFIXES) for name in names):
        image = next((name for name in names if has_suffix(name, IMAGE_SUFFIXES)), None)
        if image is not None:
            raise SourceError(
                f"--src {path!r}: holds tars and images, such as {image!r}; put the images in a folder of "
                f"their own, or name the tars: --src {os.path.join(path, '*.tar')!r}"
            )
        return "webdataset"
    if table is not None or next(folder_images(path), None) is not None:
        return "folder"
    tables = [os.path.join(path, name) for name in names if has_suffix(name, TABLE_SUFFIXES)]
    if tables:
        return _kind_of_table(tables[0])
    raise SourceError(
        f"--src {path!r}: holds no tars, images or tables; it has: {', '.join(names[:10]) or 'nothing'}"
    )


def _kind_of_files(src: str) -> str:
    """The suffix of the first file decides, be it from a pattern or behind a URL."""
    first = expand_braces(src)[0]
    found = first if is_url(first) or os.path.exists(first) else next(iter(glob_files(first)), None)
    if found is None:
        raise SourceError(
            f"--src {src!r}: no such file or folder, and no source of that name: {', '.join(SOURCES)}"
        )
    if has_suffix(found, TAR_SUFFIXES):
        return "webdataset"
    if has_suffix(found, IMAGE_SUFFIXES) and os.path.isfile(src):
        return "folder"
    if has_suffix(found, TABLE_SUFFIXES) and not is_url(found):
        return _kind_of_table(found)
    raise SourceError(
        f"--src {src!r}: cannot tell what this is; tars end in {', '.join(TAR_SUFFIXES)}, "
        f"tables in {', '.join(TABLE_SUFFIXES)}"
    )


def _kind_of_table(file: str) -> str:
    if annotation_records(file) is not None:
        return "annotations"
    return "urls" if lists_addresses(file) else "table"
