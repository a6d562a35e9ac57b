"""One function from a video, a folder of frames or a still to the frames that a sampler chooses."""

import importlib.util
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from animate.strict_toml import RecipeError
from retrieval.video.frames import VideoFrames
from retrieval.video.geometry import Matrix, RgbImage, resized, square_pixels, upright
from retrieval.video.kinds import is_still
from retrieval.video.sampling import Sampler
from retrieval.video.source import address, frames, known_stream, name_of, pixel_aspect, with_container
from retrieval.video.stills import read_folder, read_stills
from retrieval.video.times import FrameTimes, Unreadable, read_times

Decoder = Literal["pyav", "torchcodec"]


def read_video(
    source: Path | bytes,
    sampler: Sampler,
    *,
    rng: np.random.Generator | None = None,
    decoder: Decoder = "pyav",
    folder_fps: int = 1,
) -> VideoFrames | Unreadable:
    """The frames that `sampler` chooses from a video file (or its bytes), a folder of images, or a still.

    Frames are as they are meant to be seen, whatever the decoder: upright (the nearest quarter turn or mirror
    image of the display matrix), with square pixels (stretched along the side that has too few of them).
    Where the frame size changes within a stream, all are scaled to the size of the first one chosen, as
    `ffmpeg` does; images of a folder that differ in size from the first one chosen are left out.
    A folder is read as `folder_fps` frames a second in the natural order of their names.
    Chosen frames that cannot be decoded are left out (status `truncated`), never replaced.
    """
    if isinstance(source, Path) and source.is_dir():
        return read_folder(source, sampler, rng, folder_fps)
    if isinstance(source, Path) and is_still(source):
        return read_stills([source], [0], Fraction(1), 1)
    chosen: list[int] = []
    at_once: dict[int, RgbImage] = {}

    def pick_at_once(container: InputContainer, times: FrameTimes) -> None:
        nonlocal decoder
        chosen.extend(_choose(sampler, times, rng))
        # What this container cannot give after all is looked for from the start, below.
        with suppress(FFmpegError):
            if decoder == "torchcodec" and not _is_turned(container, times):
                return
            decoder = "pyav"  # torchcodec turns by the matrix's angle, which tells nothing of mirror images
            at_once.update(_pick(container, times, chosen, rewind=True))

    times = read_times(source, pick_at_once)
    if isinstance(times, Unreadable):
        return times
    chosen = chosen or _choose(sampler, times, rng)
    images: dict[int, RgbImage] | Unreadable = at_once
    if len(images) < len(chosen):
        # Without stamps to ask for, only PyAV's plain decoding order identifies a frame.
        images = DECODERS[decoder if times.pts is not None else "pyav"](source, times, chosen)
    if isinstance(images, Unreadable):
        return images
    name = name_of(source)
    if not images:
        return Unreadable(status="broken", message=f"{name}: no chosen frame can be decoded")
    status, message = times.status, times.message
    if len(images) < len(chosen):
        status = "truncated"
        message = f"{name}: {len(chosen) - len(images)} of {len(chosen)} frames cannot be decoded"
    kept = sorted(images)
    height, width = images[kept[0]].shape[:2]
    return VideoFrames(
        frames=np.stack([resized(images[i], height, width) for i in kept]),
        seconds=times.seconds[kept],
        duration=times.duration,
        status=status,
        message=message,
    )


def find_decoder(name: str) -> Decoder:
    """The decoder to use; `auto` is torchcodec where it and the system's FFmpeg libraries can be loaded.

    `RecipeError` where that library is asked for and cannot be.
    """
    if name == "pyav":
        return "pyav"
    if name not in ("auto", "torchcodec"):
        raise RecipeError(f"decoder = {name!r}: must be auto, pyav or torchcodec")
    reason = _why_no_torchcodec()
    if name == "torchcodec" and reason:
        raise RecipeError(f"decoder = 'torchcodec': {reason}; decoder = 'pyav' carries its own FFmpeg")
    return "pyav" if reason else "torchcodec"


def _why_no_torchcodec() -> str:
    if importlib.util.find_spec("torchcodec") is None:
        return "torchcodec is not installed"
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:  # what it raises without FFmpeg's libraries
        return f"torchcodec cannot be loaded ({str(error).strip().splitlines()[0]})"
    return ""


def _decode_pyav(
    source: Path | bytes, times: FrameTimes, chosen: Sequence[int]
) -> dict[int, RgbImage] | Unreadable:
    if times.pts is None:
        return with_container(source, lambda container, _: _pick_by_order(container, set(chosen)))
    images = with_container(source, lambda container, _: _pick(container, times, chosen))
    if isinstance(images, dict) and len(images) < len(chosen):
        # A format whose seeking is inexact, or damage behind a keyframe: read on from the start instead.
        return with_container(source, lambda container, _: _pick(container, times, chosen, seek=False))
    return images


def _choose(sampler: Sampler, times: FrameTimes, rng: np.random.Generator | None) -> list[int]:
    return sampler.choose(times.starts, times.end, times.tick, rng).tolist()


def _pick(
    container: InputContainer,
    times: FrameTimes,
    chosen: Sequence[int],
    *,
    seek: bool = True,
    rewind: bool = False,
) -> dict[int, RgbImage]:
    """Frames by their stamps; stretches with a keyframe between here and the next wanted one are skipped.

    With `rewind` the container has been read, and first goes back to the keyframe before the first of them.
    """
    assert times.pts is not None
    wanted = {times.pts[i]: i for i in chosen}
    keyframes = times.keyframes if seek else ()
    stream = known_stream(container)
    images: dict[int, RgbImage] = {}
    convert = _Converter(stream)
    here = -math.inf if rewind else None
    reading = frames(container, stream)
    for stamp in sorted(wanted):
        before = bisect_right(keyframes, stamp)
        nearest = keyframes[before - 1] if before else None
        if nearest is not None and here is not None and here < nearest:
            container.seek(nearest, stream=stream)
            reading = frames(container, stream)
        for frame in reading:
            if frame.pts is None:
                continue
            here = frame.pts
            if here == stamp:
                images[wanted[stamp]] = convert(frame)
            if here >= stamp:
                break
    return images


def _pick_by_order(container: InputContainer, wanted: set[int]) -> dict[int, RgbImage]:
    stream = known_stream(container)
    images: dict[int, RgbImage] = {}
    convert = _Converter(stream)
    for place, frame in enumerate(frames(container, stream)):
        if place in wanted:
            images[place] = convert(frame)
            if len(images) == len(wanted):
                break
    return images


class _Converter:
    """Decoded frames of one stream to pictures as they are meant to be seen."""

    def __init__(self, stream: VideoStream) -> None:
        self._aspect = pixel_aspect(stream)
        self._to_rgb = VideoReformatter()  # one for all: what it prepares costs as much as two frames

    def __call__(self, frame: VideoFrame) -> RgbImage:
        # By default it starts a thread for every core, for each video anew: that takes eight milliseconds.
        stored = self._to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return upright(square_pixels(stored, self._aspect), _matrix(frame))


def _matrix(frame: VideoFrame) -> Matrix:
    try:
        matrix = frame.side_data["DISPLAYMATRIX"]  # pyright: ignore[reportGeneralTypeIssues]
        return np.frombuffer(matrix, dtype="=i4").reshape(3, 3)
    except KeyError:
        return np.eye(3, dtype=np.int32)


def _is_turned(container: InputContainer, times: FrameTimes) -> bool:
    """Whether the first frame is shown in another way than it is stored."""
    stream = known_stream(container)
    if times.keyframes:
        container.seek(times.keyframes[0], stream=stream)
        for frame in frames(container, stream):
            corners = np.arange(4).reshape(2, 2)
            return not np.array_equal(upright(corners[..., None], _matrix(frame))[..., 0], corners)
    return False


def _decode_torchcodec(
    source: Path | bytes, times: FrameTimes, chosen: Sequence[int]
) -> dict[int, RgbImage] | Unreadable:
    """The same frames as PyAV's: asked for by a moment well inside the time each is shown."""
    from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportPrivateImportUsage]

    assert times.pts is not None, "read_video goes by order with PyAV only"
    ends = [*times.starts[1:].tolist(), times.end]
    tick, offset = float(times.tick), times.pts[0]
    moments = [(offset + (int(times.starts[i]) + ends[i]) / 2) * tick for i in chosen]
    try:
        batch = VideoDecoder(
            source if isinstance(source, bytes) else address(source), dimension_order="NHWC"
        ).get_frames_played_at(moments)
    except (RuntimeError, ValueError, IndexError):
        # One bad frame, or one of another size, fails the whole batch here, and the two libraries treat
        # damage differently. A file name that is no UTF-8 is a ValueError.
        return _decode_pyav(source, times, chosen)
    stamps = [(offset + int(times.starts[i])) * tick for i in chosen]
    if np.abs(batch.pts_seconds.numpy() - stamps).max() > tick / 2:
        # Where a format cannot be sought exactly (MPEG-TS), it lands on a later keyframe, and says so.
        return _decode_pyav(source, times, chosen)
    images = [square_pixels(image, times.pixel_aspect) for image in batch.data.numpy()]
    return dict(zip(chosen, images, strict=True))


DECODERS: dict[str, Callable[[Path | bytes, FrameTimes, Sequence[int]], dict[int, RgbImage] | Unreadable]] = {
    "pyav": _decode_pyav,
    "torchcodec": _decode_torchcodec,
}
