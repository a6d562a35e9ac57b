"""From captioned videos to batches, in an order that only the seed and the epoch decide."""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from retrieval.batch import Batch
from retrieval.datasets.clips import Clips, Example
from retrieval.datasets.errors import DataError
from retrieval.datasets.reader import Fitted, FrameReader
from retrieval.video import Status, Unreadable

log = logging.getLogger(__name__)

# A video that cannot be read is replaced by another one of the same epoch, drawn anew until one can be.
_MOST_SUBSTITUTES = 100
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class _Pair:
    example: Example
    clip: Fitted
    caption: int


class TrainLoader:
    """`TrainData` over any `Clips`.

    Entry i of an epoch, its caption, its drawn frames and its substitute depend on (seed, epoch, i) alone, so
    a run can resume at any step on any number of workers. `identity` says what is trained on.
    """

    def __init__(
        self,
        clips: Clips,
        reader: FrameReader,
        *,
        identity: dict[str, str],
        seed: int,
        epoch_of: Literal["videos", "captions"] = "videos",
        threads: int = 2,
    ) -> None:
        if not len(clips):
            raise DataError("clips: no video to train on")
        self._clips, self._reader = clips, reader
        self._seed, self._threads = seed, threads
        self.identity = identity
        self._pairs: np.ndarray | None = None
        if epoch_of == "captions":
            counts = clips.caption_counts()
            videos = np.repeat(np.arange(len(clips)), counts)
            captions = np.concatenate([np.arange(count) for count in counts])
            self._pairs = np.stack([videos, captions], axis=1)
        self._unreadable: dict[int, Status] = {}
        self._lock = threading.Lock()

    def unreadable(self) -> dict[int, Status]:
        """The videos that this worker could not read so far, by their number in the data set."""
        with self._lock:
            return dict(self._unreadable)

    def __len__(self) -> int:
        return len(self._clips) if self._pairs is None else len(self._pairs)

    def batches_per_epoch(self, batch_size: int) -> int:
        """Full batches in an epoch."""
        return len(self) // batch_size

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        """Batches `start, start + 1, …` of an epoch, this worker's share of each."""
        if batch_size % workers:
            raise DataError(f"batch_size = {batch_size}: must be a multiple of workers = {workers}")
        share = batch_size // workers
        order = self._rng(epoch).permutation(len(self))
        ahead: deque[list[Future[_Pair]]] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                for step in range(start, self.batches_per_epoch(batch_size)):
                    first = step * batch_size + rank * share
                    places = range(first, first + share)
                    ahead.append([pool.submit(self._pair, order, epoch, place) for place in places])
                    if len(ahead) > _BATCHES_AHEAD:
                        yield self._collate([future.result() for future in ahead.popleft()])
                while ahead:
                    yield self._collate([future.result() for future in ahead.popleft()])
            finally:  # also when the reader of batches stops early
                for futures in ahead:
                    for future in futures:
                        future.cancel()

    def _pair(self, order: np.ndarray, epoch: int, place: int) -> _Pair:
        rng = self._rng(epoch, place)
        entry = int(order[place])
        for _ in range(_MOST_SUBSTITUTES):
            video, caption = (entry, None) if self._pairs is None else map(int, self._pairs[entry])
            with self._lock:
                known_bad = video in self._unreadable
            if not known_bad:
                # One generator for the frames, so that what is drawn later does not depend on the sampler.
                drawing = np.random.default_rng(rng.integers(2**63))
                example = self._clips.read(video, self._reader, drawing, epoch)
                if isinstance(example.clip, Fitted):
                    chosen = int(rng.integers(len(example.captions))) if caption is None else caption
                    return _Pair(example=example, clip=example.clip, caption=chosen)
                self._leave_out(video, example.clip)
            else:
                rng.integers(2**63)  # as if it had been read: what was seen before must not matter
            entry = int(rng.integers(len(self)))
        counts = count_left_out(self.unreadable())
        raise DataError(f"clips: {_MOST_SUBSTITUTES} videos in a row could not be read: {counts}")

    def _leave_out(self, video: int, clip: Unreadable) -> None:
        with self._lock:
            if video not in self._unreadable:
                self._unreadable[video] = clip.status
                log.warning("left out of training (%s): %s", clip.status, clip.message)

    def _collate(self, pairs: list[_Pair]) -> Batch:
        longest = self._reader.sampler.num_frames
        size = self._reader.size
        frames = torch.zeros(len(pairs), longest, 3, size, size, dtype=torch.uint8)
        mask = torch.zeros(len(pairs), longest, dtype=torch.bool)
        for row, pair in enumerate(pairs):
            count = len(pair.clip.frames)
            frames[row, :count] = torch.from_numpy(pair.clip.frames)
            mask[row, :count] = True
        return Batch(
            frames=frames,
            mask=mask,
            captions=[pair.example.captions[pair.caption] for pair in pairs],
            video_ids=[pair.example.video_id for pair in pairs],
            keys=[f"{pair.example.video_id}#{pair.caption}" for pair in pairs],
        )

    def _rng(self, *parts: int) -> np.random.Generator:
        name = ":".join(map(str, (self._seed, *parts))).encode()
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big"))


def count_left_out(unreadable: Mapping[int, Status]) -> dict[str, int]:
    """How many videos have each status, 0 included."""
    statuses = list(unreadable.values())
    return {status: statuses.count(status) for status in ("missing", "broken", "empty")}
