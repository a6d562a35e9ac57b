"""What reading a video gives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from retrieval.video.times import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFrames:
    """Frames that were really in a video.

    `frames` are RGB, and `seconds` is when each starts, since the video's first frame; `duration` is the
    whole video's. `status` is `ok`, or says in what way the file promised more than it holds.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    seconds: Float64[np.ndarray, "t"]
    duration: float
    status: Status
    message: str
