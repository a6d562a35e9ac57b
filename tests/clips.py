"""Tiny video files for tests: the number of each frame is drawn in its pixels."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIDE = 64
_CELL = 16


def numbered(number: int) -> np.ndarray:
    """An image whose 4 x 4 cells spell `number` in binary, least significant bit first."""
    bits = np.array([number >> i & 1 for i in range(16)], dtype=np.uint8).reshape(4, 4)
    return np.repeat(np.kron(bits * 200 + 28, np.ones((_CELL, _CELL), np.uint8))[..., None], 3, axis=2)


def read_number(image: np.ndarray) -> int:
    """The number in an image of any size made from `numbered`."""
    height, width = image.shape[0] // 4, image.shape[1] // 4
    cells = image[height // 2 :: height, width // 2 :: width, 1][:4, :4] > 128
    return int(sum(1 << i for i, bit in enumerate(cells.reshape(-1)) if bit))


def read_numbers(frames: np.ndarray) -> list[int]:
    return [read_number(frame) for frame in frames]


def write_clip(
    path: Path,
    starts: Sequence[int],
    tick: Fraction,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    gop: int = 12,
    b_frames: int = 2,
    offset: int = 0,
) -> Path:
    """A video whose frame i is `numbered(offset + i)`, shown from `starts[i]` ticks of `tick` seconds on."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=1 / (tick * (starts[1] - starts[0])), options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = tick
        stream.time_base = tick
        stream.gop_size = gop
        stream.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        for number, start in enumerate(starts):
            frame = av.VideoFrame.from_ndarray(numbered(offset + number), format="rgb24")
            frame.pts, frame.time_base = start, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
