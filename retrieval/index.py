"""A folder of videos to a gallery: each read and encoded once, for both stages and for its moments."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from animate.strict_toml import to_table
from retrieval.checkpoint import Checkpoint
from retrieval.datasets import DataError, Fitted, FrameReader
from retrieval.datasets.files import VIDEO_SUFFIXES
from retrieval.encode import pad_clips
from retrieval.gallery import Entry, GalleryWriter
from retrieval.model import Features, Retriever
from retrieval.video import Unreadable, is_still


def find_gallery_videos(folder: Path) -> list[Path]:
    """Videos under a folder at any depth, sorted: files, folders holding nothing but frames, and stills.

    Images in the folder itself are stills; images in a folder below it are the frames of one video.
    """
    if not folder.is_dir():
        raise DataError(f"videos = {str(folder)!r}: no such folder")
    found: set[Path] = set()
    for path in folder.rglob("*"):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            found.add(path)
        elif is_still(path):
            found.add(path if path.parent == folder else path.parent)
    if not found:
        raise DataError(f"videos = {str(folder)!r}: no video or image in it")
    return sorted(found)


@torch.no_grad()
def build_gallery(
    checkpoint: Checkpoint,
    folder: Path,
    out: Path,
    *,
    device: torch.device,
    overwrite: bool = False,
    on_video: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Index every readable video under `folder` into the gallery `out`; gives its facts.

    The facts name the unreadable ones and count them by status; they are no part of the gallery.
    """
    if out.exists() and not (overwrite and (out / "gallery.json").is_file()):
        raise DataError(
            f"out = {str(out)!r}: is there already; --overwrite replaces a gallery, and nothing else"
        )
    model, recipe = checkpoint.model, checkpoint.recipe
    reader = FrameReader.of(recipe.frames, cache=recipe.data.cache)
    paths = find_gallery_videos(folder)
    facts = {
        "checkpoint": checkpoint.reference,
        "model": to_table(recipe.model),
        "precision": recipe.train.precision,
        "model_digest": checkpoint.info["digest"],
        "frames": reader.describe(),
        "videos": str(folder.resolve()),
    }
    counts: Counter[str] = Counter()
    unreadable: list[dict[str, str]] = []
    batch = recipe.eval.batch_size
    with (
        GalleryWriter(out, facts) as writer,
        ThreadPoolExecutor(recipe.train.loader_threads) as pool,
    ):
        for first in range(0, len(paths), batch):
            some = paths[first : first + batch]
            whole: list[tuple[Path, Fitted]] = []
            for path, clip in zip(some, pool.map(lambda p: reader.read(p, None), some), strict=True):
                counts[clip.status] += 1
                if isinstance(clip, Unreadable):
                    unreadable.append({"path": str(path), "status": clip.status, "message": clip.message})
                else:
                    whole.append((path, clip))
            for entry in _entries(model, whole, folder, device):
                writer.add(entry)
            on_video(min(first + batch, len(paths)), len(paths))
        if not len(writer):
            raise DataError(f"videos = {str(folder)!r}: none of {len(paths)} can be read: {dict(counts)}")
        return writer.finish() | {"videos_by_status": dict(counts), "unreadable": unreadable}


def encode_with_frames(
    model: Retriever, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]
) -> tuple[Features, Float[Tensor, "b t d"]]:
    """`model.encode_video`, and each frame's own vector from the same pass of the towers."""
    batch, length = mask.shape
    single = model.towers.encode_frames(frames.flatten(0, 1))
    vectors = single.pooled.unflatten(0, (batch, length))
    frame_mask = single.mask.unflatten(0, (batch, length)) & mask.unsqueeze(-1)
    features = Features(
        pooled=model.pooling(vectors, mask),
        tokens=single.tokens.unflatten(0, (batch, length)).flatten(1, 2),
        mask=frame_mask.flatten(1, 2),
    )
    return features, vectors


def _entries(
    model: Retriever, clips: Sequence[tuple[Path, Fitted]], folder: Path, device: torch.device
) -> list[Entry]:
    if not clips:
        return []
    frames, mask = pad_clips([clip for _, clip in clips])
    features, vectors = encode_with_frames(model, frames.to(device), mask.to(device))
    features, vectors = features.float().to("cpu"), vectors.float().cpu()
    return [
        Entry(
            video_id=path.relative_to(folder).as_posix(),
            path=str(path.resolve()),
            duration=clip.duration,
            seconds=clip.seconds.tolist(),
            vector=features.pooled[i],
            tokens=features.tokens[i][features.mask[i]],
            frame_vectors=vectors[i, : len(clip.frames)],
        )
        for i, (path, clip) in enumerate(clips)
    ]
