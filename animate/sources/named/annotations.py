"""Annotation files of COCO, Visual Genome and Flickr in the forms in which their owners publish them."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from animate.data import Fault
from animate.recipe import SourceRecipe
from animate.sources.captions import caption_texts, unique
from animate.sources.columns import first_named
from animate.sources.errors import SourceError
from animate.sources.json_text import read_json
from animate.sources.listing import Row
from animate.sources.named.corpora import CORPORA
from animate.sources.named.find import Found, matching
from animate.sources.packed import BROKEN, open_packed, text_lines
from animate.sources.table_files import table_rows

#: How many phrases of regions are joined into the first caption of a Visual Genome image.
JOINED_PHRASES = 5

#: The split of a recipe -> what annotation files call it.
_SPLIT_NAMES = {"train": ("train", "restval"), "val": ("val", "dev"), "test": ("test",)}


def coco_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image, in the order of the file, with all its captions and its licence."""
    path = found.files[0]
    content = _json(path)
    if not isinstance(content, dict) or not _is_table(content.get("images")):
        raise SourceError(f"{path!r}: not a COCO captions file: no list 'images'")
    if not _is_table(content.get("annotations")):
        raise SourceError(f"{path!r}: not a COCO captions file: no list 'annotations'")
    captions: dict[str, list[Any]] = {}
    for annotation in _objects(content["annotations"]):
        captions.setdefault(_name(annotation.get("image_id")), []).append(annotation.get("caption"))
    licences = {_name(licence.get("id")): licence for licence in _objects(content.get("licenses"))}
    for number, image in enumerate(content["images"]):
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name:
            yield _bad_row(f"n{number}", f"image {number} has no 'file_name': {str(image)[:80]}")
            continue
        licence = licences.get(_name(image.get("license")), {})
        meta = {
            "url": image.get("flickr_url") or image.get("coco_url"),
            "license_id": image.get("license"),
            "license": licence.get("name"),
            "license_url": licence.get("url"),
        }
        texts = captions.get(_name(image.get("id")), ())
        yield _image_row(os.path.splitext(name)[0], texts, name, images, meta)


def vg_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image, with the phrases of its largest regions joined, and then each phrase."""
    for image in _genome_images(found):
        if isinstance(image, Row):
            yield image
            continue
        largest = sorted(_objects(image.regions), key=lambda region: -_area(region))
        phrases = unique(text for region in largest for text in caption_texts(region.get("phrase")))
        joined = ", ".join(phrase.rstrip(". ") for phrase in phrases[:JOINED_PHRASES])
        yield _image_row(
            image.number, unique(filter(None, (joined, *phrases))), image.file, images, image.meta
        )


def region_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each region, with its phrase, and the box that the worker cuts out, in pixels."""
    for image in _genome_images(found):
        if isinstance(image, Row):
            yield image
            continue
        for number, region in enumerate(image.regions):
            box = _box(region) if isinstance(region, dict) else None
            if box is None or "region_id" not in region:
                yield _bad_row(f"{image.number}-n{number}", f"no region with a box: {str(region)[:80]}")
                continue
            key = f"{image.number}-{region['region_id']}"
            meta = {**image.meta, "box": json.dumps(box)}
            yield _image_row(key, (region.get("phrase"),), image.file, images, meta)


def flickr_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image of the split, in the order of the captions file, in any of its usual forms.

    The split is in a list of its own, or in the captions file; `SourceError` if it has no image there.
    """
    files = CORPORA[source.name].files[source.split]
    listed = _split_list(found.files[0]) if source.split else frozenset[str]()
    captions, splits = _flickr_captions(_captions_file(found, source) if listed else found.files[0])
    if source.split and not any(splits.values()):
        for beside in matching(found.folder, files[:1]):
            listed = listed or _split_list(beside)
    count = 0
    for name, texts in captions.items():
        split = splits.get(name, "")
        if not source.split or (name in listed if listed else split in _SPLIT_NAMES[source.split]):
            count += 1
            meta = {"split": source.split or split or None}
            yield _image_row(os.path.splitext(name)[0], texts, name, images, meta)
    if not count:
        where = f"{found.files[0]!r} has no image"
        wanted = f" of split {source.split!r}" if source.split else ""
        raise SourceError(f"{where}{wanted}; it is read from {' or '.join(files)}")


def _split_list(path: str) -> frozenset[str]:
    """The images of a split that a text lists by name; none of any other file."""
    if not path.endswith(".txt"):
        return frozenset()
    names = [line.strip() for line in text_lines(path) if line.strip()]
    if any(len(name.split()) > 1 or "," in name for name in names):
        return frozenset()  # it is a captions file
    return frozenset(name if name.endswith(".jpg") else f"{name}.jpg" for name in names)


def _captions_file(found: Found, source: SourceRecipe) -> str:
    """The captions file beside the list of a split."""
    files = matching(found.folder, CORPORA[source.name].files[""])
    if not files:
        raise SourceError(f"{found.folder!r} has none of {', '.join(CORPORA[source.name].files[''])}")
    return files[0]


def _flickr_captions(path: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Image name -> its captions, and image name -> its split where the file has one."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    if path.endswith((".token", ".token.txt")) or _header_line(path).startswith("image_name|"):
        for line in text_lines(path):
            name, text = _token_line(line)
            if name and name != "image_name":
                captions.setdefault(name, []).append(text)
        return captions, splits
    rows = table_rows(path) if not path.endswith(".txt") else _comma_rows(path)
    for row in rows:
        name = row.get(first_named(list(row), ("filename", "image", "image_name", "file_name")))
        texts = caption_texts(row.get(first_named(list(row), ("sentences", "raw", "caption", "comment"))))
        if isinstance(name, str):
            captions.setdefault(name.strip(), []).extend(texts)
            splits[name.strip()] = str(row.get("split") or "")
    return captions, splits


def _token_line(line: str) -> tuple[str, str]:
    """Name and caption of `name.jpg#0 TAB caption` or `name.jpg| 0| caption`; empty for any other line."""
    match = re.fullmatch(r"(.+?)(?:#\d+\t|\|\s*\d+\s*\|)(.*)", line)
    return (match[1].strip(), match[2].strip()) if match else ("", "")


def _comma_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows of `image,caption` lines, where a caption may have commas whether it is quoted or not."""
    for line in text_lines(path):
        name, comma, text = line.partition(",")
        if comma and name != "image":
            quoted = len(text) > 1 and text[0] == text[-1] == '"'
            yield {"image": name, "caption": text[1:-1].replace('""', '"') if quoted else text}


def _header_line(path: str) -> str:
    return next(text_lines(path), "")


class _GenomeImage(NamedTuple):
    """An image of Visual Genome: `regions` as its file has them, `meta` what image_data.json says of it."""

    number: str
    regions: list[Any]
    meta: dict[str, Any]

    @property
    def file(self) -> str:
        return f"{self.number}.jpg"


def _genome_images(found: Found) -> Iterator[_GenomeImage | Row]:
    """The images, and a rejected row for what stands in their place."""
    data: dict[Any, dict[str, Any]] = {}
    for path in matching(found.folder, ("image_data.json*",))[:1]:
        data = {_name(_number(image)): image for image in _objects(_json(path))}
    path = found.files[0]
    listed = _json(path)
    if not _is_table(listed):
        raise SourceError(f"{path!r}: not region descriptions of Visual Genome: no list of images")
    for place, image in enumerate(listed):
        number = _name(_number(image)) if isinstance(image, dict) else ""
        regions = image.get("regions", []) if isinstance(image, dict) else None
        if not isinstance(regions, list):
            yield _bad_row(f"n{place}", f"no image with regions: {str(image)[:80]}")
            continue
        facts = data.get(number, {})
        meta = {name: facts.get(name) for name in ("url", "coco_id", "flickr_id")}
        yield _GenomeImage(number, regions, meta)


def _number(image: Mapping[str, Any]) -> Any:
    """An image's number, under either of its names."""
    return image.get("id", image.get("image_id"))


def _name(value: Any) -> str:
    """A number of an image or a licence, which one file may have as text and another not."""
    return str(value)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and (not value or any(isinstance(item, dict) for item in value))


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, without what else is in it; none of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _box(region: Mapping[str, Any]) -> list[int] | None:
    """The region's x, y, width and height in pixels; None if one of them is no number."""
    try:
        return [int(region[name]) for name in ("x", "y", "width", "height")]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _area(region: Mapping[str, Any]) -> int:
    """The region's area in square pixels, 0 if it has no box."""
    _, _, width, height = _box(region) or (0, 0, 0, 0)
    return width * height


def _bad_row(key: str, message: str) -> Row:
    return Row(key, (), fault=Fault("bad_row", message))


def _image_row(
    key: str, captions: Iterable[Any], name: str, images: Mapping[str, str], meta: Mapping[str, Any]
) -> Row:
    texts = caption_texts(list(captions))
    if name in images:
        return Row(key, texts, images[name], meta)
    return Row(key, texts, name, meta, Fault("missing_file", f"no image {name!r}"))


def _json(path: str) -> Any:
    try:
        with open_packed(path) as file:
            return read_json(file.read())
    except (ValueError, *BROKEN) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path!r}: not JSON: {error}") from None
