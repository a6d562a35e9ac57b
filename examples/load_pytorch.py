"""Shards in a PyTorch DataLoader: each of its workers reads a share of its own, in every format.

animate build --src demo --out shards/
python examples/load_pytorch.py shards/
"""

import sys
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import animate


class Clips(IterableDataset):
    """Frames ([t, 3, h, w], uint8) and caption of every clip; virtual shards are filmed anew each `epoch`."""

    def __init__(self, shards: str, epoch: int = 0) -> None:
        self.shards, self.epoch = shards, epoch

    def __iter__(self) -> Iterator[tuple[torch.Tensor, str]]:
        info = get_worker_info()
        share = (info.id, info.num_workers) if info else (0, 1)
        for clip in animate.load_clips(self.shards, shard=share, epoch=self.epoch):
            yield torch.tensor(clip["frames"]), clip["caption"]


def loader(shards: str, batch_size: int = 4, num_workers: int = 2) -> DataLoader:
    """Batches of frames ([b, t, 3, h, w]) and of captions."""
    return DataLoader(Clips(shards), batch_size=batch_size, num_workers=num_workers)


if __name__ == "__main__":
    for frames, captions in loader(sys.argv[1]):
        print(tuple(frames.shape), captions[0])
