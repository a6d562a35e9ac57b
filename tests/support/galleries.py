"""Entries of no real videos, and galleries of them."""

from pathlib import Path

import torch

from retrieval.gallery import Entry, Gallery, GalleryWriter

QUERY = "a dog and a cat"


def entries(count: int, width: int = 16, seed: int = 0) -> list[Entry]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Entry(
            video_id=f"v{i}",
            path=f"/videos/v{i}.mp4",
            duration=float(i + 1),
            seconds=[0.0, 0.5][: 1 + i % 2],
            vector=torch.randn(width, generator=generator) * 3,
            tokens=torch.randn(1 + i % 3, 6, generator=generator),
            frame_vectors=torch.randn(1 + i % 2, width, generator=generator),
        )
        for i in range(count)
    ]


def write(folder: Path, of: list[Entry], **settings) -> Gallery:
    with GalleryWriter(folder, {"model_digest": "x"}, **settings) as writer:
        for entry in of:
            writer.add(entry)
        writer.finish()
    return Gallery(folder)
