"""When each frame of a video file is shown, from its packets alone: what a container *says* is only compared.

A container can promise frames that are not there, or ten hours for three seconds. Nothing here waits for
what is promised: reading ends where the packets end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from jaxtyping import Int64

from retrieval.video.source import (
    Status,
    Unreadable,
    frames,
    known_stream,
    packets,
    pixel_aspect,
    video_stream,
    with_container,
)

#: Packets make up their times in these formats; the decoder's output order is all there is to go by.
_UNTIMED_FORMATS = frozenset({"avi", "h264", "hevc", "m4v", "mpeg", "mpegvideo", "mjpeg", "obu"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTimes:
    """Presentation times of the frames that are really in a file.

    `starts` are ticks since the first frame, ascending, the first 0; `end` is the tick when the last frame is
    over, which lasts no longer than the longest of the others; `tick` is in seconds. `pts` are the
    presentation time stamps behind `starts`, as the container has them; None where it has none to trust, and
    a frame is known by its place in the decoder's order alone. `keyframes` are those of `pts` at which
    decoding can begin. `pixel_aspect` is the width of a stored pixel over its height.
    """

    starts: Int64[np.ndarray, "n"]
    end: int
    tick: Fraction
    pts: tuple[int, ...] | None
    keyframes: tuple[int, ...]
    pixel_aspect: Fraction
    status: Status
    message: str

    @property
    def seconds(self) -> np.ndarray:
        """Start of each frame, seconds since the first."""
        return self.starts * float(self.tick)

    @property
    def duration(self) -> float:
        """Seconds from the first frame's start to the last one's end."""
        return self.end * float(self.tick)


def read_times(
    source: Path | bytes, meanwhile: Callable[[InputContainer, FrameTimes], None] | None = None
) -> FrameTimes | Unreadable:
    """The times of a video file; its packets are read, and decoded only where they do not tell the frames.

    `meanwhile` gets the container, read to its end, while it is open: to open it costs as much as to decode
    two or three small frames. It is not called for a file whose packets carry no times.
    """

    def lead_in(end: int | None) -> set[int] | Unreadable:
        return with_container(source, lambda container, _: _decoded_stamps(container, end))

    def read(container: InputContainer, name: str) -> FrameTimes | Unreadable | None:
        times = _from_packets(container, name, lead_in)
        if meanwhile is not None and isinstance(times, FrameTimes):
            meanwhile(container, times)
        return times

    times = with_container(source, read)
    return with_container(source, _from_decoding) if times is None else times


def _decoded_stamps(container: InputContainer, end: int | None) -> set[int]:
    """Stamps of the frames that are really decoded before the stamp `end`, or of all."""
    stamps = set()
    for frame in frames(container, known_stream(container)):
        if frame.pts is None:
            continue
        if end is not None and frame.pts >= end:
            break
        stamps.add(frame.pts)
    return stamps


def _from_packets(
    container: InputContainer, name: str, lead_in: Callable[[int | None], set[int] | Unreadable]
) -> FrameTimes | Unreadable | None:
    """None where the packets carry no times that can be trusted.

    `lead_in` tells which frames before the stamp of the first keyframe can be decoded.
    """
    stream = video_stream(container)
    if stream is None:
        return Unreadable(status="broken", message=f"{name}: no video stream")
    if container.format.name in _UNTIMED_FORMATS:
        return None
    shown: dict[int, int] = {}  # stamp to duration
    keyframes: list[int] = []
    found = damaged = 0
    to_the_end = False
    for packet in packets(container, stream):
        if not packet.size:
            to_the_end = True
            continue
        found += 1
        if packet.is_corrupt:
            damaged += 1
        elif not packet.is_discard:
            if packet.pts is None:
                return None
            shown[packet.pts] = packet.duration or 0
            if packet.is_keyframe:
                keyframes.append(packet.pts)
    if not shown:
        return _nothing(found, name)
    begin = min(shown)
    first_key = min(keyframes, default=None)
    if begin != first_key:
        # Cut inside a group of pictures (a broadcast, an HLS segment), or at a keyframe before which pictures
        # are shown that lean on the group before: they may be undecodable, and then they are no frames.
        #   stamps   0 1 2 3 4 K6 5 7 8    0 to 4 lack their keyframe, 5 leans on 4 and 6: 6 is first
        # An edit list may as well begin between keyframes; there all that it shows can be decoded.
        decoded = lead_in(first_key)
        if isinstance(decoded, Unreadable):
            return decoded
        shown = {
            stamp: duration
            for stamp, duration in shown.items()
            if stamp in decoded or (first_key is not None and stamp >= first_key)
        }
        if not shown:
            return _nothing(found, name)
    pts = sorted(shown)
    starts = np.array(pts, dtype=np.int64) - pts[0]
    tick = stream.time_base or Fraction(1, 1000)
    intact = found - damaged if to_the_end else -1
    return _timeline(
        container,
        stream,
        name,
        starts,
        shown[pts[-1]],
        tick,
        intact,
        tuple(pts),
        tuple(sorted(keyframes)),
        lead=pts[0] - begin,
    )


def _from_decoding(container: InputContainer, name: str) -> FrameTimes | Unreadable:
    """Frames in the decoder's order, one after the other at the stream's rate."""
    stream = video_stream(container)
    if stream is None:
        return Unreadable(status="broken", message=f"{name}: no video stream")
    count = sum(1 for _ in frames(container, stream))
    if not count:
        return _nothing(stream.frames, name)
    tick = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
    starts = np.arange(count, dtype=np.int64)
    return _timeline(container, stream, name, starts, 1, tick, count, None, ())


def _timeline(
    container: InputContainer,
    stream: VideoStream,
    name: str,
    starts: Int64[np.ndarray, "n"],
    last_duration: int,
    tick: Fraction,
    intact: int,
    pts: tuple[int, ...] | None,
    keyframes: tuple[int, ...],
    lead: int = 0,
) -> FrameTimes:
    longest = int(np.diff(starts).max(initial=0))
    last = min(last_duration or longest, longest) if longest else last_duration
    end = int(starts[-1]) + max(last, 1)
    status, message = _judge(container, stream, intact, float((lead + end) * tick))
    return FrameTimes(
        starts=starts,
        end=end,
        tick=tick,
        pts=pts,
        keyframes=keyframes,
        pixel_aspect=pixel_aspect(stream),
        status=status,
        message=f"{name}: {message}" if message else "",
    )


def _judge(container: InputContainer, stream: VideoStream, intact: int, seconds: float) -> tuple[Status, str]:
    if intact < 0:
        return "truncated", f"it cannot be read past {seconds:.1f} s"
    if stream.frames > intact:
        return "truncated", f"{stream.frames} frames are promised, {intact} are there"
    of_stream = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    if of_stream is not None and abs(of_stream - seconds) > max(1.0, 0.1 * seconds):
        return "wrong_length", f"the stream says {of_stream:.1f} s, its frames last {seconds:.1f} s"
    # The whole file's duration includes sound, which may well go on for a little after the picture.
    of_file = container.duration / av.time_base if container.duration else None
    if of_stream is None and of_file is not None and of_file > 1.5 * seconds + 1.0:
        return "wrong_length", f"the file says {of_file:.1f} s, its frames last {seconds:.1f} s"
    return "ok", ""


def _nothing(promised: int, name: str) -> Unreadable:
    if promised:
        return Unreadable(status="broken", message=f"{name}: no frame can be decoded")
    return Unreadable(status="empty", message=f"{name}: a video stream without frames")
