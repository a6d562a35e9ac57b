"""Tiny video files for tests: the number of each frame is drawn in its pixels."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
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
    form: str | None = None,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (SIDE, SIDE),
    pixel_aspect: Fraction | None = None,
    stored: Callable[[np.ndarray], np.ndarray] = lambda image: image,
) -> Path:
    """A video whose frame i is `numbered(offset + i)`, shown from `starts[i]` ticks of `tick` seconds on.

    `stored` says what is made of each picture before it is encoded; it is scaled to `size`, height and width.
    """
    with av.open(str(path), "w", format=form, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=1 / (tick * (starts[1] - starts[0])), options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        stream.codec_context.time_base = tick
        stream.time_base = tick
        stream.gop_size = gop
        stream.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        for number, start in enumerate(starts):
            image = stored(cv2.resize(numbered(offset + number), size[::-1], interpolation=cv2.INTER_NEAREST))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = start, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix, (p, q) -> (a p + c q, b p + d q), into the track header of an MP4."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # version 0: what comes before it takes 40 bytes
    content[matrix : matrix + 36] = struct.pack(
        ">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    return path
