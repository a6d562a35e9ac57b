"""Exact optical flow between two frames of a clip, from its homographies alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from animate.camera import project


def optical_flow(clip: Mapping[str, Any], i: int, j: int) -> Float32[np.ndarray, "h w 2"]:
    """Where each pixel of frame `i` is in frame `j`: its displacement in pixels, x to the right and y down.

    `clip` is what `animate.load` yields, or its `json`. Points that leave the frame keep their true
    displacement. Raises `ValueError` if a frame does not exist, or if the two lie in different shots of the
    clip, between which there is no motion.
    """
    record = clip.get("json", clip)
    num_frames = record["num_frames"]
    for name, frame in (("i", i), ("j", j)):
        if not 0 <= frame < num_frames:
            raise ValueError(f"{name} = {frame}: the clip's frames are 0..{num_frames - 1}")
    if _shot_of(record, i) != _shot_of(record, j):
        raise ValueError(f"frames {i} and {j} lie in different shots; shots start at {record['shot_starts']}")
    homographies = np.asarray(record["homographies"], np.float64).reshape(-1, 3, 3)
    width, height = record["width"], record["height"]
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    points = np.stack([x, y], axis=-1).reshape(-1, 2)
    later_from_earlier = np.linalg.inv(homographies[j]) @ homographies[i]
    moved = (project(later_from_earlier, points) - points) * (width, height)
    return moved.reshape(height, width, 2).astype(np.float32)


def _shot_of(record: Mapping[str, Any], frame: int) -> int:
    return int(np.searchsorted(record["shot_starts"], frame, side="right")) - 1
