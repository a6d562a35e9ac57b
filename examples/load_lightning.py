"""Shards in Lightning: a data module, and a module that learns from it.

The model is the smallest that learns anything: whether a clip's first frame comes before its last.

    pip install lightning
    animate build --src demo --out shards/ --format frames
    python examples/load_lightning.py shards/
"""

import sys

import lightning
import torch
from load_pytorch import loader
from torch import Tensor, nn
from torch.utils.data import DataLoader


class ClipData(lightning.LightningDataModule):
    """The shards of a folder; `load_pytorch` gives each worker of the loader a share of its own."""

    def __init__(self, shards: str, batch_size: int = 4, num_workers: int = 0) -> None:
        super().__init__()
        self.shards, self.batch_size, self.num_workers = shards, batch_size, num_workers

    def train_dataloader(self) -> DataLoader:
        return loader(self.shards, self.batch_size, self.num_workers)


class FirstOrLast(lightning.LightningModule):
    """Tells two frames' order from their difference on a grid of 8 x 8."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 8 * 8, 1)

    def training_step(self, batch: tuple[Tensor, list[str]], index: int) -> Tensor:
        frames = batch[0].float() / 255
        small = nn.functional.adaptive_avg_pool2d(frames[:, [0, -1]].flatten(0, 1), 8)
        first, last = small.reshape(len(frames), 2, -1).unbind(1)
        pairs = torch.cat([last - first, first - last])
        wanted = torch.cat([torch.ones(len(frames)), torch.zeros(len(frames))])
        scores = self.head(pairs)[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(scores, wanted.to(scores.device))
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


if __name__ == "__main__":
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(FirstOrLast(), ClipData(sys.argv[1]))
    print(f"{trainer.global_step} steps, loss {trainer.callback_metrics['loss']:.3f}")
