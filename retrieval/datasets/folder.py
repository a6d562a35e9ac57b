"""Where the videos of a list lie: in a folder, or in the folders of that folder."""

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from retrieval.errors import DataError, MissingData
from retrieval.video import VIDEO_SUFFIXES

_SHOWN = 5


def find_folder(folder: str, *, what: str, page: str) -> Path:
    """The folder of videos; `MissingData` where it is none."""
    if not folder or not os.path.isdir(folder):
        raise MissingData(
            f"{what}: the folder of videos {folder!r} is not there",
            page=page,
            place="any folder, named as data.videos: one file, or one folder of frames, for each video",
        )
    return Path(folder)


def find_videos(folder: str, ids: Collection[str], *, what: str, page: str) -> dict[str, Path]:
    """The file, or the folder of frames, of each of `ids` that is there.

    An id is a file's name with or without its suffix, a frame folder's name (a file goes before it), one of
    these in other letter case where that leaves no choice, or a path from `folder` on. What `folder` itself
    has not is looked for one level down (MSR-VTT comes as TrainValVideo/ and TestVideo/). None at all is
    `MissingData`.
    """
    place = find_folder(folder, what=what, page=page)
    found: dict[str, Path] = {}
    for inside, named in _by_folder(ids).items():
        if os.path.isdir(place / inside):
            matched = _match(named, _names(place / inside))
            found |= {named[name]: path for name, path in matched.items()}
    left = [video for video in ids if video not in found]
    used = set(found.values())
    for below in _folders(place) if left else ():
        if below in used or not os.access(below, os.R_OK | os.X_OK):  # a video's frames; a disk's lost+found
            continue
        for video, path in _match(left, _names(below)).items():
            if video in found:
                raise DataError(
                    f"{what}: video {video!r} is in {str(found[video].parent)!r} and in {str(below)!r}; "
                    "name one of them as data.videos"
                )
            found[video] = path
    if not found:
        raise MissingData(
            f"{what}: none of the {len(ids):,} videos of its lists, such as {next(iter(ids))!r}, is in "
            f"{folder!r} or a folder there; {seen_in(place)}",
            page=page,
            place=f"{folder}/<video id>.mp4, or a folder of frames {folder}/<video id>",
        )
    return found


def video_id(name: str) -> str:
    """The name without a video's suffix, if it has one: lists have `video0` or `video0.mp4`."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def _names(folder: Path) -> dict[str, Path]:
    """All that a folder has, by each name that an id may have for it; of equal names the last counts."""
    with os.scandir(folder) as entries:
        listed = sorted((entry.name, entry.is_dir()) for entry in entries)
    names = {name: folder / name for name, _ in listed}
    return names | {video_id(name): folder / name for name, is_folder in listed if not is_folder}


def _folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.is_dir())


def _by_folder(ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Ids by the folder that they name ("" for most) and their name in it."""
    folders: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for video in ids:
        inside, name = os.path.split(video.rstrip("/"))
        folders[inside][name] = video
    return folders


def _match(ids: Collection[str], names: Mapping[str, Path]) -> dict[str, Path]:
    """Ids whose very name is there, then those that only one name fits when case is ignored."""
    found: dict[str, Path] = {}
    for video in ids:
        path = names.get(video) or names.get(video_id(video))
        if path is not None:
            found[video] = path
    if len(found) == len(ids):
        return found
    used = set(found.values())
    folded: defaultdict[str, set[Path]] = defaultdict(set)
    for name, path in names.items():
        if path not in used:
            folded[name.casefold()].add(path)
    # "aB" and "ab" are two videos of YouTube: where a list has both, case decides.
    wanted = Counter(video_id(video).casefold() for video in ids)
    for video in ids:
        name = video_id(video).casefold()
        if video not in found and wanted[name] == 1 and len(folded[name]) == 1:
            [found[video]] = folded[name]
    return found


def seen_in(folder: Path) -> str:
    """What a folder holds, in a few words."""
    names = sorted(os.listdir(folder))
    if not names:
        return "it is empty"
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return f"it holds {len(names):,} entries: {shown}{', …' if len(names) > _SHOWN else ''}"
