"""Hashes of all that decides what a model makes of a video: equal hashes, equal features."""

import hashlib

import torch

from retrieval.model.clip import ClipTowers
from retrieval.model.retriever import Retriever


def model_digest(model: Retriever) -> str:
    """Of all that decides a video's features: the towers and the pooling's weights."""
    return _digest(model, ("towers.", "pooling."))


def towers_digest(model: Retriever) -> str:
    """Of all that decides the features of a single frame."""
    return _digest(model, ("towers.",))


def _digest(model: Retriever, parts: tuple[str, ...]) -> str:
    # Weights do not tell how many patch tokens a frame gives, nor the activation or the image statistics.
    architecture = model.towers.architecture if isinstance(model.towers, ClipTowers) else ""
    digest = hashlib.blake2b(f"{model.towers.tokens_per_frame} {architecture}".encode(), digest_size=16)
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(parts):
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
