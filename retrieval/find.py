"""A folder of anything to the videos in it, and to what is not indexed, with the reason."""

import os
import stat
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.errors import DataError
from retrieval.paths import check_videos
from retrieval.video import is_still, is_video, list_frames, printable_path

#: Names that a summary shows for each reason.
SHOWN = 4

NO_VIDEO = "neither video nor image"
BESIDE = "images beside videos"
HIDDEN = "hidden"
NOWHERE = "links that lead nowhere"
SPECIAL = "pipes, sockets or devices"
CLOSED = "cannot be looked into"
ALIKE = "named like another when printed"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideosFound:
    """Videos by id (the path below the folder, as text), in order; and the paths left out, by reason."""

    videos: Mapping[str, Path]
    left_out: Mapping[str, tuple[Path, ...]]

    def summary(self) -> dict[str, dict[str, Any]]:
        """For each reason, how many there are and some of their names, of different suffixes first."""
        return {
            reason: {
                "count": len(paths),
                "examples": [printable_path(path) for path in _varied(paths)[:SHOWN]],
            }
            for reason, paths in self.left_out.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """Tells whether a video has changed: bytes, and nanoseconds of the last change; of all its frames."""

    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> "FileState | None":
        """The state of a video; None where there is none."""
        try:
            facts = [file.stat() for file in (list_frames(path) if path.is_dir() else [path])]
        except OSError:
            return None
        return cls(
            size=sum(fact.st_size for fact in facts),
            modified=max((fact.st_mtime_ns for fact in facts), default=0),
        )


def find_gallery_videos(place: Path) -> VideosFound:
    """Videos under a folder at any depth, or the one file that `place` is.

    A video is a file of a known suffix, a folder below `place` that holds images and no video at any depth,
    or an image in `place` itself that does not bear a video's name (then it is that video's thumbnail).
    Links are followed; what can be reached in two ways is one video, named by where it really is, or by the
    first link. Nothing is opened but folders. `DataError` where there is no video.
    """
    check_videos(place)
    if not place.is_dir():
        return VideosFound(videos={printable_path(place.name): place}, left_out={})
    walk = _Walk(place)
    walk.go()
    videos = {}
    for path in sorted(walk.videos + walk.frames_and_stills()):
        name = printable_path(path.relative_to(place).as_posix())
        if name in videos:
            walk.left_out[ALIKE].append(path)
        else:
            videos[name] = path
    found = VideosFound(videos=videos, left_out={k: tuple(sorted(v)) for k, v in walk.left_out.items()})
    if not videos:
        other = ", ".join(f"{len(paths):,} {reason}" for reason, paths in found.left_out.items())
        raise DataError(
            f"videos = {printable_path(place)!r}: no video or image in it ({other or 'it is empty'})"
        )
    return found


class _Walk:
    """One pass through a folder and all that its links lead to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.videos: list[Path] = []
        self.images: dict[Path, list[Path]] = defaultdict(list)
        self.left_out: dict[str, list[Path]] = defaultdict(list)
        self._links: deque[Path] = deque()
        self._seen: set[str] = set()

    def go(self) -> None:
        self._folder(self.root)
        # Links come after all that is really here: a file keeps its own name, and a link to it adds nothing.
        while self._links:
            self._link(self._links.popleft())

    def frames_and_stills(self) -> list[Path]:
        """Folders of frames, and images of the folder itself; images that belong to videos are left out."""
        holding = {folder for video in self.videos for folder in video.parents}
        titles = {video.stem for video in self.videos if video.parent == self.root}
        found = []
        for folder, images in self.images.items():
            if folder == self.root:
                found += [image for image in images if image.stem not in titles]
                self.left_out[BESIDE] += [image for image in images if image.stem in titles]
            elif folder in holding:
                self.left_out[BESIDE] += images
            else:
                found.append(folder)
        if not self.left_out[BESIDE]:
            del self.left_out[BESIDE]
        return found

    def _folder(self, top: Path) -> None:
        folders = [top]
        while folders:
            folder = folders.pop()
            real = os.path.realpath(folder)
            if real in self._seen:
                continue
            self._seen.add(real)
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                self.left_out[CLOSED].append(folder)
                continue
            for entry in entries:
                path = folder / entry.name
                if entry.name.startswith("."):
                    self.left_out[HIDDEN].append(path)
                elif entry.is_symlink():
                    self._links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    self._file(path, os.path.join(real, entry.name))
                else:
                    self.left_out[SPECIAL].append(path)

    def _link(self, path: Path) -> None:
        try:
            real = os.path.realpath(path, strict=True)
            mode = os.stat(real).st_mode
        except OSError:
            self.left_out[NOWHERE].append(path)
            return
        if stat.S_ISDIR(mode):
            self._folder(path)
        elif stat.S_ISREG(mode):
            self._file(path, real)
        else:
            self.left_out[SPECIAL].append(path)

    def _file(self, path: Path, real: str) -> None:
        if is_still(path) and path.parent != self.root:
            self.images[path.parent].append(path)  # a frame may well be a link to another folder's frame
        elif not (is_video(path) or is_still(path)):
            self.left_out[NO_VIDEO].append(path)  # and yet a link to it may bear a video's name
        elif real not in self._seen:
            self._seen.add(real)
            if is_video(path):
                self.videos.append(path)
            else:
                self.images[path.parent].append(path)


def _varied(paths: Iterable[Path]) -> list[Path]:
    """The first of each suffix, then the others."""
    by_suffix: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_suffix[path.suffix.lower()].append(path)
    firsts = [group[0] for group in by_suffix.values()]
    return firsts + [path for group in by_suffix.values() for path in group[1:]]
