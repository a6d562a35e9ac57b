"""What a clip's pixels are in a shard: `WRITERS` turns them into media members, `stored_frames` back.

Add a format: a function here, a line in `WRITERS`, and its suffixes in `media_suffixes`.
"""

import functools
import re
from collections.abc import Callable, Mapping

import numpy as np

from animate.arrays import Frames, Picture
from animate.codec import decode_jpeg, decode_mp4, encode_jpeg, encode_mp4
from animate.recipe import Format, VideoRecipe

_FRAME = re.compile(r"\d+\.jpg")


def _mp4_members(image: bytes, frames: Frames | None, video: VideoRecipe) -> dict[str, bytes]:
    """The clip, and its middle frame as poster: clips may begin in black."""
    assert frames is not None
    return {
        "jpg": encode_jpeg(frames[len(frames) // 2], video.jpeg_quality),
        "mp4": encode_mp4(frames, fps=video.fps, crf=video.crf, preset=video.preset),
    }


def _frames_members(image: bytes, frames: Frames | None, video: VideoRecipe) -> dict[str, bytes]:
    assert frames is not None
    members: dict[str, bytes] = {}
    encoded, before = b"", None
    for suffix, frame in zip(frame_suffixes(len(frames)), frames, strict=True):
        if before is None or not _equal(frame, before):
            encoded = encode_jpeg(frame, video.jpeg_quality)
        members[suffix] = encoded
        before = frame
    return members


def _equal(frame: Picture, other: Picture) -> bool:
    """Whether two frames are the same; two that differ mostly do so in their middle row already."""
    middle = len(frame) // 2
    return frame[middle].tobytes() == other[middle].tobytes() and np.array_equal(frame, other)


def _virtual_members(image: bytes, frames: Frames | None, video: VideoRecipe) -> dict[str, bytes]:
    """The still's own bytes, whatever image format they are: readers look at them, not at the name."""
    return {"jpg": image}


#: Format -> (bytes of the still, frames or None for virtual, how to store them) to media members by suffix.
WRITERS: dict[Format, Callable[[bytes, Frames | None, VideoRecipe], dict[str, bytes]]] = {
    "mp4": _mp4_members,
    "frames": _frames_members,
    "virtual": _virtual_members,
}


@functools.lru_cache(maxsize=16)
def frame_suffixes(num_frames: int) -> tuple[str, ...]:
    """Suffixes of frames' members, with as many digits as keep them in order: `00.jpg`, `01.jpg`, …"""
    digits = max(2, len(str(num_frames - 1)))
    return tuple(f"{number:0{digits}d}.jpg" for number in range(num_frames))


def media_suffixes(video: VideoRecipe) -> list[str]:
    """Suffixes of the media members that a clip of this recipe has."""
    if video.format == "frames":
        return list(frame_suffixes(video.num_frames))
    return ["jpg", "mp4"] if video.format == "mp4" else ["jpg"]


def stored_frames(members: Mapping[str, bytes]) -> Frames | None:
    """The frames that a clip's members hold; None for a virtual clip. `ValueError` if they do not decode."""
    if "mp4" in members:
        return decode_mp4(members["mp4"])
    names = sorted(suffix for suffix in members if _FRAME.fullmatch(suffix))
    return np.stack([decode_jpeg(members[name]) for name in names]) if names else None
