"""`annotations`: a JSON file in COCO's form, whoever made it: `images`, and `annotations` that point to them.

The corpus `coco` itself, with its splits and its zips, is one of `named`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from animate.data import Frozen
from animate.recipe import SourceRecipe
from animate.sources.columns import ColumnNames
from animate.sources.duplicates import image_identity
from animate.sources.errors import SourceError
from animate.sources.facts import write_files
from animate.sources.json_text import read_json
from animate.sources.listing import Row, freeze_rows
from animate.sources.packed import BROKEN, PACKED_SUFFIXES, open_packed
from animate.sources.paths import files_fingerprint, find_files
from animate.sources.table import table_root, table_row
from animate.sources.table_files import BAD_ROW, TABLE_SUFFIXES

#: The columns of `annotation_records`.
ANNOTATION_COLUMNS = ColumnNames(image="file_name", caption="captions", key="")

#: Suffixes of such files.
_SUFFIXES = tuple(".json" + packed for packed in ("", *PACKED_SUFFIXES))


class Annotations:
    """An input for each image of one file, or of several, in the order of the files, with all its captions.

    An image is looked for beside the first file, then in `images/` beside that; or in `source.images` alone.
    Annotations without caption (boxes, keypoints) are passed over, as are those of no image in the file.
    """

    def __init__(self, source: SourceRecipe):
        self.source, self.root = source, table_root(source)
        self.files = find_files(source.path, TABLE_SUFFIXES)

    def fingerprint(self) -> dict[str, str | int]:
        return files_fingerprint(self.files, self.root)

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        write_files(folder, self.files, self.root)
        identify = image_identity(self.source, self.root)
        return freeze_rows(
            self._rows(), "files", folder, rows_per_shard, self.source, identify=identify, root=self.root
        )

    def _rows(self) -> Iterator[Row]:
        for path in self.files:
            records = annotation_records(path)
            if records is None:
                raise SourceError(f"{path!r}: no object with the lists 'images' and 'annotations'")
            for number, record in enumerate(records):
                key, images = f"{_stem(path)}-{number:06d}", self.source.images or self.root
                row = table_row(record, ANNOTATION_COLUMNS, key, images, self.source)
                yield row._replace(file=self._place(row.file)) if row.file else row

    def _place(self, name: str) -> str:
        """Where the image lies, relative to the corpus; if it is nowhere, where it was looked for first."""
        images = self.source.images
        folders = (os.path.relpath(images, self.root),) if images else ("", "images")
        places = [os.path.join(folder, name) for folder in folders]
        return next((p for p in places if os.path.exists(os.path.join(self.root, p))), places[0])


def annotation_records(path: str) -> list[dict[str, Any]] | None:
    """A record for each image of a file in COCO's form; None if the file is something else.

    A record has the image's own fields, all its annotations as `captions`, and its licence by name.
    """
    content = _read(path)
    if not isinstance(content, dict):
        return None
    images, annotations = content.get("images"), content.get("annotations")
    if not isinstance(images, list) or not isinstance(annotations, list):
        return None
    captions: dict[str, list[Any]] = {}
    for annotation in annotations:
        if isinstance(annotation, dict):
            captions.setdefault(str(annotation.get("image_id")), []).append(annotation)
    licences = content.get("licenses")
    names = {
        str(licence.get("id")): licence.get("name")
        for licence in (licences if isinstance(licences, list) else ())
        if isinstance(licence, dict)
    }
    return [_record(image, captions, names) for image in images]


def _record(image: Any, captions: dict[str, list[Any]], licences: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(image, dict):
        return {BAD_ROW: f"not an object: {str(image)[:80]!r}"}
    found = {**image, "captions": captions.get(str(image.get("id")), [])}
    if "license" in image:
        found["license"] = licences.get(str(image["license"]), image["license"])
    return found


def _read(path: str) -> Any:
    """The JSON in a file that begins like an object and is no lines of JSON; None for any other file."""
    if not path.lower().endswith(_SUFFIXES):
        return None
    try:
        with open_packed(path) as file:
            head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            if not head.startswith(b"{"):
                return None
            file.seek(0)
            return read_json(file.read())
    except (ValueError, *BROKEN):
        # Reading it as a table says what is wrong with it.
        return None


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".json")[0]
