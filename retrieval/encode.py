"""A split through the encoders: features of what can be read, and a count of what cannot."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from retrieval.cache import Cache, content_hash, key_of
from retrieval.compute import Compute
from retrieval.datasets import Clips, Fitted, FrameReader, Split
from retrieval.errors import DataError
from retrieval.health import Health
from retrieval.model import Features, Retriever
from retrieval.model.digest import model_digest
from retrieval.video import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Ragged:
    """Features of many rows without their padding: texts differ much in length.

    `pooled` has one vector a row. `tokens` has the real tokens of all rows, one row's after the other's: row
    i's are `tokens[firsts[i]:firsts[i + 1]]`.

        lengths 3, 1, 2   ->   tokens a a a b c c   firsts 0 3 4 6
    """

    pooled: Float[Tensor, "b d"]
    tokens: Float[Tensor, "n w"]
    firsts: Int64[np.ndarray, "b1"]

    def __len__(self) -> int:
        return len(self.pooled)

    @classmethod
    def of(cls, parts: Sequence[Features]) -> "Ragged":
        """On the CPU. Real tokens must come first in each row, as encoders and loaders put them."""
        lengths: list[int] = []
        for part in parts:
            counts = part.mask.sum(dim=1)
            first = torch.arange(part.mask.shape[1], device=part.mask.device) < counts[:, None]
            if not torch.equal(first, part.mask):
                raise ValueError("mask: real tokens must come before padding in each row")
            lengths += counts.tolist()
        return cls(
            pooled=torch.cat([part.pooled.float().cpu() for part in parts]),
            tokens=torch.cat([part.tokens[part.mask].float().cpu() for part in parts]),
            firsts=np.cumsum([0, *lengths]),
        )

    def gather(self, rows: Sequence[int] | Int64[np.ndarray, "k"], device: torch.device) -> Features:
        """Rows in the given order, padded to the longest of them."""
        rows = np.asarray(rows, dtype=np.int64)
        lengths = self.firsts[rows + 1] - self.firsts[rows]
        tokens = self.tokens.new_zeros(len(rows), int(lengths.max(initial=0)), self.tokens.shape[1])
        mask = torch.from_numpy(np.arange(tokens.shape[1]) < lengths[:, None])
        if mask.any():
            spans = [self.tokens[int(self.firsts[row]) : int(self.firsts[row + 1])] for row in rows]
            tokens[mask] = torch.cat(spans)
        return Features(pooled=self.pooled[torch.from_numpy(rows)], tokens=tokens, mask=mask).to(device)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedVideos:
    """Features of the readable videos; `readable` are their indices among all."""

    features: Ragged
    seconds: tuple[Float[np.ndarray, "t"], ...]
    readable: Int64[np.ndarray, "r"]
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTexts:
    """Features of different texts, and for each caption the row of its text.

    MSR-VTT's 1k-A repeats captions: encoded and scored once, equal texts score equally to the last bit.
    """

    features: Ragged
    rows: Int64[np.ndarray, "c"]


@torch.no_grad()
def encode_videos(
    model: Retriever,
    clips: Clips,
    reader: FrameReader,
    *,
    compute: Compute,
    batch_size: int = 64,
    threads: int = 2,
    cache: Cache | None = None,
) -> EncodedVideos:
    """Features of every readable video of `clips`; `DataError` if there is none.

    The workers of `compute` take batches in turn. With `cache`, features are kept under the hash of the
    chosen frames, of the model and of the precision.
    """
    digest = f"{model_digest(model)} {compute.precision}" if cache else ""
    own: dict[int, _Batch] = {}
    firsts = range(0, len(clips), batch_size)
    with ThreadPoolExecutor(threads) as pool:
        for first in firsts[compute.group.rank :: compute.group.size]:
            indices = range(first, min(first + batch_size, len(clips)))
            examples = list(pool.map(lambda i: clips.read(i, reader, None, 0), indices))
            whole = {
                index: example.clip
                for index, example in zip(indices, examples, strict=True)
                if isinstance(example.clip, Fitted)
            }
            with compute.autocast():
                features = (
                    _encode(model, list(whole.values()), compute.device, cache, digest) if whole else None
                )
            own[first] = _Batch(
                features=None if features is None else features.float().to("cpu"),
                seconds=tuple(clip.seconds for clip in whole.values()),
                readable=tuple(whole),
                statuses=tuple(example.clip.status for example in examples),
                messages=tuple(example.clip.message for example in examples if example.clip.message),
            )
    done = compute.group.union(own)
    batches = [done[first] for first in firsts]
    messages = tuple(message for batch in batches for message in batch.messages)
    parts = [batch.features for batch in batches if batch.features is not None]
    if not parts:
        raise DataError(f"videos: none of {len(clips)} can be read ({_first(messages)})")
    return EncodedVideos(
        features=Ragged.of(parts),
        seconds=tuple(seconds for batch in batches for seconds in batch.seconds),
        readable=np.array([index for batch in batches for index in batch.readable], dtype=np.int64),
        health=Health(
            counts=dict(Counter(status for batch in batches for status in batch.statuses)), messages=messages
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What one batch of videos gave: features of those that could be read, and how each could."""

    features: Features | None
    seconds: tuple[Float[np.ndarray, "t"], ...]
    readable: tuple[int, ...]
    statuses: tuple[Status, ...]
    messages: tuple[str, ...]


@torch.no_grad()
def encode_texts(
    model: Retriever, texts: Sequence[str], *, compute: Compute, batch_size: int = 256
) -> EncodedTexts:
    """Features of the different ones among `texts`; the workers of `compute` take batches in turn."""
    once = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    ordered = list(once)
    own: dict[int, Features] = {}
    firsts = range(0, len(ordered), batch_size)
    for first in firsts[compute.group.rank :: compute.group.size]:
        ids = model.tokenize(ordered[first : first + batch_size]).to(compute.device)
        with compute.autocast():
            own[first] = model.encode_text(ids).detach().float().to("cpu")
    done = compute.group.union(own)
    return EncodedTexts(
        features=Ragged.of([done[first] for first in firsts]),
        rows=np.array([once[text] for text in texts], dtype=np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A split, encoded."""

    split: Split
    videos: EncodedVideos
    texts: EncodedTexts
    seconds: float


def encode_split(
    model: Retriever,
    split: Split,
    reader: FrameReader,
    *,
    compute: Compute,
    batch_size: int,
    threads: int = 2,
    cache: Cache | None = None,
) -> Encoded:
    """Features of all captions and all readable videos of a split."""
    started = time.perf_counter()
    videos = encode_videos(
        model, split.clips, reader, compute=compute, batch_size=batch_size, threads=threads, cache=cache
    )
    texts = encode_texts(model, split.texts, compute=compute)
    return Encoded(split=split, videos=videos, texts=texts, seconds=time.perf_counter() - started)


def pad_clips(clips: Sequence[Fitted]) -> tuple[Tensor, Bool[Tensor, "b t"]]:
    """Frames `[b, t, 3, s, s]` and mask of clips, padded at the end to the longest."""
    longest = max(len(clip.frames) for clip in clips)
    frames = torch.zeros(len(clips), longest, *clips[0].frames.shape[1:], dtype=torch.uint8)
    mask = torch.zeros(len(clips), longest, dtype=torch.bool)
    for row, clip in enumerate(clips):
        frames[row, : len(clip.frames)] = torch.from_numpy(clip.frames)
        mask[row, : len(clip.frames)] = True
    return frames, mask


def _encode(
    model: Retriever, clips: Sequence[Fitted], device: torch.device, cache: Cache | None, digest: str
) -> Features:
    if cache is None:
        frames, mask = pad_clips(clips)
        return model.encode_video(frames.to(device), mask.to(device)).detach()
    keys = [key_of(frames=content_hash(clip.frames.tobytes()), model=digest) for clip in clips]
    kept = {key: _from_cache(cache, key) for key in keys}
    fresh = [i for i, key in enumerate(keys) if kept[key] is None]
    if fresh:
        frames, mask = pad_clips([clips[i] for i in fresh])
        made = model.encode_video(frames.to(device), mask.to(device)).detach().float().to("cpu")
        for row, i in enumerate(fresh):
            one = made[row : row + 1].trim(int(made.mask[row].sum()))
            kept[keys[i]] = one
            cache.put(keys[i], {"pooled": one.pooled.numpy(), "tokens": one.tokens.numpy()})
    return Features.cat([features for key in keys if (features := kept[key]) is not None])


def _from_cache(cache: Cache, key: str) -> Features | None:
    arrays = cache.get(key)
    if arrays is None:
        return None
    tokens = torch.from_numpy(arrays["tokens"])
    mask = torch.ones(tokens.shape[:2], dtype=torch.bool)
    return Features(pooled=torch.from_numpy(arrays["pooled"]), tokens=tokens, mask=mask)


def _first(messages: Sequence[str]) -> str:
    return messages[0] if messages else "no video"
