"""A small CLIP whose weights are stored in many ways, and whether a model has them."""

import copy

import open_clip
import torch

from retrieval.model import Retriever, build_retriever
from retrieval.recipe import InteractionSpec, ModelSpec

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
    "quick_gelu": True,
}
CAPTIONS = ["a dog runs", "two people are talking about a red car near the sea side today"]


def plain_clip(config: dict | None = None) -> open_clip.CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return open_clip.CLIP(**copy.deepcopy(config or CONFIG)).eval()


def build(spec: ModelSpec) -> Retriever:
    return build_retriever(spec, InteractionSpec(head="none")).eval()


@torch.no_grad()
def assert_is(model: Retriever, clip: open_clip.CLIP) -> None:
    """The model gives this CLIP's texts and images."""
    assert model.towers.architecture.activation == "quick_gelu"
    ids = model.tokenize(CAPTIONS)
    torch.testing.assert_close(model.encode_text(ids).pooled, clip.encode_text(ids))
    size = model.towers.architecture.image_size
    frames = torch.randint(0, 256, (1, 1, 3, *size), dtype=torch.uint8)
    pixels = (frames[0] / 255 - model.towers.image_mean) / model.towers.image_std
    found = model.towers.encode_frames(frames[0]).pooled
    torch.testing.assert_close(found, clip.encode_image(pixels))
