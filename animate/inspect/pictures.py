"""What is looked at of a clip: its frames in one small picture, single frames, its still, its video.

Whatever the format: frames are decoded, those of a virtual clip rendered. A *strip* is all frames of a clip,
or some that lie evenly, in a grid in one JPEG: it plays in any browser, frame by frame and exactly, without a
video decoder.
"""

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import cv2
import numpy as np

from animate.arrays import Frames, Picture
from animate.codec import UndecodableImage, decode_still, encode_jpeg
from animate.data import UNDECODED
from animate.film import replay_source
from animate.formats import frame_suffixes
from animate.inspect.catalogue import ClipEntry, RejectedEntry
from animate.inspect.opened import OpenClip, ShardSet, read_clip
from animate.inspect.originals import Originals
from animate.recipe import SourceRecipe

#: Longer side of a rejected input's thumbnail.
THUMBNAIL = 160
#: libjpeg's quality of strips and stills, and of single frames, which are looked at closely.
_QUALITY, _FRAME_QUALITY = 80, 92
#: Strips that are kept once they are made, in bytes.
_KEPT_BYTES = 64 << 20
#: Statuses whose image is not opened: it is none, or opening it ended a process.
_UNOPENED = (*UNDECODED, "crashed", "took_too_long", "took_too_much_memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How a strip is laid out: the numbers of the `frames` that it has, row by row in so many `columns`, each
    `width` by `height` pixels."""

    frames: tuple[int, ...]
    columns: int
    width: int
    height: int

    @property
    def rows(self) -> int:
        return -(-len(self.frames) // self.columns)


def grid_of(num_frames: int, size: tuple[int, int], *, most_frames: int, most_side: int) -> Grid:
    """The grid for clips of so many frames of `size` (width, height): the first and the last are in it, and
    none is larger than it was."""
    chosen = np.linspace(0, num_frames - 1, min(num_frames, most_frames)).round().astype(int)
    scale = min(1.0, most_side / max(size))
    return Grid(
        frames=tuple(chosen.tolist()),
        columns=math.ceil(math.sqrt(len(chosen))),
        width=max(1, round(size[0] * scale)),
        height=max(1, round(size[1] * scale)),
    )


class Unplayable(ValueError):
    """The frames of a clip cannot be had: what is stored does not decode, or another version filmed it."""


class Pictures:
    """Makes the pictures of the clips of a set, on any thread; `grid` is that of their strips."""

    def __init__(self, shard_set: ShardSet, originals: Originals | None, grid: Grid):
        self.set = shard_set
        self.originals = originals
        self.grid = grid
        self._strips: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        # Pillow's limits and warnings are set for the whole process while it decodes: one thread at a time.
        self._decoding = threading.Lock()

    def strip(self, entry: ClipEntry) -> bytes:
        """The clip's strip, as a JPEG; `Unplayable`."""
        with self._lock:
            if entry.key in self._strips:
                self._strips.move_to_end(entry.key)
                return self._strips[entry.key]
        strip = encode_jpeg(_in_grid(self._frames(entry), self.grid), _QUALITY)
        with self._lock:
            self._strips[entry.key] = strip
            while sum(map(len, self._strips.values())) > _KEPT_BYTES and len(self._strips) > 1:
                self._strips.popitem(last=False)
        return strip

    def poster(self, entry: ClipEntry) -> bytes | None:
        """The frame in the middle as it is stored, a JPEG: clips may begin in black; none if virtual."""
        clip = read_clip(self.set, entry.spot)
        if clip.virtual:
            return None
        middle = frame_suffixes(clip.record.num_frames)[clip.record.num_frames // 2]
        return clip.members["jpg" if "mp4" in clip.members else middle]

    def frame(self, entry: ClipEntry, number: int) -> bytes:
        """One frame in its own size, as a JPEG; `IndexError` if there is none, `Unplayable`."""
        clip = read_clip(self.set, entry.spot)
        if not 0 <= number < clip.record.num_frames:
            raise IndexError(f"{entry.key} has frames 0..{clip.record.num_frames - 1}")
        suffix = frame_suffixes(clip.record.num_frames)[number]
        if suffix in clip.members:
            return clip.members[suffix]
        return encode_jpeg(self._frames(entry)[number], _FRAME_QUALITY)

    def _frames(self, entry: ClipEntry) -> Frames:
        try:
            with self._decoding:
                return read_clip(self.set, entry.spot).frames()
        except ValueError as error:
            raise Unplayable(f"{entry.key}: {error}") from None

    def video(self, entry: ClipEntry) -> bytes | None:
        """The MP4 of the clip; None where it is stored otherwise."""
        return read_clip(self.set, entry.spot).members.get("mp4")

    def still(self, clip: OpenClip, image: bytes, most_side: int) -> bytes:
        """A still of the clip as a JPEG with no side longer than `most_side`; `UndecodableImage`."""
        with self._decoding:
            return _small_jpeg(image, replay_source(clip.record), most_side)

    def rejected(self, entry: RejectedEntry, most_side: int) -> bytes | None:
        """A rejected input as a small JPEG; None where there is none, or it does not decode."""
        if self.originals is None or entry.status in _UNOPENED:
            return None
        image = self.originals.of_rejected(entry.spot)
        limits = replace(self.set.recipe.source, min_side=1, max_aspect=1e9)
        try:
            with self._decoding:
                return None if image is None else _small_jpeg(image, limits, most_side)
        except UndecodableImage:
            return None


def _small_jpeg(image: bytes, limits: SourceRecipe, most_side: int) -> bytes:
    picture = decode_still(image, limits, at_least=(most_side, most_side))
    return encode_jpeg(within(picture, most_side), _QUALITY)


def within(picture: Picture, most_side: int) -> Picture:
    """The picture with no side longer than `most_side` pixels."""
    scale = most_side / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _scaled(frame: Picture, grid: Grid) -> Picture:
    if frame.shape[:2] == (grid.height, grid.width):
        return frame
    return cv2.resize(frame, (grid.width, grid.height), interpolation=cv2.INTER_AREA)


def _in_grid(frames: Frames, grid: Grid) -> Picture:
    """The frames of the grid, row by row; black where the last row is short."""
    sheet = np.zeros((grid.rows * grid.height, grid.columns * grid.width, 3), np.uint8)
    for place, number in enumerate(grid.frames):
        top, left = place // grid.columns * grid.height, place % grid.columns * grid.width
        sheet[top : top + grid.height, left : left + grid.width] = _scaled(frames[number], grid)
    return sheet
