"""What a page knows of single clips, and what a page that is a file holds of each, pictures and all."""

import base64
from collections import Counter
from collections.abc import Callable
from typing import Any

from animate.codec import UndecodableImage
from animate.inspect.again import command_again
from animate.inspect.catalogue import Catalogue, ClipEntry
from animate.inspect.opened import OpenClip, read_clip
from animate.inspect.originals import stills_of
from animate.inspect.pictures import THUMBNAIL, Pictures, Unplayable

#: Longer side of a still in a file, and how many thumbnails it holds of each status.
FILE_STILL, FILE_THUMBNAILS = 320, 40

#: Told how many of how many clips are done.
OnClip = Callable[[int, int], None]


def clip_table(clip: OpenClip, entry: ClipEntry, origin: str, shards: str, source: str) -> dict[str, Any]:
    """What the page knows of one clip: `json` is the clip's own, `still_from` is as `stills_of` has it."""
    return {
        "json": {**clip.carried, **clip.record.table()},
        "still_from": origin,
        "shard": entry.spot.shard,
        "offset": entry.spot.start,
        "row": entry.spot.row,
        "command": command_again(shards, entry.key, source) if origin else "",
    }


def held_by_file(
    catalogue: Catalogue, pictures: Pictures, shards: str, source: str, on_clip: OnClip
) -> dict[str, Any]:
    """By the place of a clip in the list, its strip and its table; by name, stills, which clips share; by the
    place of a rejected input, its thumbnail, where it has one."""
    stills: dict[str, str] = {}
    strips, clips = [], []
    for done, entry in enumerate(catalogue.clips):
        on_clip(done, len(catalogue.clips))
        clip = read_clip(catalogue.set, entry.spot)
        origin, images = stills_of(pictures.originals, clip, entry.spot)
        names = [f"{key}/{number}" for number, key in enumerate(clip.record.source_keys[: len(images)])]
        for name, image in zip(names, images, strict=True):
            if name not in stills:
                stills[name] = _still(pictures, clip, image)
        strips.append(_strip(pictures, entry))
        clips.append({**clip_table(clip, entry, origin, shards, source), "stills": names})
    thumbnails = _thumbnails(catalogue, pictures)
    return {"strips": strips, "clips": clips, "stills": stills, "thumbnails": thumbnails}


def _strip(pictures: Pictures, entry: ClipEntry) -> str:
    """The strip of a clip; empty where its frames cannot be had, which the page then says of this one."""
    try:
        return _data(pictures.strip(entry))
    except Unplayable:
        return ""


def _still(pictures: Pictures, clip: OpenClip, image: bytes) -> str:
    """A still; empty where this machine does not read its format."""
    try:
        return _data(pictures.still(clip, image, FILE_STILL))
    except UndecodableImage:
        return ""


def _thumbnails(catalogue: Catalogue, pictures: Pictures) -> dict[int, str]:
    """Of the first inputs of each status, those that decode."""
    thumbnails: dict[int, str] = {}
    tried: Counter[str] = Counter()
    for number, entry in enumerate(catalogue.rejected):
        tried[entry.status] += 1
        image = pictures.rejected(entry, THUMBNAIL) if tried[entry.status] <= FILE_THUMBNAILS else None
        if image is not None:
            thumbnails[number] = _data(image)
    return thumbnails


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
