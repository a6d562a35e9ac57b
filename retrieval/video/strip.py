"""Frames of a film side by side in one small picture."""

import cv2
import numpy as np
from jaxtyping import UInt8

from retrieval.video.geometry import resized


def encode_strip(frames: UInt8[np.ndarray, "t h w 3"], height: int) -> bytes:
    """A JPEG of RGB frames from left to right, all `height` pixels high and of one width."""
    width = max(1, round(frames.shape[2] * height / frames.shape[1]))
    strip = np.concatenate([resized(frame, height, width) for frame in frames], axis=1)
    _, encoded = cv2.imencode(".jpg", strip[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return encoded.tobytes()
