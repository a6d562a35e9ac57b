"""Frames are the ones really shown at the chosen moments, and damage is a status, never a made-up frame."""

import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.video import (
    SAMPLERS,
    VIDEO_SUFFIXES,
    Sampler,
    Unreadable,
    VideoFrames,
    find_decoder,
    fit,
    list_frames,
    read_times,
    read_video,
)
from retrieval.video.geometry import resized, square_pixels, upright
from tests.support.clips import numbered, read_numbers, set_matrix, write_clip

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

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


def torchcodec_or_skip() -> None:
    try:
        find_decoder("torchcodec")
    except ValueError as error:
        pytest.skip(str(error))


def clip_of(result: VideoFrames | Unreadable) -> VideoFrames:
    assert isinstance(result, VideoFrames), result
    return result


def shown_at(seconds: Sequence[float | Fraction], starts: Sequence[float | Fraction]) -> list[int]:
    """The rule in its plainest form: the last frame that started at or before the moment."""
    return sorted({max(i for i, start in enumerate(starts) if start <= moment) for moment in seconds})


# --- Samplers ---------------------------------------------------------------------------------------------


timelines = st.lists(st.integers(1, 50), min_size=1, max_size=40).map(
    lambda gaps: (np.cumsum([0, *gaps[:-1]]), int(np.sum(gaps)))
)


@given(times=timelines, num_frames=st.integers(1, 20))
def test_middle_of_segments_is_what_is_shown_then(times, num_frames):
    starts, end = times
    chosen = Sampler(num_frames=num_frames).choose(starts, end, Fraction(1, 10), None)
    moments = [Fraction(end * (2 * i + 1), 2 * num_frames) for i in range(num_frames)]
    assert chosen.tolist() == shown_at(moments, starts.tolist())


@given(times=timelines, num_frames=st.integers(1, 20), seed=st.integers(0, 100))
def test_random_position_takes_each_frame_from_its_own_segment(times, num_frames, seed):
    starts, end = times
    sampler = Sampler(num_frames=num_frames, position="random")
    chosen = sampler.choose(starts, end, Fraction(1), np.random.default_rng(seed))
    again = sampler.choose(starts, end, Fraction(1), np.random.default_rng(seed))
    ends = np.append(starts[1:], end)
    for i in range(num_frames):
        inside = (starts[chosen] < end * (i + 1) / num_frames) & (ends[chosen] >= end * i / num_frames)
        assert inside.any()
    assert chosen.tolist() == again.tolist()


@given(times=timelines, num_frames=st.integers(1, 20), tick=st.fractions("1/90", 2, max_denominator=90))
def test_one_a_second_then_evenly_spread(times, num_frames, tick):
    starts, end = times
    chosen = Sampler(name="one_fps_then_uniform", num_frames=num_frames).choose(starts, end, tick, None)
    seconds, moment = [], 0
    while moment < end * tick:
        seconds.append(Fraction(moment))
        moment += 1
    each_second = shown_at(seconds, [start * tick for start in starts.tolist()])
    assert len(chosen) == min(num_frames, len(each_second))
    assert set(chosen.tolist()) <= set(each_second)
    if num_frames > 1:
        assert (chosen[0], chosen[-1]) == (each_second[0], each_second[-1])


def test_samplers_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match=f"sampler = 'best': must be one of {', '.join(SAMPLERS)}"):
        Sampler(name="best")
    with pytest.raises(ValueError, match="num_frames = 0"):
        Sampler(num_frames=0)
    with pytest.raises(ValueError, match="position = 'end'"):
        Sampler(position="end")
    with pytest.raises(ValueError, match="needs a generator"):
        Sampler(position="random").choose(np.arange(3), 3, Fraction(1), None)


# --- Files ------------------------------------------------------------------------------------------------


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


# --- Shape ------------------------------------------------------------------------------------------------

TURNS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


@pytest.mark.parametrize("turn", TURNS)
def test_each_pixel_goes_where_the_matrix_sends_it(turn):
    a, b, c, d = turn
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    sent = {(a * p + c * q, b * p + d * q): image[q, p] for q in range(2) for p in range(3)}
    left, top = min(x for x, _ in sent), min(y for _, y in sent)
    seen = upright(image, np.array([[a, b, 0], [c, d, 0], [0, 0, 1]], np.int32) << 16)
    assert seen.shape == ((2, 3, 3) if a else (3, 2, 3))
    for (x, y), pixel in sent.items():
        np.testing.assert_array_equal(seen[y - top, x - left], pixel)


@pytest.mark.parametrize("turn", [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0), (-1, 0, 0, 1)])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
def test_frames_are_upright(tmp_path, turn, decoder):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    a, b, c, d = turn
    back = np.array([[a, c, 0], [b, d, 0], [0, 0, 1]], np.int32)  # a turn's transpose is its inverse
    path = tmp_path / "a.mp4"
    write_clip(
        path, range(30), Fraction(1, 30), stored=lambda image: upright(image, back), offset=300, b_frames=0
    )
    set_matrix(path, *turn)
    clip = clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder))
    assert read_numbers(clip.frames) == [305, 315, 325]


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(12, 11), Fraction(1, 2)])
@pytest.mark.parametrize("decoder", ["pyav", "torchcodec"])
@pytest.mark.parametrize("turned", [False, True])
def test_pixels_become_square_and_none_is_lost(tmp_path, aspect, decoder, turned):
    if decoder == "torchcodec":
        torchcodec_or_skip()
    path = tmp_path / "a.mp4"
    write_clip(path, range(30), Fraction(1, 30), size=(64, 96), pixel_aspect=aspect)
    height, width = (64, round(96 * aspect)) if aspect > 1 else (round(64 / aspect), 96)
    if turned:
        set_matrix(path, 0, -1, 1, 0)
        height, width = width, height
    clip = clip_of(read_video(path, Sampler(num_frames=3), decoder=decoder))
    assert clip.frames.shape == (3, height, width, 3)
    if not turned:
        assert read_numbers(clip.frames) == [5, 15, 25]


def test_a_senseless_pixel_aspect_is_not_believed():
    image = np.zeros((64, 96, 3), np.uint8)
    for aspect in (Fraction(1, 1000), Fraction(1000)):
        assert square_pixels(image, aspect).shape == image.shape


def test_shrinking_takes_all_pixels_into_account():
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resized(stripes, 16, 32) == 100).all()


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


# --- Damage -----------------------------------------------------------------------------------------------


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


# --- Folders and stills -----------------------------------------------------------------------------------


def write_folder(folder: Path, numbers: list[int]) -> Path:
    folder.mkdir()
    for place, number in enumerate(numbers, 1):
        cv2.imwrite(str(folder / f"frame{place}.png"), numbered(number))
    return folder


def test_a_folder_of_frames_in_natural_order(tmp_path):
    folder = write_folder(tmp_path / "video1", list(range(12)))
    assert [path.name for path in list_frames(folder)] == [f"frame{i}.png" for i in range(1, 13)]
    assert read_numbers(clip_of(read_video(folder, Sampler(num_frames=20))).frames) == list(range(12))
    assert read_numbers(clip_of(read_video(folder, Sampler(num_frames=3))).frames) == [2, 6, 10]
    clip = clip_of(read_video(folder, Sampler(name="one_fps_then_uniform"), folder_fps=4))
    assert read_numbers(clip.frames) == [0, 4, 8]
    assert clip.seconds.tolist() == [0.0, 1.0, 2.0]


def test_a_broken_image_is_left_out_of_its_folder(tmp_path):
    folder = write_folder(tmp_path / "video1", list(range(4)))
    (folder / "frame2.png").write_bytes(b"no picture")
    clip = clip_of(read_video(folder, Sampler(num_frames=4)))
    assert (clip.status, read_numbers(clip.frames)) == ("truncated", [0, 2, 3])
    for path in folder.iterdir():
        path.write_bytes(b"")
    assert read_video(folder, Sampler()).status == "broken"


def test_a_still_is_a_clip_of_one_frame(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), numbered(77))
    clip = clip_of(read_video(tmp_path / "a.png", Sampler(num_frames=12)))
    assert (read_numbers(clip.frames), clip.seconds.tolist()) == ([77], [0.0])


def test_fit_keeps_the_centre_and_the_shorter_side():
    image = np.zeros((1, 40, 120, 3), np.uint8)
    image[:, :, 40:80] = (255, 128, 0)
    fitted = fit(image, 32)
    assert fitted.shape == (1, 3, 32, 32)
    assert fitted[0, :, 16, 16].tolist() == [255, 128, 0]
    assert (fitted[0, 0, :, 3:-3] > 240).all()
    np.testing.assert_array_equal(fit(fitted.transpose(0, 2, 3, 1), 32), fitted)


# --- Real files -------------------------------------------------------------------------------------------


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
