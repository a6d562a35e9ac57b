"""The nouns of all data sets: examples, clips to train on, splits to judge by."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.reader import Fitted, FrameReader
from retrieval.errors import DataError
from retrieval.recipe import PARTS
from retrieval.video import Status, Unreadable

#: Bytes of a file's beginning that tell it from others, with its size: films are as quick as clips.
HASHED_BYTES = 64 * 1024
#: Keys of the recipe by which one's own data has these parts.
_KEYS = {
    "shards": {"validation": "data.validation", "test": "data.held_out"},
    "table": {"validation": "data.validation_table", "test": "data.held_out_table"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What the camera does in a clip: in sentences (`caption`), and as a `label` that other words share."""

    caption: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One video with its captions; `clip` is its chosen frames, or why there are none.

    `motion` is what its camera does, where the data set tells and is asked for it (`data.caption_of`).
    """

    video_id: str
    captions: tuple[str, ...]
    clip: Fitted | Unreadable
    motion: Motion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Videos of a list, by their numbers, that are known not to be in a place; they read as `missing`."""

    videos: tuple[int, ...] = ()
    place: str = ""


@runtime_checkable
class Clips(Protocol):
    """Captioned videos, read in any order."""

    def __len__(self) -> int: ...

    def caption_counts(self) -> Int64[np.ndarray, "n"]:
        """Captions of each video; `DataError` where only reading all of them would tell."""
        ...

    def stills(self) -> Int64[np.ndarray, "n"]:
        """A number for each video, equal for films of one still."""
        ...

    def captions(self, index: int) -> tuple[str, ...]:
        """One video's captions, without its frames."""
        ...

    def absent(self) -> Absent:
        """Those that need not be looked for."""
        ...

    def read(self, index: int, reader: FrameReader, rng: np.random.Generator | None, epoch: int) -> Example:
        """One video's frames as `reader` chooses them, drawing from `rng` where it draws.

        `epoch` matters only where a video is made anew for each.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Videos to be found and captions to find them by.

    `name` is the protocol and the part of it, such as "msrvtt 1k-A test". Each of `captions` is the index of
    its video, and its text. `files` are hashes of what it is made of (tars, or videos of a table), by which
    copies are known again; none where the name and the captions say it all.
    """

    name: str
    clips: Clips
    video_ids: tuple[str, ...]
    captions: tuple[tuple[int, str], ...]
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.clips) != len(self.video_ids):
            raise DataError(f"split {self.name!r}: {len(self.video_ids)} ids for {len(self.clips)} videos")
        if len(set(self.video_ids)) != len(self.video_ids):
            [(video, count)] = Counter(self.video_ids).most_common(1)
            raise DataError(f"split {self.name!r}: video {video!r} stands in it {count} times")
        captioned = {video for video, _ in self.captions}
        if not captioned or captioned != set(range(len(self.video_ids))):
            raise DataError(f"split {self.name!r}: every video needs a caption")

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.captions]

    @property
    def caption_videos(self) -> Int64[np.ndarray, "c"]:
        """The index of each caption's video."""
        return np.array([video for video, _ in self.captions], dtype=np.int64)

    def digest(self) -> str:
        """Changes with any video or caption of the split, and not with their order."""
        return hash_pairs((self.video_ids[video], text) for video, text in self.captions)

    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint keeps of the split that selected it: JSON values for `overlaps`."""
        return {"name": self.name, "digest": self.digest(), "files": sorted(self.files)}


def overlaps(fingerprint: Mapping[str, Any], split: Split) -> bool:
    """Whether the split that a fingerprint was taken of shares files with this one, or is this one.

    Where both are made of files, these alone decide: two filmings of the same stills agree in keys and
    captions. An empty fingerprint overlaps with nothing.
    """
    files = fingerprint.get("files")
    if files and split.files:
        return not set(files).isdisjoint(split.files)
    return fingerprint.get("digest") == split.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What a recipe's [data] table stands for.

    `identity` is the name, the split, and the hash of the training videos; a checkpoint keeps it, so that a
    test that shares videos with it can be refused.
    """

    identity: dict[str, str]
    train: Clips | None
    validation: Split | None
    test: Split | None

    def part(self, name: str) -> Split:
        """The part to judge by, "validation" or "test"; `DataError` where there is none of that kind."""
        if name not in PARTS:
            raise DataError(f"part = {name!r}: must be one of {', '.join(PARTS)}")
        split = self.validation if name == "validation" else self.test
        if split is None:
            kind, protocol = self.identity["name"], self.identity["split"]
            hints = [f"name {_KEYS[kind][name]}"] if kind in _KEYS else []
            if name == "validation":
                hints.append(
                    'train with eval.select_on = "none", or "test" if you must, and the result will say so'
                )
            raise DataError(f"{kind} {protocol}".strip() + f": has no {name} part; {', or '.join(hints)}")
        return split


def count_left_out(unreadable: Mapping[int, Status]) -> dict[str, int]:
    """How many videos have each status, 0 included."""
    statuses = list(unreadable.values())
    return {status: statuses.count(status) for status in ("missing", "broken", "empty")}


def hash_ids(ids: Iterable[str]) -> str:
    """Of a list of videos, whatever their order."""
    return _hash(sorted(ids))


def hash_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Of (video, caption) pairs, whatever their order."""
    return _hash(sorted(map(list, pairs)))


def _hash(items: Sequence[object]) -> str:
    canonical = json.dumps(items, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
