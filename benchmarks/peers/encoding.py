"""The floor of the mp4 format: the floor's frames through a bare PyAV loop with our encoder settings."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import simplejpeg

from benchmarks.peers import moves

#: What the mp4 format asks of x264 by default.
SETTINGS = {
    "crf": "23", "preset": "veryfast", "g": "12", "bf": "0", "threads": "1", "mbtree": "0",
}  # fmt: skip


def pyav_perspective(photographs: Sequence[Path], tar: Path) -> None:
    """simplejpeg, `warpPerspective`, OpenCV's I420, libx264 in an mp4 in memory, tarfile."""
    size = (moves.SIZE, moves.SIZE)
    frame = np.empty((moves.SIZE, moves.SIZE, 3), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as file:
        for number, photograph in enumerate(photographs):
            still = simplejpeg.decode_jpeg(photograph.read_bytes(), "RGB")
            buffer = io.BytesIO()
            again = lambda *_, buffer=buffer: io.BytesIO(buffer.getvalue())  # noqa: E731
            with av.open(buffer, "w", format="mp4", options={"movflags": "+faststart"}, io_open=again) as out:
                stream = out.add_stream("libx264", rate=moves.FPS, options=SETTINGS)
                stream.width, stream.height, stream.pix_fmt = moves.SIZE, moves.SIZE, "yuv420p"
                stream.thread_type = "NONE"
                stream.codec_context.thread_count = 1
                for matrix in moves.perspective(number, still.shape[1], still.shape[0]):
                    cv2.warpPerspective(still, matrix, size, frame, flags, cv2.BORDER_REPLICATE)
                    planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
                    for packet in stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")):
                        out.mux(packet)
                for packet in stream.encode():
                    out.mux(packet)
            header = tarfile.TarInfo(f"{number:09d}.mp4")
            header.size = buffer.getbuffer().nbytes
            file.addfile(header, io.BytesIO(buffer.getvalue()))
