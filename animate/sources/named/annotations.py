"""Annotation files of COCO, Visual Genome and Flickr in the form that their owners give them."""

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from animate.data import Fault
from animate.recipe import SourceRecipe
from animate.sources.captions import caption_texts, unique
from animate.sources.columns import first_named
from animate.sources.errors import SourceError
from animate.sources.listing import Row
from animate.sources.named.find import Found, matching
from animate.sources.named.table import CORPORA
from animate.sources.tables import table_rows

#: How many region phrases make the joined caption of a Visual Genome image.
JOINED_PHRASES = 5

_SPLIT_NAMES = {"train": ("train", "restval"), "val": ("val", "dev"), "test": ("test",)}


def coco_rows(found: Found, places: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input an image, in the order of the file, with all its captions and its licence."""
    content = _json(found.files[0])
    try:
        images, annotations = content["images"], content["annotations"]
        captions: dict[int, list[str]] = {}
        for annotation in annotations:
            captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
        licences = {licence["id"]: licence for licence in content.get("licenses", ())}
    except (KeyError, TypeError) as error:
        raise SourceError(f"{found.files[0]!r}: not a COCO captions file: {error!r} is missing") from None
    for image in images:
        licence = licences.get(image.get("license"), {})
        meta = {
            "url": image.get("flickr_url") or image.get("coco_url"),
            "license_id": image.get("license"),
            "license": licence.get("name"),
            "license_url": licence.get("url"),
        }
        name = image["file_name"]
        yield _row(os.path.splitext(name)[0], captions.get(image["id"], ()), name, places, meta)


def vg_rows(found: Found, places: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input an image: the phrases of its largest regions, joined, and then each phrase."""
    for image_id, regions, meta in _vg_images(found):
        largest = sorted(regions, key=lambda region: -region["width"] * region["height"])
        phrases = unique(region["phrase"].strip() for region in largest if region["phrase"].strip())
        joined = ", ".join(phrase.rstrip(". ") for phrase in phrases[:JOINED_PHRASES])
        yield _row(str(image_id), unique(filter(None, (joined, *phrases))), f"{image_id}.jpg", places, meta)


def region_rows(found: Found, places: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input a region: its phrase, and the box that the worker cuts out, in pixels."""
    for image_id, regions, meta in _vg_images(found):
        for region in regions:
            box = {name: int(region[name]) for name in ("x", "y", "width", "height")}
            key = f"{image_id}-{region['region_id']}"
            meta_box = {**meta, "box": json.dumps(list(box.values()))}
            yield _row(key, (region["phrase"],), f"{image_id}.jpg", places, meta_box)


def flickr_rows(found: Found, places: Mapping[str, str], source: SourceRecipe) -> Iterator[Row]:
    """An input an image of the split, in the order of the caption file, from any of its usual forms."""
    captions, splits = _flickr_captions(_flickr_file(found, source))
    wanted = _flickr_split(found, source)
    for name, texts in captions.items():
        split = splits.get(name, "")
        if wanted is not None and name not in wanted:
            continue
        if wanted is None and source.split and split not in _SPLIT_NAMES[source.split]:
            continue
        yield _row(os.path.splitext(name)[0], texts, name, places, {"split": source.split or split or None})


def _flickr_file(found: Found, source: SourceRecipe) -> str:
    """The captions file: what was found, or beside the split list that was."""
    if not source.split:
        return found.files[0]
    files = matching(found.folder, CORPORA[source.name].files[""])
    if not files:
        raise SourceError(f"{found.folder!r} has none of {', '.join(CORPORA[source.name].files[''])}")
    return files[0]


def _flickr_split(found: Found, source: SourceRecipe) -> frozenset[str] | None:
    if not source.split or not found.files[0].endswith(".txt"):
        return None
    with open(found.files[0], encoding="utf-8") as file:
        names = [line.strip() for line in file if line.strip()]
    return frozenset(name if name.endswith(".jpg") else f"{name}.jpg" for name in names)


def _flickr_captions(path: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Image name to captions, and to its split where the file says so."""
    captions: dict[str, list[str]] = {}
    splits: dict[str, str] = {}
    if path.endswith((".token", ".token.txt")) or _first_line(path).startswith("image_name|"):
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
    """`name.jpg#0 TAB caption`, or `name.jpg| 0| caption`."""
    match = re.fullmatch(r"(.+?)(?:#\d+\t|\|\s*\d+\s*\|)(.*)", line.rstrip("\r\n"))
    return (match[1].strip(), match[2].strip()) if match else ("", "")


def _comma_rows(path: str) -> Iterator[dict[str, Any]]:
    """`image,caption` lines, of which only the first comma counts unless the caption is quoted."""
    for line in _lines(path):
        name, comma, text = line.rstrip("\r\n").partition(",")
        if comma and name != "image":
            quoted = len(text) > 1 and text[0] == text[-1] == '"'
            yield {"image": name, "caption": text[1:-1].replace('""', '"') if quoted else text}


def _first_line(path: str) -> str:
    return next(_lines(path), "")


def _lines(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        yield from file


def _vg_images(found: Found) -> Iterator[tuple[int, list[dict[str, Any]], dict[str, Any]]]:
    """Image number, its regions, and what image_data.json says of it."""
    data: dict[int, dict[str, Any]] = {}
    for suffix in ("", ".gz"):
        path = os.path.join(found.folder, f"image_data.json{suffix}")
        if os.path.isfile(path):
            data = {image.get("image_id", image.get("id")): image for image in _json(path)}
    for image in _json(found.files[0]):
        number = image.get("id", image.get("image_id"))
        facts = data.get(number, {})
        meta = {name: facts.get(name) for name in ("url", "coco_id", "flickr_id")}
        yield number, image.get("regions", []), meta


def _row(key: str, captions: Any, name: str, places: Mapping[str, str], meta: Mapping[str, Any]) -> Row:
    texts = caption_texts(list(captions))
    if name in places:
        return Row(key, texts, places[name], meta)
    return Row(key, texts, name, meta, Fault("missing_file", f"no image {name!r}"))


def _json(path: str) -> Any:
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115
    try:
        with opened as file:
            return json.load(file)
    except (ValueError, EOFError) as error:
        raise SourceError(f"{path!r}: not JSON: {error}") from None
