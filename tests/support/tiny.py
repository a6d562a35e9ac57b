"""A tiny model and tiny data for the tests: towers of linear layers, clips of a few random numbers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from retrieval.batch import Batch
from retrieval.model import Features

WORDS = ("dog", "cat", "red", "blue", "runs", "sleeps", "a", "the")


class TinyTowers(nn.Module):
    """Frames are 6 numbers each; a text is up to 5 of eight words."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_dim = self.frame_width = self.text_width = 8
        self.tokens_per_frame = 2
        self.dropout = 0.0
        self.frames = nn.Linear(6, 2 * 10)
        self.frames_out = nn.Linear(10, 8)
        self.words = nn.Embedding(len(WORDS) + 2, 12)
        self.text_out = nn.Linear(12, 8)

    def encode_frames(self, frames: Tensor) -> Features:
        tokens = torch.tanh(self.frames(frames)).unflatten(1, (2, 10))
        tokens = functional.dropout(tokens, self.dropout)
        return Features(
            pooled=self.frames_out(tokens.mean(1)),
            tokens=self.frames_out(tokens),
            mask=torch.ones(tokens.shape[:2], dtype=torch.bool),
        )

    def encode_text(self, ids: Tensor) -> Features:
        mask = ids > 0
        tokens = torch.tanh(self.words(ids))
        last = tokens[torch.arange(len(ids)), mask.sum(1) - 1]
        return Features(pooled=self.text_out(tokens.mean(1) + last), tokens=self.text_out(tokens), mask=mask)

    def tokenize(self, captions: list[str]) -> Tensor:
        rows = [[2 + WORDS.index(word) for word in caption.split()[:5]] + [1] for caption in captions]
        return torch.tensor([row + [0] * (6 - len(row)) for row in rows])

    def temperature_start(self) -> float | None:
        return None


def tiny_batch(size: int, seed: int = 0) -> Batch:
    """Clips of 1 to 3 frames; clips 0 and 1 are of one video, captions 2 and 3 are equal."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(3) <= torch.randint(0, 3, (size, 1), generator=generator)
    drawn = torch.randint(0, len(WORDS), (size, 4), generator=generator).tolist()
    captions = [
        " ".join(WORDS[i] for i in row[: 1 + n % 4]) + f" {WORDS[n % 8]}" for n, row in enumerate(drawn)
    ]
    captions[3] = captions[2]
    ids = [f"video{n}" for n in range(size)]
    ids[1] = ids[0]
    return Batch(
        frames=torch.randn(size, 3, 6, generator=generator) * mask[..., None],
        mask=mask,
        captions=captions,
        video_ids=ids,
        keys=[f"clip{n}" for n in range(size)],
    )


class TinyData:
    """`num_clips` clips whose captions tell their frames, in an order drawn anew each epoch."""

    def __init__(self, num_clips: int = 32, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.words = torch.stack(
            [torch.randperm(len(WORDS), generator=generator)[:4] for _ in range(num_clips)]
        )
        meanings = torch.randn(len(WORDS), 6, generator=generator)
        self.frames = meanings[self.words].mean(1, keepdim=True) * 2 + 0.1 * torch.randn(
            num_clips, 3, 6, generator=generator
        )
        self.identity = {"name": "tiny"}

    def batches_per_epoch(self, batch_size: int) -> int:
        return len(self.words) // batch_size

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        order = torch.randperm(len(self.words), generator=torch.Generator().manual_seed(epoch))
        share = batch_size // workers
        for number in range(start, self.batches_per_epoch(batch_size)):
            first = number * batch_size + rank * share
            yield self.take(order[first : first + share].tolist())

    def take(self, rows: list[int]) -> Batch:
        return Batch(
            frames=self.frames[rows],
            mask=torch.ones(len(rows), 3, dtype=torch.bool),
            captions=[" ".join(WORDS[i] for i in self.words[row]) for row in rows],
            video_ids=[f"video{row}" for row in rows],
            keys=[f"clip{row}" for row in rows],
        )
