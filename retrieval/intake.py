"""Videos into a gallery in the making: read, encoded, and put in or left out."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from retrieval.checkpoint import Checkpoint
from retrieval.compute import autocast
from retrieval.datasets import Fitted, FrameReader
from retrieval.encode import pad_clips
from retrieval.errors import DataError
from retrieval.find import FileState, VideosFound
from retrieval.gallery import Entry, GalleryWriter, LeftOut
from retrieval.model import Features, Retriever
from retrieval.recipe import Precision
from retrieval.video import Unreadable, printable_path

#: Called with the number of videos done and of all.
OnVideo = Callable[[int, int], None]


def take_in(
    writer: GalleryWriter,
    checkpoint: Checkpoint,
    found: VideosFound,
    keep: Collection[str],
    device: torch.device,
    on_video: OnVideo,
) -> dict[str, Any]:
    """Put the videos that are not in yet into the gallery, take out others than `keep`, and finish it."""
    model, recipe = checkpoint.model, checkpoint.recipe
    reader = FrameReader.of(recipe.frames, cache=recipe.data.cache)
    for name in [name for name in (*writer.videos, *writer.left_out) if name not in keep]:
        writer.forget(name)
    todo: list[tuple[str, Path, FileState]] = []
    for name, path in found.videos.items():
        state = FileState.of(path) or FileState(size=-1, modified=-1)
        known = writer.videos.get(name) or writer.left_out.get(name)
        if known is None or FileState(size=known.size, modified=known.modified) != state:
            todo.append((name, path, state))
    already = len(found.videos) - len(todo)
    batch = recipe.eval.batch_size
    on_video(already, len(found.videos))
    with ThreadPoolExecutor(recipe.train.loader_threads) as pool:
        for first in range(0, len(todo), batch):
            some = todo[first : first + batch]
            for made in _read_and_encode(model, some, reader, pool, device, recipe.train.precision):
                if isinstance(made, Entry):
                    writer.add(made)
                else:
                    writer.forget(made.video_id)
                    writer.leave_out(made)
            writer.commit()
            on_video(already + first + len(some), len(found.videos))
    counts, left_out = writer.counts(), list(writer.left_out.values())
    if not len(writer):
        writer.discard()
        raise DataError(f"videos: none of {len(found.videos)} can be read ({left_out[0].message})")
    made = writer.finish() | change_facts(counts)
    made["unreadable"] = [{"path": v.path, "status": v.status, "message": v.message} for v in left_out]
    return made | {"already": already, "left_out": found.summary()}


def encode_with_frames(
    model: Retriever, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]
) -> tuple[Features, Float[Tensor, "b t d"]]:
    """`model.encode_video`, and each frame's own vector from the same pass of the towers."""
    single = model.towers.encode_frames(frames[mask])
    vectors = single.spread(mask.flatten()).pooled.unflatten(0, mask.shape)
    return model.pool_frames(single, mask), vectors


def _read_and_encode(
    model: Retriever,
    videos: Sequence[tuple[str, Path, FileState]],
    reader: FrameReader,
    pool: ThreadPoolExecutor,
    device: torch.device,
    precision: Precision,
) -> list[Entry | LeftOut]:
    clips = list(pool.map(lambda video: reader.read(video[1], None), videos))
    whole = [clip for clip in clips if isinstance(clip, Fitted)]
    if whole:
        frames, mask = pad_clips(whole)
        with autocast(device, precision):
            features, vectors = encode_with_frames(model, frames.to(device), mask.to(device))
        features, vectors = features.float().to("cpu"), vectors.float().cpu()
    made: list[Entry | LeftOut] = []
    i = 0
    for (name, path, state), clip in zip(videos, clips, strict=True):
        if isinstance(clip, Unreadable):
            made.append(_left_out(name, path, state, clip.status, clip.message))
            continue
        entry = Entry(
            video_id=name,
            path=str(path.resolve()),
            duration=clip.duration,
            seconds=clip.seconds.tolist(),
            vector=features.pooled[i],
            tokens=features.tokens[i][features.mask[i]],
            frame_vectors=vectors[i, : len(clip.frames)],
            status=clip.status,
            size=state.size,
            modified=state.modified,
        )
        i += 1
        message = f"{printable_path(path)}: features are not finite"
        made.append(entry if entry.is_finite() else _left_out(name, path, state, "not finite", message))
    return made


def _left_out(name: str, path: Path, state: FileState, status: str, message: str) -> LeftOut:
    return LeftOut(
        video_id=name,
        path=printable_path(path),
        status=status,
        message=message,
        size=state.size,
        modified=state.modified,
    )


def change_facts(counts: dict[str, int]) -> dict[str, Any]:
    """What a change of a gallery came to, where nothing else is known: videos by status, and no more."""
    return {"videos_by_status": counts, "unreadable": [], "left_out": {}, "already": 0, "removed": 0}
