"""Small encoders with random weights, and inputs for them."""

import copy

import open_clip
import torch

from retrieval.model import Features, Retriever, build_retriever
from retrieval.recipe import InteractionSpec, ModelSpec

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 16, "width": 48, "heads": 2, "layers": 2},
}
INTERACTION = InteractionSpec(width=32, heads=2, layers=2, max_frames=8)
CAPTIONS = [
    "a dog runs",
    "!; cat",
    "two people are talking about a red car near the sea side today again and again",
]


def build(spec: ModelSpec | None = None, interaction: InteractionSpec = INTERACTION) -> Retriever:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spec = spec or ModelSpec(config=copy.deepcopy(CONFIG), random_weights=True)
        return build_retriever(spec, interaction).eval()


def plain_clip(config: dict, seed: int = 1) -> open_clip.CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return open_clip.CLIP(**copy.deepcopy(config)).eval()


def frames(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, length, 3, 32, 32), dtype=torch.uint8, generator=generator)


def random_features(rows: int, length: int, width: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    return Features(
        pooled=torch.randn(rows, 4, generator=generator),
        tokens=torch.randn(rows, length, width, generator=generator),
        mask=torch.arange(length) < lengths,
    )
