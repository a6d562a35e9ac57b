"""A video file or its bytes, opened: the stream that moves, its packets and frames. Failing is a value."""

import io
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from retrieval.video.kinds import printable_path

#: ok            all promised frames are there
#: truncated     the file ends, or stops making sense, before its promised frames do; those before are real
#: wrong_length  the container's declared duration is far from the frames'; the frames are real
#: missing       no such file
#: broken        no video stream, or nothing in it can be decoded
#: empty         a file of zero bytes, a video stream or a folder without a single frame
Status = Literal["ok", "truncated", "wrong_length", "missing", "broken", "empty"]

#: Four hours at 60 frames a second. A file with more packets is refused instead of being read for ever.
_MAX_PACKETS = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A video that gives no frame, and why."""

    status: Status
    message: str


def name_of(source: Path | bytes) -> str:
    """How messages name a source."""
    return "the bytes" if isinstance(source, bytes) else printable_path(source)


def address(path: Path) -> str:
    """The path as FFmpeg takes it: without `file:`, what stands before a colon is a protocol to it."""
    return f"file:{path}"


def with_container(source: Path | bytes, use: Callable[[InputContainer, str], T]) -> T | Unreadable:
    """`use(container, name)`; a source that is no file, or no video, is a value and not an exception."""
    name = name_of(source)
    if isinstance(source, Path):
        try:
            facts = source.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Unreadable(status="missing", message=f"{name}: no such file")
        except OSError as error:
            return Unreadable(status="broken", message=f"{name}: {error.strerror}")
        if not stat.S_ISREG(facts.st_mode):  # a pipe or a device could keep us waiting for ever
            return Unreadable(status="broken", message=f"{name}: not a regular file")
    if not (len(source) if isinstance(source, bytes) else facts.st_size):
        return Unreadable(status="empty", message=f"{name}: zero bytes")
    opened = io.BytesIO(source) if isinstance(source, bytes) else address(source)
    try:
        with av.open(opened, mode="r", metadata_errors="replace") as container:
            return use(container, name)
    except FFmpegError as error:
        return Unreadable(status="broken", message=f"{name}: {error.strerror}")


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first stream that moves: cover pictures do not count."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def known_stream(container: InputContainer) -> VideoStream:
    """The stream that moves, of a container known to have one."""
    stream = video_stream(container)
    assert stream is not None, "its times were read before"
    return stream


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width of a stored pixel over its height; 1 where the file does not say."""
    return stream.sample_aspect_ratio or Fraction(1)


def packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Packets of the stream up to its end, told by an empty one, or to a place that is unreadable."""
    source = container.demux(stream)
    for _ in range(_MAX_PACKETS):
        try:
            packet = next(source)
        except (StopIteration, FFmpegError):
            return
        yield packet


def frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Intact frames in presentation order; damaged packets are passed over."""
    if not stream.codec_context.is_open:
        stream.codec_context.thread_count = 1  # the loader has its own threads
    for packet in packets(container, stream):
        try:
            decoded = packet.decode()
        except FFmpegError:
            continue
        for frame in decoded:
            if isinstance(frame, av.VideoFrame) and not frame.is_corrupt:
                yield frame
