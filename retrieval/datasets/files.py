"""Videos that lie on disk one by one, as files or as folders of frames, with their captions."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.clips import HASHED_BYTES, Absent, Example, Split, hash_ids
from retrieval.datasets.reader import FrameReader
from retrieval.video import Unreadable, list_frames


class VideoFiles:
    """Videos by id; one that is not on disk stays in the list and reads as `missing`."""

    def __init__(
        self,
        ids: Sequence[str],
        captions: Mapping[str, Sequence[str]],
        paths: Mapping[str, Path],
        folder: Path,
    ) -> None:
        self.ids = tuple(ids)
        self._captions = [tuple(captions[video]) for video in self.ids]
        self._paths = [paths.get(video) for video in self.ids]
        self._folder = folder

    def __len__(self) -> int:
        return len(self.ids)

    def caption_counts(self) -> Int64[np.ndarray, "n"]:
        return np.array([len(captions) for captions in self._captions], dtype=np.int64)

    def stills(self) -> Int64[np.ndarray, "n"]:
        return np.arange(len(self), dtype=np.int64)

    def captions(self, index: int) -> tuple[str, ...]:
        return self._captions[index]

    def absent(self) -> Absent:
        missing = tuple(i for i, path in enumerate(self._paths) if path is None)
        return Absent(videos=missing, place=str(self._folder))

    def read(self, index: int, reader: FrameReader, rng: np.random.Generator | None, epoch: int) -> Example:
        path = self._paths[index]
        if path is None:
            message = f"{self._folder}: no video {self.ids[index]!r}"
            clip = Unreadable(status="missing", message=message)
        else:
            clip = reader.read(path, rng)
        return Example(video_id=self.ids[index], captions=self._captions[index], clip=clip)

    def identity(self, name: str, split: str = "") -> dict[str, str]:
        """What a checkpoint says it was trained on."""
        return {"name": name, "split": split, "videos": hash_ids(self.ids)}

    def hashes(self) -> tuple[str, ...]:
        """One of each video that is there, by which a copy of it is known again under any name."""
        hashes = (_hash_video(path) for path in self._paths if path is not None)
        return tuple(found for found in hashes if found)

    def split(self, name: str, files: tuple[str, ...] = ()) -> Split:
        """All of it as something to be judged by."""
        return Split(
            name=name,
            clips=self,
            video_ids=self.ids,
            captions=tuple((i, text) for i, texts in enumerate(self._captions) for text in texts),
            files=files,
        )


def _hash_video(path: Path) -> str:
    """Of the size and the first bytes: enough to tell videos apart, and as quick for a film as for a clip.

    "" where nothing can be read, and so nothing can have been looked at.
    """
    try:
        file = list_frames(path)[0] if path.is_dir() else path
        with file.open("rb") as opened:
            start = opened.read(HASHED_BYTES)
    except (OSError, IndexError):
        return ""
    size = f"{file.stat().st_size} ".encode()
    return hashlib.blake2b(size + start, digest_size=8).hexdigest() if start else ""
