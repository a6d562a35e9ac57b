"""Shards: what `animate` wrote in any format, other mp4+txt WebDatasets, and image-text tars.

A sample with an `mp4` (or another video) is decoded; with `00.jpg, 01.jpg, …` it is read as frames; with
one image and recorded homographies it is filmed here; with one image alone it is a clip of one frame.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from braceexpand import braceexpand
from jaxtyping import Int64

from animate import BuildRecipe, recipe_beside, replay, retake
from retrieval.datasets.clips import HASHED_BYTES, Absent, Dataset, Example, Motion, Split, hash_ids
from retrieval.datasets.folder import seen_in
from retrieval.datasets.reader import Fitted, FrameReader
from retrieval.datasets.tars import TarIndex, index_tar
from retrieval.datasets.text import captions_of, parse_json
from retrieval.errors import DataError, MissingData
from retrieval.recipe import PLAIN_DATA, DataSpec
from retrieval.video import Unreadable

VIDEO_MEMBERS = ("mp4", "webm", "mkv", "avi", "mov", "m4v")
IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp")
PAGE = "written by `animate build`, or any WebDataset of your own"


def shards(data: DataSpec) -> Dataset:
    """`data.shards` to train on, `.validation` to select by, `.held_out` as test: tars or folders of them."""
    if not (data.shards or data.validation or data.held_out):
        raise DataError(
            "shards = []: name the tars to train on, or data.validation or data.held_out to evaluate on"
        )
    train = ShardClips(local_tars(data.shards), data) if data.shards else None
    validation = ShardClips(local_tars(data.validation)) if data.validation else None
    held_out = ShardClips(local_tars(data.held_out)) if data.held_out else None
    # Names and sizes of the tars stand for their videos: to read all keys would take minutes for millions.
    tars = [f"{path.name} {path.stat().st_size}" for path in local_tars(data.shards)]
    identity = {"name": "shards", "split": "", "videos": hash_ids(tars)}
    return Dataset(
        identity=identity,
        train=train,
        validation=validation.split("shards validation") if validation else None,
        test=held_out.split("shards held out") if held_out else None,
    )


class ShardClips:
    """Samples of local tars, read in any order by the places of their headers."""

    def __init__(self, tars: Sequence[Path], data: DataSpec = PLAIN_DATA) -> None:
        """Heeds `new_takes` and `caption_of` of `data`; `DataError` for a tar that lacks what it asks for."""
        self._indices: list[TarIndex] = [index_tar(path) for path in tars]
        self._firsts = np.cumsum([0, *(len(index) for index in self._indices)])
        self._data = data
        self._recipes: dict[Path, BuildRecipe] = {}
        if data.caption_of != "caption":
            for index in self._indices:
                _check_told(index, data)

    def __len__(self) -> int:
        return int(self._firsts[-1])

    def caption_counts(self) -> Int64[np.ndarray, "n"]:
        raise DataError('epoch_of = "captions": shards go by videos; leave it at "videos"')

    def stills(self) -> Int64[np.ndarray, "n"]:
        counts = [int(index.stills[-1]) + 1 for index in self._indices]
        firsts = np.cumsum([0, *counts[:-1]])
        return np.concatenate(
            [index.stills + first for index, first in zip(self._indices, firsts, strict=True)]
        )

    def captions(self, index: int) -> tuple[str, ...]:
        """Those that `caption_of` asks for; none, too, where the sample is broken."""
        key, members = self._members(index)
        try:
            record = _record(members, key)
            captions = _captions(members, record, key)
        except DataError:
            return ()
        motion = _motion(record)
        told = () if motion is None else (motion.caption,)
        return {"caption": captions, "camera": told, "both": captions + told}[self._data.caption_of]

    def absent(self) -> Absent:
        return Absent()

    def read(self, index: int, reader: FrameReader, rng: np.random.Generator | None, epoch: int) -> Example:
        """What is wrong with the sample itself is a status, too: one of millions is no reason to stop."""
        key, members = self._members(index)
        shard = self._shard(index)
        where = f"{self._indices[shard].path}: {key}"
        try:
            record = _record(members, where)
            captions = _captions(members, record, where)
        except DataError as error:
            clip = Unreadable(status="broken", message=str(error))
            return Example(video_id=key, captions=("",), clip=clip)
        if self._data.new_takes and epoch and (still := _virtual_still(members, record)) is not None:
            record = retake(still, record, self._build_recipe(shard), epoch)
        motion = None if self._data.caption_of == "caption" else _motion(record)
        if not captions:
            clip = Unreadable(status="empty", message=f"{key}: no caption")
        elif motion is None and self._data.caption_of != "caption":
            clip = Unreadable(status="empty", message=f"{key}: no camera caption")
        else:
            clip = _clip(key, members, record, reader, rng)
        return Example(video_id=_video_id(key, record), captions=captions or ("",), clip=clip, motion=motion)

    def split(self, name: str) -> Split:
        """All of it as something to be judged by; takes of one still are told apart by their keys."""
        ids: list[str] = []
        captions: list[tuple[int, str]] = []
        files: list[str] = []
        for index in self._indices:
            hashed = hashlib.blake2b(digest_size=16)
            for sample in range(len(index)):
                key, members = index.read(sample)
                where = f"{index.path}: {key}"
                texts = _captions(members, _record(members, where), where)
                if not texts:
                    raise DataError(f"{index.path}: sample {key!r} has no caption to look for it by")
                captions += [(len(ids), text) for text in texts]
                ids.append(key)
                for suffix, content in members.items():
                    hashed.update(f"{key}.{suffix} {len(content)} ".encode() + content[:HASHED_BYTES])
            files.append(hashed.hexdigest())
        return Split(
            name=name, clips=self, video_ids=tuple(ids), captions=tuple(captions), files=tuple(files)
        )

    def _shard(self, index: int) -> int:
        return int(np.searchsorted(self._firsts, index, side="right")) - 1

    def _members(self, index: int) -> tuple[str, dict[str, bytes]]:
        shard = self._shard(index)
        return self._indices[shard].read(index - int(self._firsts[shard]))

    def _build_recipe(self, shard: int) -> BuildRecipe:
        folder = self._indices[shard].path.parent
        if folder not in self._recipes:
            try:
                self._recipes[folder] = recipe_beside(str(self._indices[shard].path))
            except ValueError as error:
                raise DataError(f"new_takes = true: {error}") from None
        return self._recipes[folder]


def _clip(
    key: str,
    members: Mapping[str, bytes],
    record: dict[str, Any],
    reader: FrameReader,
    rng: np.random.Generator | None,
) -> Fitted | Unreadable:
    for suffix in VIDEO_MEMBERS:
        if suffix in members:
            return reader.read(members[suffix], rng)
    try:
        fps = Fraction(str(record.get("fps") or 1))
    except ValueError:
        fps = Fraction(0)
    if fps <= 0:
        return Unreadable(
            status="broken", message=f"{key}.json: fps = {record['fps']!r}: must be a number above 0"
        )
    if numbered := _numbered(members):
        return reader.read_images([members[name] for name in numbered], fps, rng, key)
    if (still := _virtual_still(members, record)) is not None:
        return reader.take_frames(replay(still, record).transpose(0, 3, 1, 2), fps, rng)
    if (still := _image(members)) is not None:
        return reader.read_images([still], fps, rng, key)
    return Unreadable(status="missing", message=f"{key}: neither a video nor an image in the sample")


def _numbered(members: Mapping[str, bytes]) -> list[str]:
    """The names of a clip's frames in order, where it is stored as such."""
    return sorted(name for name in members if name.split(".")[0].isdigit() and _is_image(name))


def _image(members: Mapping[str, bytes]) -> bytes | None:
    return next((members[name] for name in IMAGE_MEMBERS if name in members), None)


def _virtual_still(members: Mapping[str, bytes], record: Mapping[str, Any]) -> bytes | None:
    """The still of a clip that is filmed while it is read; None where it is stored otherwise."""
    stored = any(suffix in members for suffix in VIDEO_MEMBERS) or _numbered(members)
    return None if stored or "homographies" not in record else _image(members)


def _motion(record: Mapping[str, Any]) -> Motion | None:
    """What the clip's JSON says of its camera; None where that is nothing."""
    caption, label = record.get("camera_caption"), record.get("camera")
    if not isinstance(caption, str) or not caption.strip():
        return None
    return Motion(caption=caption.strip(), label=label if isinstance(label, str) and label else caption)


def _check_told(index: TarIndex, data: DataSpec) -> None:
    """`DataError` where a tar's first sample has no camera caption: then it is of another kind, all of it."""
    key, members = index.read(0)
    try:
        record = _record(members, key)
    except DataError:  # it is broken, which is said when it is read
        return
    if _motion(record) is None:
        raise DataError(
            f"data.caption_of = {data.caption_of!r}: {index.path}: {key}.json has no camera_caption; "
            'build the shards anew with `--set captions.camera="beside"`, or set caption_of = "caption"'
        )


def local_tars(names: Sequence[str]) -> list[Path]:
    """Local tars of `names`: braces expanded, a folder standing for all tars in it."""
    found: list[Path] = []
    for name in names:
        for expanded in _expanded(name):
            if "://" in expanded and not expanded.startswith("file://"):
                raise DataError(
                    f"shards: {expanded!r} is not on this machine; training reads samples in any order, "
                    "so copy the shards here first"
                )
            path = Path(expanded.removeprefix("file://"))
            tars = sorted(path.glob("*.tar")) if path.is_dir() else [path]
            if not tars:
                what = f"shards: the folder {expanded!r} holds no tar; {seen_in(path)}"
                raise MissingData(what, page=PAGE, place=f"{path}/00000.tar")
            if not tars[0].is_file():
                raise MissingData(f"shard {expanded!r} is not there", page=PAGE, place=str(path))
            found += tars
    return found


def _expanded(name: str) -> Iterator[str]:
    try:
        yield from braceexpand(name)
    except ValueError as error:  # braces that do not match
        raise DataError(f"shards: {name!r}: {error}") from None


def _record(members: Mapping[str, bytes], where: str) -> dict[str, Any]:
    """The sample's JSON, or an empty table where it has none or something else in it."""
    record = parse_json(members.get("json", b"{}").decode("utf-8", "replace"), f"{where}.json")
    return record if isinstance(record, dict) else {}


def _captions(members: Mapping[str, bytes], record: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The JSON's `captions`, else the txt, else the JSON's `caption`; none where all are empty or absent."""
    for name, value in (
        ("json: captions", _unpacked(record.get("captions"))),
        ("txt", members.get("txt", b"").decode("utf-8", "replace").strip()),
        ("json: caption", record.get("caption")),
    ):
        if value not in (None, "", []):
            return tuple(text.strip() for text in captions_of(value, f"{where}.{name}"))
    return ()


def _unpacked(captions: Any) -> Any:
    """Flat JSON keeps a list as text; text that is no such list is one caption."""
    if not isinstance(captions, str) or not captions.startswith("["):
        return captions
    try:
        listed = json.loads(captions)
    except (ValueError, RecursionError):
        return captions
    return listed if isinstance(listed, list) else captions


def _video_id(key: str, record: Mapping[str, Any]) -> str:
    """Takes of one still are the same video: they are no negatives of each other."""
    # Half a character in JSON (a lone surrogate) can be neither printed nor hashed as it is.
    return str(record.get("source_key") or key).encode("utf-8", "backslashreplace").decode()


def _is_image(name: str) -> bool:
    return name.rpartition(".")[2] in IMAGE_MEMBERS
