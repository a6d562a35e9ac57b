"""Videos in a folder, as files or as folders of frames, and the lists and captions that go with them."""

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from retrieval.datasets.clips import Example, Split, hash_ids
from retrieval.datasets.errors import DataError, MissingData
from retrieval.datasets.reader import FrameReader
from retrieval.video import VIDEO_SUFFIXES, Unreadable


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


def find_videos(folder: str, *, what: str, page: str) -> dict[str, Path]:
    """Each video in `folder` by its name without the suffix; a file goes before a folder of frames."""
    place = Path(folder)
    if not folder or not place.is_dir():
        raise MissingData(
            f"{what}: the folder of videos {folder!r} is not there",
            page=page,
            place="any folder, named as data.videos: one file, or one folder of frames, for each video",
        )
    entries = sorted(place.iterdir())
    found = {path.name: path for path in entries if path.is_dir()}
    found |= {path.stem: path for path in entries if path.suffix.lower() in VIDEO_SUFFIXES}
    if not found:
        raise MissingData(f"{what}: no video in {folder!r}", page=page, place=f"{folder}/<video id>.mp4")
    return found


def find_annotation(folder: str, names: Sequence[str], *, page: str) -> Path:
    """The first of `names` (or one with .gz behind it) in the folder of annotations."""
    for name in names:
        for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
            if folder and candidate.is_file():
                return candidate
    raise MissingData(
        f"annotation file {' or '.join(names)} is not there",
        page=page,
        place=f"{Path(folder or 'any folder, named as data.annotations') / names[0]}",
    )


def read_list(path: Path) -> list[str]:
    """Ids, one a line."""
    return path.read_text(encoding="utf-8").split()


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a csv file with a header; `DataError` names a column that is not there."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for column in columns:
            if column not in (rows.fieldnames or ()):
                raise DataError(f"{path}: has no column {column!r}, only {', '.join(rows.fieldnames or ())}")
        return list(rows)


def read_json(path: Path) -> Any:
    """A JSON file, compressed with gzip or not."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return json.loads(content)
