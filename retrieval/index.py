"""A folder of videos to a gallery, and a gallery to one with videos more or fewer: none is encoded twice."""

import fnmatch
import hashlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from animate.strict_toml import to_table
from retrieval.checkpoint import Checkpoint
from retrieval.compute import autocast
from retrieval.datasets import Fitted, FrameReader
from retrieval.encode import pad_clips
from retrieval.errors import DataError
from retrieval.find import FileState, VideosFound, find_gallery_videos
from retrieval.gallery import GALLERY_FORMAT, Entry, Gallery, GalleryRow, GalleryWriter, LeftOut
from retrieval.gallery.place import complete
from retrieval.model import Features, Retriever
from retrieval.paths import check_free
from retrieval.recipe import Precision
from retrieval.video import Unreadable, printable_path

#: Called with the number of videos done and of all.
OnVideo = Callable[[int, int], None]

#: What a gallery says of how it was made; `_facts` gives it.
_FACTS = ("checkpoint", "model", "precision", "model_digest", "frames", "videos")


@torch.no_grad()
def build_gallery(
    checkpoint: Checkpoint,
    videos: Path,
    out: Path,
    *,
    device: torch.device,
    overwrite: bool = False,
    on_video: OnVideo = lambda done, total: None,
) -> dict[str, Any]:
    """Index every readable video under `videos` (or that one file) into the gallery `out`; gives its facts.

    Stopped at any moment, the same call goes on with the videos that are not in yet. The facts name the
    unreadable ones, count them by status, and tell what else is in the folder; it is no part of the gallery.
    """
    complete(out)
    check_free(out, overwrite=overwrite)
    found = find_gallery_videos(videos)
    facts = _facts(checkpoint, videos)
    with GalleryWriter(out, facts, about=_about(facts), restart=overwrite) as writer:
        return _index(writer, checkpoint, found, found.videos, device, on_video)


@torch.no_grad()
def add_to_gallery(
    checkpoint: Checkpoint,
    videos: Path,
    out: Path,
    *,
    device: torch.device,
    remove: Sequence[str] = (),
    remove_gone: bool = False,
    on_video: OnVideo = lambda done, total: None,
) -> dict[str, Any]:
    """Index the videos that are new or have changed since; the others stay as they are. Gives the facts.

    A video is new by its id, and has changed by its file's size or time. `DataError` where the gallery was
    made by other weights, or an id would name another file than before. What `remove` takes out stays out.
    """
    complete(out)
    gallery = Gallery(out)
    facts = _facts(checkpoint, videos)
    for key in ("model_digest", "precision", "frames"):
        if gallery.facts[key] != facts[key]:
            raise DataError(
                f"gallery {printable_path(out)!r}: has {key} {gallery.facts[key]!r}, these videos would have "
                f"{facts[key]!r}; index them all again"
            )
    found = find_gallery_videos(videos)
    stays = _staying(gallery, remove, remove_gone)
    wanted = {
        name: path for name, path in found.videos.items() if not any(_names(p, name, path) for p in remove)
    }
    unchanged = {}
    for at, row in stays.items():
        path = wanted.get(row.video_id)
        if path is None:
            unchanged[at] = row
            continue
        if FileState.of(path) == FileState(size=row.size, modified=row.modified):
            unchanged[at] = replace(row, file=path.resolve())
        elif row.file.exists() and not row.file.samefile(path):
            raise DataError(
                f"videos = {printable_path(videos)!r}: {row.video_id!r} is another file than the one of that "
                f"name in the gallery, {row.path!r}; start from the folder that holds both"
            )
    changes = {"gallery": _digest(out), "remove": list(remove), "remove_gone": remove_gone}
    with GalleryWriter(out, facts, about=_about(facts) | changes) as writer:
        _copy(gallery, unchanged, writer)
        kept = {row.video_id for row in unchanged.values()}
        result = _index(
            writer, checkpoint, replace(found, videos=wanted), kept | wanted.keys(), device, on_video
        )
    return result | {"removed": len(gallery) - len(stays)}


def remove_from_gallery(out: Path, remove: Sequence[str], *, gone: bool) -> dict[str, Any]:
    """Take out the videos that `remove` names by id, path or pattern, and with `gone` those without a file.

    No model is needed: what the others have is copied. Gives the facts.
    """
    complete(out)
    gallery = Gallery(out)
    stays = _staying(gallery, remove, gone)
    if not stays:
        raise DataError(f"gallery {printable_path(out)!r}: no video would be left; delete the folder instead")
    facts = {key: gallery.facts[key] for key in _FACTS}
    changes = {"gallery": _digest(out), "remove": list(remove), "remove_gone": gone}
    with GalleryWriter(out, facts, about=changes) as writer:
        _copy(gallery, stays, writer)
        counts = writer.counts()
        made = writer.finish()
    return made | _outcome(counts) | {"removed": len(gallery) - len(stays)}


def encode_with_frames(
    model: Retriever, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]
) -> tuple[Features, Float[Tensor, "b t d"]]:
    """`model.encode_video`, and each frame's own vector from the same pass of the towers."""
    single = model.towers.encode_frames(frames[mask])
    vectors = single.spread(mask.flatten()).pooled.unflatten(0, mask.shape)
    return model.pool_frames(single, mask), vectors


def _index(
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
    made = writer.finish() | _outcome(counts)
    made["unreadable"] = [{"path": v.path, "status": v.status, "message": v.message} for v in left_out]
    return made | {"already": already, "left_out": found.summary()}


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


def _copy(gallery: Gallery, rows: dict[int, GalleryRow], writer: GalleryWriter) -> None:
    """Put what a gallery keeps of these videos, by their place in it, into another that lacks them."""
    missing = [at for at, row in rows.items() if row.video_id not in writer.videos]
    for at, stored in zip(missing, gallery.stored(missing), strict=True):
        writer.add_stored(replace(stored, row=rows[at]))
    writer.commit()


def _staying(gallery: Gallery, remove: Sequence[str], gone: bool) -> dict[int, GalleryRow]:
    """Videos of a gallery, by their place in it, that are not taken out; what matches none is an error."""
    unmatched = set(remove)
    stays = {}
    for at, row in enumerate(gallery.rows()):
        hits = {pattern for pattern in remove if _names(pattern, row.video_id, row.file)}
        unmatched -= hits
        if not hits and not (gone and not row.file.exists()):
            stays[at] = row
    if unmatched:
        raise DataError(
            f"remove = {', '.join(sorted(unmatched))}: no video of the gallery has such an id or path"
        )
    return stays


def _names(pattern: str, video_id: str, path: Path) -> bool:
    """Whether an id, a path, or a pattern of either means this video."""
    names = (video_id, printable_path(path), printable_path(path.absolute()))
    return pattern in names or any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _facts(checkpoint: Checkpoint, videos: Path) -> dict[str, Any]:
    return {
        "checkpoint": checkpoint.reference,
        "model": to_table(checkpoint.recipe.model),
        "precision": checkpoint.recipe.train.precision,
        "model_digest": checkpoint.info["digest"],
        "frames": FrameReader.of(checkpoint.recipe.frames).describe(),
        "videos": printable_path(videos.resolve()),
    }


def _about(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": GALLERY_FORMAT,
        **{key: facts[key] for key in ("model_digest", "precision", "frames", "videos")},
    }


def _digest(gallery: Path) -> str:
    """Of the table, which differs wherever two galleries do."""
    with (gallery / "videos.parquet").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _outcome(counts: dict[str, int]) -> dict[str, Any]:
    return {"videos_by_status": counts, "unreadable": [], "left_out": {}, "already": 0, "removed": 0}
