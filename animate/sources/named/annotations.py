"""Annotation files of COCO, Visual Genome and Flickr in the forms in which their owners publish them."""

import gzip
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
from animate.sources.listing import Row
from animate.sources.named.corpora import CORPORA
from animate.sources.named.find import Found, matching
from animate.sources.table_files import table_rows

#: How many phrases of regions are joined into the first caption of a Visual Genome image.
JOINED_PHRASES = 5

#: The split of a recipe -> what annotation files call it.
_SPLIT_NAMES = {"train": ("train", "restval"), "val": ("val", "dev"), "test": ("test",)}


def coco_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image, in the order of the file, with all its captions and its licence."""
    content = _json(found.files[0])
    try:
        listed, annotations = content["images"], content["annotations"]
        captions: dict[int, list[str]] = {}
        for annotation in annotations:
            captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
        licences = {licence["id"]: licence for licence in content.get("licenses", ())}
    except (KeyError, TypeError) as error:
        raise SourceError(f"{found.files[0]!r}: not a COCO captions file: {error!r} is missing") from None
    for image in listed:
        licence = licences.get(image.get("license"), {})
        meta = {
            "url": image.get("flickr_url") or image.get("coco_url"),
            "license_id": image.get("license"),
            "license": licence.get("name"),
            "license_url": licence.get("url"),
        }
        name = image["file_name"]
        yield _image_row(os.path.splitext(name)[0], captions.get(image["id"], ()), name, images, meta)


def vg_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image, with the phrases of its largest regions joined, and then each phrase."""
    for image in _genome_images(found):
        largest = sorted(image.regions, key=lambda region: -region["width"] * region["height"])
        phrases = unique(region["phrase"].strip() for region in largest if region["phrase"].strip())
        joined = ", ".join(phrase.rstrip(". ") for phrase in phrases[:JOINED_PHRASES])
        yield _image_row(
            image.number, unique(filter(None, (joined, *phrases))), image.file, images, image.meta
        )


def region_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each region, with its phrase, and the box that the worker cuts out, in pixels."""
    for image in _genome_images(found):
        for region in image.regions:
            box = {name: int(region[name]) for name in ("x", "y", "width", "height")}
            key = f"{image.number}-{region['region_id']}"
            meta = {**image.meta, "box": json.dumps(list(box.values()))}
            yield _image_row(key, (region["phrase"],), image.file, images, meta)


def flickr_rows(found: Found, images: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input for each image of the split, in the order of the captions file, in any of its usual forms."""
    captions, splits = _flickr_captions(_flickr_file(found, source))
    wanted = _flickr_split(found, source)
    for name, texts in captions.items():
        split = splits.get(name, "")
        if wanted is not None and name not in wanted:
            continue
        if wanted is None and source.split and split not in _SPLIT_NAMES[source.split]:
            continue
        yield _image_row(
            os.path.splitext(name)[0], texts, name, images, {"split": source.split or split or None}
        )


def _flickr_file(found: Found, source: SourceRecipe) -> str:
    """The captions file: what was found, or what lies beside it if that is the list of a split."""
    if not source.split:
        return found.files[0]
    files = matching(found.folder, CORPORA[source.name].files[""])
    if not files:
        raise SourceError(f"{found.folder!r} has none of {', '.join(CORPORA[source.name].files[''])}")
    return files[0]


def _flickr_split(found: Found, source: SourceRecipe) -> frozenset[str] | None:
    """The images of the split, where a list of its own says so; None where it does not."""
    if not source.split or not found.files[0].endswith(".txt"):
        return None
    with open(found.files[0], encoding="utf-8") as file:
        names = [line.strip() for line in file if line.strip()]
    return frozenset(name if name.endswith(".jpg") else f"{name}.jpg" for name in names)


def _flickr_captions(path: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Image name -> its captions, and image name -> its split where the file has one."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    if path.endswith((".token", ".token.txt")) or _header_line(path).startswith("image_name|"):
        for line in _lines(path):
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
    match = re.fullmatch(r"(.+?)(?:#\d+\t|\|\s*\d+\s*\|)(.*)", line.rstrip("\r\n"))
    return (match[1].strip(), match[2].strip()) if match else ("", "")


def _comma_rows(path: str) -> Iterator[dict[str, Any]]:
    """Rows of `image,caption` lines, where a caption may have commas whether it is quoted or not."""
    for line in _lines(path):
        name, comma, text = line.rstrip("\r\n").partition(",")
        if comma and name != "image":
            quoted = len(text) > 1 and text[0] == text[-1] == '"'
            yield {"image": name, "caption": text[1:-1].replace('""', '"') if quoted else text}


def _header_line(path: str) -> str:
    return next(_lines(path), "")


def _lines(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        yield from file


class _GenomeImage(NamedTuple):
    """An image of Visual Genome: `regions` as its file has them, `meta` what image_data.json says of it."""

    number: str
    regions: list[dict[str, Any]]
    meta: dict[str, Any]

    @property
    def file(self) -> str:
        return f"{self.number}.jpg"


def _genome_images(found: Found) -> Iterator[_GenomeImage]:
    data: dict[int, dict[str, Any]] = {}
    for suffix in ("", ".gz"):
        path = os.path.join(found.folder, f"image_data.json{suffix}")
        if os.path.isfile(path):
            data = {image.get("image_id", image.get("id")): image for image in _json(path)}
    for image in _json(found.files[0]):
        number = image.get("id", image.get("image_id"))
        facts = data.get(number, {})
        meta = {name: facts.get(name) for name in ("url", "coco_id", "flickr_id")}
        yield _GenomeImage(str(number), image.get("regions", []), meta)


def _image_row(
    key: str, captions: Iterable[str], name: str, images: Mapping[str, str], meta: Mapping[str, Any]
) -> Row:
    texts = caption_texts(list(captions))
    if name in images:
        return Row(key, texts, images[name], meta)
    return Row(key, texts, name, meta, Fault("missing_file", f"no image {name!r}"))


def _json(path: str) -> Any:
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115
    try:
        with opened as file:
            return json.load(file)
    except (ValueError, EOFError) as error:
        raise SourceError(f"{path!r}: not JSON: {error}") from None
