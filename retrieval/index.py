"""A folder of videos to a gallery, and a gallery to one with videos more or fewer: none is encoded twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from animate.strict_toml import to_table
from retrieval.checkpoint import Checkpoint
from retrieval.datasets import FrameReader
from retrieval.errors import DataError
from retrieval.find import FileState, find_gallery_videos
from retrieval.gallery import GALLERY_FORMAT, Gallery, GalleryRow, GalleryWriter
from retrieval.gallery.place import complete
from retrieval.intake import OnVideo, change_facts, take_in
from retrieval.paths import check_free, check_removed, means
from retrieval.video import printable_path

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
        return take_in(writer, checkpoint, found, found.videos, device, on_video)


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
    check_removed(out, remove)
    stays = _staying(gallery, remove, remove_gone)
    wanted = {
        name: path for name, path in found.videos.items() if not any(means(p, name, path) for p in remove)
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
        result = take_in(
            writer, checkpoint, replace(found, videos=wanted), kept | wanted.keys(), device, on_video
        )
    return result | {"removed": len(gallery) - len(stays)}


def remove_from_gallery(out: Path, remove: Sequence[str], *, gone: bool) -> dict[str, Any]:
    """Take out the videos that `remove` names by id, path or pattern, and with `gone` those without a file.

    No model is needed: what the others have is copied. Gives the facts.
    """
    complete(out)
    gallery = Gallery(out)
    check_removed(out, remove)
    stays = _staying(gallery, remove, gone)
    if not stays:
        raise DataError(f"gallery {printable_path(out)!r}: no video would be left; delete the folder instead")
    facts = {key: gallery.facts[key] for key in _FACTS}
    changes = {"gallery": _digest(out), "remove": list(remove), "remove_gone": gone}
    with GalleryWriter(out, facts, about=changes) as writer:
        _copy(gallery, stays, writer)
        counts = writer.counts()
        made = writer.finish()
    return made | change_facts(counts) | {"removed": len(gallery) - len(stays)}


def _copy(gallery: Gallery, rows: dict[int, GalleryRow], writer: GalleryWriter) -> None:
    """Put what a gallery keeps of these videos, by their place in it, into another that lacks them."""
    missing = [at for at, row in rows.items() if row.video_id not in writer.videos]
    for at, stored in zip(missing, gallery.stored(missing), strict=True):
        writer.add_stored(replace(stored, row=rows[at]))
    writer.commit()


def _staying(gallery: Gallery, remove: Sequence[str], gone: bool) -> dict[int, GalleryRow]:
    """Videos of a gallery, by their place in it, that are not taken out."""
    return {
        at: row
        for at, row in enumerate(gallery.rows())
        if not any(means(pattern, row.video_id, row.file) for pattern in remove)
        and not (gone and not row.file.exists())
    }


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
