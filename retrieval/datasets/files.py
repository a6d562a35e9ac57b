"""Videos that lie on disk one by one, as files or as folders of frames, with their captions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.clips import Example, Split, hash_ids
from retrieval.datasets.reader import FrameReader
from retrieval.video import Unreadable

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".ts"})


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

    def captions(self, index: int) -> tuple[str, ...]:
        return self._captions[index]

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

    def split(self, name: str) -> Split:
        """All of it as something to be judged by."""
        return Split(
            name=name,
            clips=self,
            video_ids=self.ids,
            captions=tuple((i, text) for i, texts in enumerate(self._captions) for text in texts),
        )
