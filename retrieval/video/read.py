"""One function from a video, a folder of frames or a still to the frames that a sampler chooses."""

import importlib.util
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, UInt8

from retrieval.video.sampling import Sampler
from retrieval.video.timeline import Status, Timeline, Unreadable, frames, scan, video_stream, with_container

Decoder = Literal["pyav", "torchcodec"]
Image = UInt8[np.ndarray, "h w 3"]

STILL_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Frames that were really in a video.

    frames: RGB.
    seconds: start of each, since the video's first frame; `duration` is the whole video's.
    status: `ok`, or in what way the file promised more than it holds.
    """

    frames: UInt8[np.ndarray, "t h w 3"]
    seconds: Float64[np.ndarray, "t"]
    duration: float
    status: Status
    message: str


def read_video(
    source: Path | bytes,
    sampler: Sampler,
    *,
    rng: np.random.Generator | None = None,
    decoder: Decoder = "pyav",
    folder_fps: int = 1,
) -> Clip | Unreadable:
    """The frames that `sampler` chooses from a video file (or its bytes), a folder of images, or a still.

    A folder is read as `folder_fps` frames a second in the natural order of their names.
    Chosen frames that cannot be decoded are left out (status `truncated`), never replaced.
    """
    if isinstance(source, Path) and source.is_dir():
        return _read_folder(source, sampler, rng, folder_fps)
    if isinstance(source, Path) and is_still(source):
        return _read_stills([source], [0], Fraction(1), 1)
    chosen: list[int] = []
    at_once: dict[int, Image] = {}

    def pick_at_once(container: InputContainer, timeline: Timeline) -> None:
        chosen.extend(_choose(sampler, timeline, rng))
        # What this container cannot give after all is looked for from the start, below.
        with suppress(FFmpegError):
            at_once.update(_pick(container, _stamps(timeline, chosen), timeline.keyframes, rewind=True))

    timeline = scan(source, pick_at_once if decoder == "pyav" else None)
    if isinstance(timeline, Unreadable):
        return timeline
    chosen = chosen or _choose(sampler, timeline, rng)
    images: dict[int, Image] | Unreadable = at_once
    if len(images) < len(chosen):
        # Without stamps to ask for, only PyAV's plain decoding order identifies a frame.
        images = DECODERS[decoder if timeline.pts is not None else "pyav"](source, timeline, chosen)
    if isinstance(images, Unreadable):
        return images
    name = "the bytes" if isinstance(source, bytes) else str(source)
    if not images:
        return Unreadable(status="broken", message=f"{name}: no chosen frame can be decoded")
    status, message = timeline.status, timeline.message
    if len(images) < len(chosen):
        status = "truncated"
        message = f"{name}: {len(chosen) - len(images)} of {len(chosen)} frames cannot be decoded"
    kept = sorted(images)
    return Clip(
        frames=np.stack([images[i] for i in kept]),
        seconds=timeline.seconds[kept],
        duration=timeline.duration,
        status=status,
        message=message,
    )


def fit(images: UInt8[np.ndarray, "t h w 3"], size: int) -> UInt8[np.ndarray, "t 3 size size"]:
    """Shorter side to `size` (bicubic, antialiased), centre cropped: CLIP's own preprocessing."""
    height, width = images.shape[1:3]
    if (height, width) != (size, size):
        scale = size / min(height, width)
        resized = (max(size, round(height * scale)), max(size, round(width * scale)))
        import torch  # costs a second and a half: what refuses before a frame is read goes without

        channels_last = torch.from_numpy(images).permute(0, 3, 1, 2)
        images = (
            torch.nn.functional.interpolate(channels_last, size=resized, mode="bicubic", antialias=True)
            .permute(0, 2, 3, 1)
            .numpy()
        )
        top, left = (resized[0] - size) // 2, (resized[1] - size) // 2
        images = images[:, top : top + size, left : left + size]
    planes = np.empty((len(images), 3, size, size), dtype=np.uint8)
    for image, into in zip(images, planes, strict=True):
        cv2.split(image, list(into))  # a fifth of the time of numpy's transposed copy
    return planes


def is_still(path: Path) -> bool:
    return path.suffix.lower() in STILL_SUFFIXES


def list_frames(folder: Path) -> list[Path]:
    """Images of a folder in natural order: frame2 before frame10."""
    return sorted(
        (path for path in folder.iterdir() if is_still(path)),
        key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)],
    )


def find_decoder(name: str) -> Decoder:
    """The decoder to use; `auto` is torchcodec where it and the system's FFmpeg libraries can be loaded."""
    if name == "pyav":
        return "pyav"
    if name not in ("auto", "torchcodec"):
        raise ValueError(f"decoder = {name!r}: must be auto, pyav or torchcodec")
    reason = _why_no_torchcodec()
    if name == "torchcodec" and reason:
        raise ValueError(f"decoder = 'torchcodec': {reason}; decoder = 'pyav' carries its own FFmpeg")
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
    source: Path | bytes, timeline: Timeline, chosen: Sequence[int]
) -> dict[int, Image] | Unreadable:
    if timeline.pts is None:
        return with_container(source, lambda container, _: _pick_by_order(container, set(chosen)))
    wanted, keyframes = _stamps(timeline, chosen), timeline.keyframes
    images = with_container(source, lambda container, _: _pick(container, wanted, keyframes))
    if isinstance(images, dict) and len(images) < len(wanted):
        # A format whose seeking is inexact, or damage behind a keyframe: read on from the start instead.
        return with_container(source, lambda container, _: _pick(container, wanted, ()))
    return images


def _choose(sampler: Sampler, timeline: Timeline, rng: np.random.Generator | None) -> list[int]:
    return sampler.choose(timeline.starts, timeline.end, timeline.tick, rng).tolist()


def _stamps(timeline: Timeline, chosen: Sequence[int]) -> dict[int, int]:
    """Frames by the stamps to ask for them."""
    assert timeline.pts is not None
    return {timeline.pts[i]: i for i in chosen}


def _pick(
    container: InputContainer, wanted: dict[int, int], keyframes: tuple[int, ...], *, rewind: bool = False
) -> dict[int, Image]:
    """Frames by their stamps; stretches with a keyframe between here and the next wanted one are skipped.

    rewind: the container has been read, and first goes back to the keyframe before the first of them.
    """
    stream = video_stream(container)
    assert stream is not None, "a timeline was read from it"
    stream.codec_context.thread_count = 1  # the loader has its own threads
    images: dict[int, Image] = {}
    to_rgb = VideoReformatter()  # one for all: what it prepares costs as much as two frames
    here = -math.inf if rewind else None
    reading = frames(container, stream)
    for stamp in sorted(wanted):
        nearest = keyframes[bisect_right(keyframes, stamp) - 1] if keyframes else None
        if nearest is not None and here is not None and here < nearest <= stamp:
            container.seek(nearest, stream=stream)
            reading = frames(container, stream)
        for frame in reading:
            if frame.pts is None:
                continue
            here = frame.pts
            if here == stamp:
                images[wanted[stamp]] = to_rgb.reformat(frame, format="rgb24").to_ndarray()
            if here >= stamp:
                break
    return images


def _pick_by_order(container: InputContainer, wanted: set[int]) -> dict[int, Image]:
    stream = video_stream(container)
    assert stream is not None, "a timeline was read from it"
    stream.codec_context.thread_count = 1
    images: dict[int, Image] = {}
    to_rgb = VideoReformatter()
    for place, frame in enumerate(frames(container, stream)):
        if place in wanted:
            images[place] = to_rgb.reformat(frame, format="rgb24").to_ndarray()
            if len(images) == len(wanted):
                break
    return images


def _decode_torchcodec(
    source: Path | bytes, timeline: Timeline, chosen: Sequence[int]
) -> dict[int, Image] | Unreadable:
    """The same frames as PyAV's: asked for by a moment well inside the time each is shown."""
    from torchcodec.decoders import VideoDecoder  # pyright: ignore[reportPrivateImportUsage]

    assert timeline.pts is not None, "read_video goes by order with PyAV only"
    name = "the bytes" if isinstance(source, bytes) else str(source)
    ends = [*timeline.starts[1:].tolist(), timeline.end]
    tick, offset = float(timeline.tick), timeline.pts[0]
    moments = [(offset + (int(timeline.starts[i]) + ends[i]) / 2) * tick for i in chosen]
    try:
        batch = VideoDecoder(
            source if isinstance(source, bytes) else name, dimension_order="NHWC"
        ).get_frames_played_at(moments)
    except (RuntimeError, ValueError, IndexError):
        # One bad frame fails the whole batch here, and the two libraries treat damage differently.
        return _decode_pyav(source, timeline, chosen)
    stamps = [(offset + int(timeline.starts[i])) * tick for i in chosen]
    if np.abs(batch.pts_seconds.numpy() - stamps).max() > tick / 2:
        # Where a format cannot be sought exactly (MPEG-TS), it lands on a later keyframe, and says so.
        return _decode_pyav(source, timeline, chosen)
    return dict(zip(chosen, batch.data.numpy(), strict=True))


DECODERS: dict[str, Callable[[Path | bytes, Timeline, Sequence[int]], dict[int, Image] | Unreadable]] = {
    "pyav": _decode_pyav,
    "torchcodec": _decode_torchcodec,
}


def _read_folder(
    folder: Path, sampler: Sampler, rng: np.random.Generator | None, fps: int
) -> Clip | Unreadable:
    paths = list_frames(folder)
    if not paths:
        return Unreadable(status="empty", message=f"{folder}: a folder without images")
    starts = np.arange(len(paths), dtype=np.int64)
    tick = Fraction(1, fps)
    return _read_stills(paths, sampler.choose(starts, len(paths), tick, rng).tolist(), tick, len(paths))


def _read_stills(paths: list[Path], chosen: list[int], tick: Fraction, length: int) -> Clip | Unreadable:
    images = {}
    for i in chosen:
        image = decode_still(paths[i])
        # Frames of one video share a size; one that does not is no frame of it.
        if image is not None and (not images or image.shape == next(iter(images.values())).shape):
            images[i] = image
    place = paths[0] if len(paths) == 1 else paths[0].parent
    if not images:
        missing = not paths[0].exists()
        return Unreadable(
            status="missing" if missing else "broken",
            message=f"{place}: {'no such file' if missing else 'no chosen image can be decoded'}",
        )
    lost = len(chosen) - len(images)
    return Clip(
        frames=np.stack(list(images.values())),
        seconds=np.array(list(images), dtype=np.float64) * float(tick),
        duration=length * float(tick),
        status="truncated" if lost else "ok",
        message=f"{place}: {lost} of {len(chosen)} images cannot be used" if lost else "",
    )


def decode_still(source: Path | bytes) -> Image | None:
    """RGB pixels of an encoded image, or None where it cannot be decoded."""
    try:
        encoded = source if isinstance(source, bytes) else source.read_bytes()
    except OSError:
        return None
    if not encoded:
        return None
    bgr = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
