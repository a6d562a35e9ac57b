"""Batch: what the loader hands to the loop and to the encoders."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Shaped
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the captions of a batch say, and what its clips show, as names of facts.

    A caption and a clip are no negatives where the caption says something that the clip shows: `said` has two
    names a caption, what it tells of and its words, `shown` at least one a clip.
    """

    said: list[tuple[str, str]]
    shown: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One worker's share of one batch: b clips, each with one caption.

    `frames` are uint8 RGB images `[b, t, 3, h, w]`, or whatever the towers take in place of an image
    (features, `[b, t, ...]`); `mask` says which of them are there: clips shorter than t are padded at the
    end. Pairs with one of `video_ids` are never negatives of each other, and equal captions neither; where
    there are `facts`, these decide in their place. `keys` name the (clip, caption) pairs in reports.
    Captions that are `fine_only` teach neither the coarse stage nor the encoders; None where there are none
    of those.
    """

    frames: Shaped[Tensor, "b t ..."]
    mask: Bool[Tensor, "b t"]
    captions: list[str]
    video_ids: list[str]
    keys: list[str]
    facts: Facts | None = None
    fine_only: list[bool] | None = None


@runtime_checkable
class TrainData(Protocol):
    """Clips to train on, in batches.

    The order is that of one global list a (seed, epoch): batch number s of an epoch holds entries
    `[s * batch_size, (s + 1) * batch_size)` of it, worker r the r-th of `workers` equal parts of those, so
    that the union does not depend on the number of workers. A batch that cannot be filled is left out.
    """

    def batches_per_epoch(self, batch_size: int) -> int:
        """Full batches in an epoch."""
        ...

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        """Batches `start, start + 1, ...` of an epoch, this worker's share of each."""
        ...
