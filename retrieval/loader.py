"""From captioned videos to batches, in an order that only the seed and the epoch decide."""

import hashlib
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from retrieval.ahead import check_trained_on
from retrieval.batch import Batch, Facts
from retrieval.datasets import Clips, Dataset, Example, Fitted, FrameReader, count_left_out, open_dataset
from retrieval.errors import DataError
from retrieval.order import epoch_order
from retrieval.recipe import PLAIN_DATA, DataSpec, TrainRecipe
from retrieval.video import Status, Unreadable

log = logging.getLogger(__name__)

#: A video that cannot be read is replaced by another one of the same epoch, drawn anew until one can be.
_MOST_SUBSTITUTES = 100
_BATCHES_AHEAD = 2
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class _Pair:
    """A clip and what it is to be found by: caption `number`, or what its camera does (None)."""

    example: Example
    clip: Fitted
    number: int | None

    @property
    def caption(self) -> str:
        if self.number is not None:
            return self.example.captions[self.number]
        assert self.example.motion is not None
        return self.example.motion.caption

    @property
    def key(self) -> str:
        return f"{self.example.video_id}#{'camera' if self.number is None else self.number}"


def _yield_to_the_step() -> None:
    """This thread decodes in the time that the training step leaves, and takes none of the step's own core.

    Only Linux has priorities of single threads.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


class TrainLoader:
    """`TrainData` over any `Clips`; videos that are known not to be there are no part of any epoch.

    Entry i of an epoch, its caption, its drawn frames and its substitute depend on (seed, epoch, i) alone, so
    a run can resume at any step on any number of workers; where takes of a still stand together, the order
    depends on the batch size, too. `identity` says what is trained on. Of `data`, `epoch_of`, `caption_of`,
    `camera_for` and `takes_together` are heeded here.
    """

    def __init__(
        self,
        clips: Clips,
        reader: FrameReader,
        *,
        identity: dict[str, str],
        seed: int,
        data: DataSpec = PLAIN_DATA,
        threads: int = 2,
    ) -> None:
        if not len(clips):
            raise DataError("clips: no video to train on")
        absent = clips.absent()
        there = np.setdiff1d(np.arange(len(clips)), absent.videos)
        name = " ".join(filter(None, (identity.get("name"), identity.get("split"), "train")))
        said = f"{name}: {len(absent.videos):,} of {len(clips):,} videos are not in {absent.place}"
        if not len(there):
            raise DataError(f"{said}: nothing is left to train on")
        if absent.videos:
            log.warning("%s: left out of every epoch", said)
        self._clips, self._reader = clips, reader
        self._seed, self._threads, self._data = seed, threads, data
        self.identity = identity
        # An epoch's entries: a video, and which of its captions; -1 where that is drawn.
        self._entries = np.stack([there, np.full(len(there), -1)], axis=1)
        if data.epoch_of == "captions":
            counts = clips.caption_counts()[there]
            captions = np.concatenate([np.arange(count) for count in counts])
            self._entries = np.stack([np.repeat(there, counts), captions], axis=1)
        self._stills = self._entries[:, 0]
        if data.takes_together > 1:
            stills = clips.stills()
            if len(np.unique(stills)) == len(stills):
                raise DataError(
                    f"data.takes_together = {data.takes_together}: {name} has one clip of each still; "
                    "build shards with `--takes` above 1"
                )
            self._stills = stills[self._entries[:, 0]]
        self._for_fine_alone = data.caption_of == "both" and data.camera_for == "fine"
        # Which of the two captions a video begins with, where they take turns: 1 for its camera.
        self._turns = self._rng().integers(2, size=len(clips))
        self._unreadable: dict[int, Status] = dict.fromkeys(absent.videos, "missing")
        self._lock = threading.Lock()

    def unreadable(self) -> dict[int, Status]:
        """The videos that are not there or could not be read so far, by their number in the data set."""
        with self._lock:
            return dict(self._unreadable)

    def __len__(self) -> int:
        return len(self._entries)

    def batches_per_epoch(self, batch_size: int) -> int:
        """Full batches in an epoch."""
        return len(self) // batch_size

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        """Batches `start, start + 1, …` of an epoch, this worker's share of each."""
        if batch_size % workers:
            raise DataError(f"batch_size = {batch_size}: must be a multiple of workers = {workers}")
        share = batch_size // workers
        order = epoch_order(
            self._stills, self._rng(epoch), together=self._data.takes_together, batch_size=batch_size
        )
        ahead: deque[list[Future[_Pair]]] = deque()
        with ThreadPoolExecutor(self._threads, initializer=_yield_to_the_step) as pool:
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
            video, caption = map(int, self._entries[entry])
            with self._lock:
                known_bad = video in self._unreadable
            if not known_bad:
                # One generator for the frames, so that what is drawn later does not depend on the sampler.
                drawing = np.random.default_rng(rng.integers(2**63))
                example = self._clips.read(video, self._reader, drawing, epoch)
                if isinstance(example.clip, Fitted):
                    chosen = int(rng.integers(len(example.captions))) if caption < 0 else caption
                    number = None if self._tells_of_the_camera(video, example, epoch) else chosen
                    return _Pair(example=example, clip=example.clip, number=number)
                self._leave_out(video, example.clip)
            else:
                rng.integers(2**63)  # as if it had been read: what was seen before must not matter
            entry = int(rng.integers(len(self)))
        counts = count_left_out(self.unreadable())
        raise DataError(f"clips: {_MOST_SUBSTITUTES} videos in a row could not be read: {counts}")

    def _tells_of_the_camera(self, video: int, example: Example, epoch: int) -> bool:
        caption_of = self._data.caption_of
        if caption_of == "caption":
            return False
        if example.motion is None:
            raise DataError(
                f"data.caption_of = {caption_of!r}: nothing is said of the camera of {example.video_id}"
            )
        return caption_of == "camera" or bool((self._turns[video] + epoch) % 2)

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
            captions=[pair.caption for pair in pairs],
            video_ids=[pair.example.video_id for pair in pairs],
            keys=[pair.key for pair in pairs],
            facts=None if self._data.caption_of == "caption" else _facts(pairs),
            fine_only=[pair.number is None for pair in pairs] if self._for_fine_alone else None,
        )

    def _rng(self, *parts: int) -> np.random.Generator:
        name = ":".join(map(str, (self._seed, *parts))).encode()
        return np.random.default_rng(int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big"))


def _facts(pairs: list[_Pair]) -> Facts:
    """A still's caption is right of all its takes, a camera's of all clips with the same label; both are of
    every clip that has the same words."""
    said: list[tuple[str, str]] = []
    shown: list[tuple[str, ...]] = []
    for pair in pairs:
        example = pair.example
        assert example.motion is not None
        still, motion = f"still {example.video_id}", f"motion {example.motion.label}"
        said.append((still if pair.number is not None else motion, f"words {pair.caption}"))
        words = (f"words {text}" for text in (example.motion.caption, *example.captions))
        shown.append((still, motion, *words))
    return Facts(said=said, shown=shown)


def train_data(recipe: TrainRecipe, dataset: Dataset | None = None) -> TrainLoader:
    """Batches of the training part, as the recipe's [data], [frames] and [train] tables say.

    `dataset` is that of the recipe, where it is open already. `DataError`, too, where the part that is to
    select a checkpoint is not there: not after the first epoch.
    """
    dataset = dataset or open_dataset(recipe.data)
    check_trained_on(dataset, recipe)
    assert dataset.train is not None
    return TrainLoader(
        dataset.train,
        FrameReader.of(recipe.frames, recipe.frames.train_position, recipe.data.cache),
        identity=dataset.identity,
        seed=recipe.seed,
        data=recipe.data,
        threads=recipe.train.loader_threads,
    )
