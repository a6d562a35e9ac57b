"""Damage is a status, never a made-up frame."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from retrieval.video import (
    Sampler,
    Unreadable,
    read_times,
    read_video,
)
from tests.support.clips import read_numbers, write_clip
from tests.support.reading import clip_of, torchcodec_or_skip


@pytest.fixture(scope="module")
def fast_start(tmp_path_factory):
    """An MP4 with its index first, so that a cut one can still be opened."""
    return write_clip(
        tmp_path_factory.mktemp("clips") / "a.mp4",
        range(90),
        Fraction(1, 30),
        container_options={"movflags": "+faststart"},
    )


def test_a_missing_file_and_no_file_at_all(tmp_path):
    assert read_video(tmp_path / "none.mp4", Sampler()).status == "missing"
    assert read_video(tmp_path / "none.jpg", Sampler()).status == "missing"
    (tmp_path / "empty.mp4").touch()
    assert read_video(tmp_path / "empty.mp4", Sampler()).status == "empty"
    assert read_video(Path("/dev/zero"), Sampler()).status == "broken"
    for name in ("pipe.mp4", "pipe.jpg"):
        os.mkfifo(tmp_path / name)
        assert read_video(tmp_path / name, Sampler()).status == "broken"
    assert read_video(tmp_path / "empty.mp4" / "a.mp4", Sampler()).status == "missing"
    (tmp_path / "folder").mkdir()
    assert read_video(tmp_path / "folder", Sampler()).status == "empty"


def test_no_video_in_it():
    result = read_video(b"these are words, not pictures" * 50, Sampler())
    assert isinstance(result, Unreadable)
    assert result.status == "broken"


def test_a_stream_without_frames_is_empty(tmp_path):
    path = write_clip(tmp_path / "a.mkv", range(30), Fraction(1, 30))
    whole = path.read_bytes()
    cluster = whole.index(b"\x1f\x43\xb6\x75")
    result = read_video(whole[: cluster + 16], Sampler())
    assert isinstance(result, Unreadable)
    assert result.status == "empty"


@pytest.mark.parametrize("open_gop", [0, 1])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_a_stream_cut_inside_a_group_of_pictures_begins_with_its_first_decodable_frame(
    tmp_path, open_gop, decoder
):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    options = {"x264-params": f"open-gop={open_gop}:keyint=24:min-keyint=24:scenecut=0:bframes=2:b-adapt=0"}
    path = write_clip(tmp_path / "a.ts", range(90), Fraction(1, 30), gop=24, options=options)
    whole = path.read_bytes()
    path.write_bytes(whole[len(whole) // 188 // 7 * 188 :])
    with av.open(str(path)) as container:
        decodable = read_numbers(
            np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        )
    # The oracle is a plain decoding; it begins with a keyframe.
    assert len(decodable) in (42, 66)
    times = read_times(path)
    assert not isinstance(times, Unreadable)
    assert (len(times.starts), times.status) == (len(decodable), "ok"), times.message
    assert times.duration == pytest.approx(len(decodable) / 30, abs=0.01)
    clip = clip_of(read_video(path, Sampler(num_frames=90), decoder=decoder))
    assert (read_numbers(clip.frames), clip.status) == (decodable, "ok")
    few = clip_of(read_video(path, Sampler(num_frames=2), decoder=decoder))
    n = len(decodable)
    assert read_numbers(few.frames) == [decodable[n // 4], decodable[n * 3 // 4]]


@pytest.mark.parametrize("part", [0.6, 0.8, 0.95])
def test_a_cut_file_gives_its_real_frames_and_says_truncated(fast_start, part):
    whole = fast_start.read_bytes()
    clip = clip_of(read_video(whole[: int(len(whole) * part)], Sampler(num_frames=20)))
    assert clip.status == "truncated"
    assert "90 frames are promised" in clip.message
    shown = read_numbers(clip.frames)
    # Each frame is what it was in the whole file, at its own time.
    assert shown == [round(second * 30) for second in clip.seconds]
    assert shown == sorted(set(shown))
    assert clip.duration < 3.0


def test_a_file_whose_pictures_are_noise_is_broken(fast_start):
    whole = bytearray(fast_start.read_bytes())
    start = whole.index(b"mdat") + 4
    whole[start:] = np.random.default_rng(0).bytes(len(whole) - start)
    assert read_video(bytes(whole), Sampler()).status == "broken"


def test_a_container_that_promises_ten_hours_is_read_to_its_real_end(tmp_path):
    path = write_clip(tmp_path / "a.mkv", range(90), Fraction(1, 30))
    lying = bytearray(path.read_bytes())
    duration = lying.index(b"\x44\x89\x88") + 3
    assert struct.unpack(">d", lying[duration : duration + 8])[0] == 3000.0
    lying[duration : duration + 8] = struct.pack(">d", 36_000_000.0)
    clip = clip_of(read_video(bytes(lying), Sampler(num_frames=10)))
    assert clip.status == "wrong_length"
    assert "the file says 36000.0 s, its frames last 3.0 s" in clip.message
    assert read_numbers(clip.frames) == read_numbers(clip_of(read_video(path, Sampler(num_frames=10))).frames)


def test_a_last_frame_that_claims_to_last_for_ever_does_not_push_out_the_others(tmp_path):
    starts = [*range(29), 35]
    options = {"movflags": "+faststart"}
    path = write_clip(tmp_path / "a.mp4", starts, Fraction(1, 30), container_options=options, b_frames=0)
    lying = bytearray(path.read_bytes())
    table = lying.index(b"stts") + 4 + 4
    (entries,) = struct.unpack(">I", lying[table : table + 4])
    last = table + 4 + 8 * (entries - 1)
    assert struct.unpack(">I", lying[last : last + 4]) == (1,), "the last frame has a duration of its own"
    last += 4
    lying[last : last + 4] = struct.pack(">I", 2**30)
    clip = clip_of(read_video(bytes(lying), Sampler(num_frames=10)))
    # As long as the longest other one: 7 / 30 of a second.
    assert clip.duration == pytest.approx(42 / 30, abs=0.01)
    assert len(clip.frames) >= 9
