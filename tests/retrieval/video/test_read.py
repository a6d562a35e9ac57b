"""Frames of every kind of file are the ones really shown at the chosen moments."""

import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from retrieval.video import (
    VIDEO_SUFFIXES,
    Sampler,
    Unreadable,
    find_decoder,
    read_times,
    read_video,
)
from tests.support.clips import numbered, read_numbers, write_clip
from tests.support.reading import clip_of, shown_at, torchcodec_or_skip

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
CONTAINERS = [
    ("a.mp4", "libx264", 2),
    ("a.mov", "mpeg4", 0),
    ("a.mkv", "libx264", 2),
    ("a.avi", "libx264", 2),
    ("b.avi", "mpeg4", 0),
    ("a.webm", "libvpx-vp9", 0),
    ("a.ts", "libx264", 2),
    ("a.mpg", "mpeg2video", 2),
]


@pytest.mark.parametrize(("name", "codec", "b_frames"), CONTAINERS)
def test_every_frame_of_every_container_is_the_one_asked_for(tmp_path, name, codec, b_frames):
    path = write_clip(tmp_path / name, range(75), Fraction(1, 30), codec=codec, b_frames=b_frames)
    whole = clip_of(read_video(path, Sampler(num_frames=75)))
    assert read_numbers(whole.frames) == list(range(75))
    assert whole.status == "ok"
    assert whole.duration == pytest.approx(2.5, abs=0.01)
    np.testing.assert_allclose(whole.seconds, np.arange(75) / 30, atol=0.001)
    # Few frames: the reader leaps from keyframe to keyframe, and must land on the same ones.
    few = clip_of(read_video(path.read_bytes(), Sampler(num_frames=5)))
    assert read_numbers(few.frames) == [7, 22, 37, 52, 67]
    assert read_numbers(clip_of(read_video(path, Sampler(name="one_fps_then_uniform"))).frames) == [0, 30, 60]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_variable_frame_rate_goes_by_time_and_not_by_count(tmp_path, name, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    # 20 frames in the first second, then one a second, one of them held for three seconds.
    seconds = [*(i / 20 for i in range(20)), 1.0, 2.0, 3.0, 6.0, 7.0]
    path = write_clip(tmp_path / name, [round(s * 90000) for s in seconds], Fraction(1, 90000), gop=4)
    for sampler in (Sampler(num_frames=10), Sampler(num_frames=40), Sampler(name="one_fps_then_uniform")):
        clip = clip_of(read_video(path, sampler, decoder=decoder))
        times = read_times(path)
        assert not isinstance(times, Unreadable)
        np.testing.assert_allclose(times.seconds, seconds, atol=0.002)
        if sampler.name == "uniform_segments":
            n = sampler.num_frames
            moments = [times.duration * (2 * i + 1) / (2 * n) for i in range(n)]
        else:
            moments = [float(second) for second in range(int(np.ceil(times.duration)))]
        assert read_numbers(clip.frames) == shown_at(moments, times.seconds.tolist())


@pytest.mark.parametrize(("name", "codec", "b_frames"), CONTAINERS)
def test_torchcodec_gives_the_same_frames(tmp_path, name, codec, b_frames):
    torchcodec_or_skip()
    path = write_clip(tmp_path / name, range(75), Fraction(1, 30), codec=codec, b_frames=b_frames)
    ours, theirs = (
        clip_of(read_video(path, Sampler(num_frames=9), decoder=decoder))
        for decoder in ("pyav", "torchcodec")
    )
    assert read_numbers(theirs.frames) == read_numbers(ours.frames)
    np.testing.assert_array_equal(theirs.seconds, ours.seconds)


#: Suffix -> muxer, encoder and pixels of a file that carries it.
KINDS = {
    **dict.fromkeys([".mp4", ".m4v", ".f4v"], ("mp4", "libx264", "yuv420p")),
    **dict.fromkeys([".mov", ".qt"], ("mov", "libx264", "yuv420p")),
    **dict.fromkeys([".3gp", ".3g2"], ("3gp", "mpeg4", "yuv420p")),
    **dict.fromkeys([".ts", ".mts", ".m2ts", ".m2t"], ("mpegts", "libx264", "yuv420p")),
    **dict.fromkeys([".mpg", ".mpeg", ".mpe"], ("mpeg", "mpeg1video", "yuv420p")),
    **dict.fromkeys([".avi", ".divx"], ("avi", "mpeg4", "yuv420p")),
    **dict.fromkeys([".wmv", ".asf"], ("asf", "wmv2", "yuv420p")),
    ".mkv": ("matroska", "libx264", "yuv420p"),
    ".webm": ("webm", "libvpx", "yuv420p"),
    ".ogv": ("ogg", "libvpx", "yuv420p"),
    ".flv": ("flv", "flv", "yuv420p"),
    ".gif": ("gif", "gif", "gray"),
    ".m2v": ("mpeg2video", "mpeg2video", "yuv420p"),
    ".vob": ("vob", "mpeg2video", "yuv420p"),
    ".mxf": ("mxf", "mpeg2video", "yuv420p"),
}


def test_every_suffix_has_a_kind_here():
    assert set(KINDS) == VIDEO_SUFFIXES


@pytest.mark.parametrize("suffix", sorted(KINDS))
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_a_file_of_every_suffix_is_read(tmp_path, suffix, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    form, codec, pix_fmt = KINDS[suffix]
    path = tmp_path / f"a{suffix}"
    write_clip(path, range(25), Fraction(1, 25), codec=codec, b_frames=0, form=form, pix_fmt=pix_fmt)
    clip = clip_of(read_video(path, Sampler(num_frames=5), decoder=decoder))
    assert (read_numbers(clip.frames), clip.status) == ([2, 7, 12, 17, 22], "ok"), clip.message
    assert clip.duration == pytest.approx(1.0, abs=0.05)


NAMES = [
    b"a: b.mp4",
    b"-x.mp4",
    b"pipe:1.mp4",
    b"file:q.mp4",
    b"50%03d.mp4",
    b"caf\xe9.mp4",
    "\u732b?.mp4".encode(),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_a_file_of_any_name_is_read_and_named_in_valid_text(tmp_path, monkeypatch, name, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    whole = write_clip(tmp_path / "whole.mp4", range(30), Fraction(1, 30)).read_bytes()
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    path.write_bytes(whole)
    assert read_numbers(clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder)).frames) == [
        5,
        15,
        25,
    ]
    path.write_bytes(b"no video")
    message = read_video(path, Sampler(), decoder=decoder).message
    assert message.encode().startswith(name.replace(b"\xe9", rb"\xe9"))


@pytest.mark.parametrize("sampler", [Sampler(num_frames=5), Sampler(name="one_fps_then_uniform")])
def test_a_healthy_file_is_opened_once(tmp_path, monkeypatch, sampler):
    path = write_clip(tmp_path / "a.mp4", range(75), Fraction(1, 30))
    opened = []
    open_ = av.open
    monkeypatch.setattr(av, "open", lambda *args, **kwargs: opened.append(args) or open_(*args, **kwargs))
    clip_of(read_video(path, sampler))
    assert len(opened) == 1


def test_looking_at_videos_loads_no_torch():
    code = "import sys, retrieval.video; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_decoder_names():
    assert find_decoder("pyav") == "pyav"
    assert find_decoder("auto") in ("pyav", "torchcodec")
    with pytest.raises(ValueError, match="must be auto, pyav or torchcodec"):
        find_decoder("decord")


def write_growing(path: Path, sizes: Sequence[tuple[int, int]], each: int) -> Path:
    """A stream whose frames change their size (height, width), `each` frames of every one."""
    tick = Fraction(1, 25)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *sizes[0], "yuv420p"
        for part, (height, width) in enumerate(sizes):
            encoder = av.CodecContext.create("libvpx", "w")
            assert isinstance(encoder, av.VideoCodecContext)
            encoder.height, encoder.width, encoder.pix_fmt, encoder.time_base = height, width, "yuv420p", tick
            packets = []
            for number in range(part * each, (part + 1) * each):
                image = cv2.resize(numbered(number), (width, height), interpolation=cv2.INTER_NEAREST)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = number, tick
                packets += encoder.encode(frame)
            for packet in packets + encoder.encode(None):
                packet.stream = stream
                container.mux(packet)
    return path


@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_frames_of_a_stream_that_changes_its_size_have_the_first_ones(tmp_path, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    path = write_growing(tmp_path / "a.webm", [(64, 96), (128, 64), (32, 48)], 10)
    clip = clip_of(read_video(path, Sampler(num_frames=30), decoder=decoder))
    assert (clip.frames.shape, clip.status) == ((30, 64, 96, 3), "ok")
    assert read_numbers(clip.frames) == list(range(30))
    late = clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder))
    assert (late.frames.shape[1:3], read_numbers(late.frames)) == ((64, 96), [5, 15, 25])


@pytest.mark.parametrize("folder", ["msvd-clips", "panda70m-clips/videos"])
def test_real_clips_are_healthy_and_of_their_known_length(folder):
    files = sorted(path for path in (SHARED / folder).glob("*") if path.suffix in (".avi", ".mp4"))
    if not files:
        pytest.skip(f"{SHARED / folder} is not there: real clips are needed")
    for path in files[:6]:
        clip = clip_of(read_video(path, Sampler(num_frames=8)))
        assert (clip.status, len(clip.frames)) == ("ok", 8), clip.message
        if folder == "msvd-clips":  # the file's name ends with its first and last second
            first, last = map(int, path.stem.split("_")[-2:])
            assert clip.duration == pytest.approx(last - first, abs=1.1)
