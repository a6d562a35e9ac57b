"""Decode health of a data set's videos, found by reading them exactly as training and evaluation do."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from retrieval.datasets import Clips, Dataset, FrameReader
from retrieval.recipe import FramesSpec
from retrieval.video import Status, Unreadable

_AHEAD = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the videos of a split could be read: a count for each status, and what was wrong with which."""

    counts: dict[Status, int]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoHealth:
    """One video: `usable` if some of its frames are real, whatever else is wrong with it."""

    video_id: str
    status: Status
    message: str
    usable: bool


def parts_of(dataset: Dataset) -> dict[str, Clips]:
    """The parts that there are, by name."""
    judged = {"validation": dataset.validation, "test": dataset.test}
    found = {name: split.clips for name, split in judged.items() if split is not None}
    return {"train": dataset.train, **found} if dataset.train is not None else found


def check_part(clips: Clips, frames: FramesSpec, cache: str, threads: int) -> Iterator[VideoHealth]:
    """The health of every video, in order, as they come."""
    reader = FrameReader.of(frames, cache=cache)

    def look(index: int) -> VideoHealth:
        example = clips.read(index, reader, None, 0)
        return VideoHealth(
            video_id=example.video_id,
            status=example.clip.status,
            message=example.clip.message,
            usable=not isinstance(example.clip, Unreadable),
        )

    ahead: deque[Future[VideoHealth]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for index in range(len(clips)):
            ahead.append(pool.submit(look, index))
            if len(ahead) >= _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
