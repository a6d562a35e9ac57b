"""What an MP4 holds, and that its bytes are the same everywhere."""

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from animate.codec import (
    decode_mp4,
    encode_mp4,
)
from tests.support.pictures import difference, picture


def pan(num_frames: int, width: int = 96, height: int = 64) -> np.ndarray:
    wide = picture(width + 2 * num_frames, height)
    return np.stack([wide[:, 2 * i : 2 * i + width] for i in range(num_frames)])


def opened(data: bytes):
    return av.open(io.BytesIO(data), "r")


@pytest.mark.parametrize("num_frames", [1, 2, 12, 13, 40])
def test_an_mp4_holds_what_it_declares(num_frames):
    frames = pan(num_frames)
    stored = encode_mp4(frames, fps=5, crf=18, preset="veryfast")
    assert difference(decode_mp4(stored), frames) < 3
    with opened(stored) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.base_rate) == (num_frames, 5, 5)
        assert stream.duration * stream.time_base == Fraction(num_frames, 5)
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert [packet.pts * packet.time_base for packet in packets] == [
        i / stream.average_rate for i in range(num_frames)
    ]
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets]  # no B-frames
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    assert keys[0] == 0 and max(np.diff([*keys, num_frames]), default=0) <= 12
    assert stored.index(b"moov") < stored.index(b"mdat")


@pytest.mark.parametrize(("fps", "rate"), [(30000 / 1001, (30000, 1001)), (12.5, (25, 2)), (29.9, (299, 10))])
def test_a_fractional_rate_is_exact(fps, rate):
    with opened(encode_mp4(pan(30), fps=fps, crf=23, preset="ultrafast")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == stream.base_rate == Fraction(*rate)
        assert stream.duration * stream.time_base == 30 / Fraction(*rate)


def test_an_mp4_says_how_its_colours_are_coded():
    with opened(encode_mp4(pan(3), fps=4, crf=23, preset="ultrafast")) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
    assert (context.name, frame.format.name) == ("h264", "yuv420p")
    assert (frame.colorspace, frame.color_range, context.color_primaries, context.color_trc) == (6, 1, 1, 13)


@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 30)]
)
def test_colours_come_back_here_and_in_swscale(color):
    frames = np.full((4, 64, 96, 3), color, np.uint8)
    stored = encode_mp4(frames, fps=4, crf=10, preset="veryfast")
    assert np.abs(decode_mp4(stored).astype(int) - frames).max() <= 4
    with opened(stored) as container:
        for frame in container.decode(video=0):
            assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - color).max() <= 5


def test_chroma_is_the_mean_of_its_four_pixels():
    # Red and blue in turn: a decoder sees their mean, not the red of every other pixel.
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    frames[..., 0::2, 0], frames[..., 1::2, 2] = 255, 255
    mean = decode_mp4(encode_mp4(frames, fps=4, crf=1, preset="medium")).mean(axis=(0, 1, 2))
    assert abs(mean[0] - mean[2]) < 25


def test_videos_of_others_are_read_by_their_own_tags():
    buffer = io.BytesIO()
    color = (200, 120, 30)
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), color, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv444p", dst_colorspace="ITU709")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert np.abs(decode_mp4(buffer.getvalue()).astype(int) - color).max() <= 5


@pytest.mark.parametrize("damage", ["empty", "rubbish", "cut"])
def test_a_broken_mp4_is_refused(damage):
    whole = encode_mp4(pan(12), fps=4, crf=23, preset="veryfast")
    data = {"empty": b"", "rubbish": b"rubbish" * 50, "cut": whole[: whole.index(b"mdat")]}[damage]
    with pytest.raises(ValueError, match="MP4"):
        decode_mp4(data)


ENCODE_UNDER_NOISE = """
import hashlib, numpy as np
from animate.codec import encode_mp4
rng = np.random.default_rng(0)
wide = np.cumsum(rng.integers(-9, 10, (224, 300, 3)), axis=1).astype(np.uint8)
for width, height in ((224, 224), (200, 120)):
    for preset in ("veryfast", "medium"):
        frames = np.stack([wide[:height, 3 * i : 3 * i + width] for i in range(14)])
        print(hashlib.sha256(encode_mp4(frames, fps=4, crf=23, preset=preset)).hexdigest())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only glibc can fill fresh memory with noise"
)
def test_bytes_do_not_depend_on_what_fresh_memory_holds():
    # x264's macroblock trees did: with fresh memory full of 0xFE, their AVX-512 code gave other bytes.
    heap = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
    answers = {
        subprocess.run(
            [sys.executable, "-c", ENCODE_UNDER_NOISE],
            env={**os.environ, **heap, "MALLOC_PERTURB_": noise},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for noise in ("0", "1", "85")
    }
    assert len(answers) == 1 and len(answers.pop().split()) == 4
