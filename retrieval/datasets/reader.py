"""From a video in any form to frames of the model's size, through the cache where nothing is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float64, UInt8

from retrieval.cache import Cache, content_hash, key_of
from retrieval.recipe import FramesSpec
from retrieval.video import (
    Decoder,
    Sampler,
    Status,
    Unreadable,
    VideoFrames,
    decode_image,
    find_decoder,
    fit,
    read_video,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Chosen frames at the model's size.

    `seconds` is when each starts, since the video's first; `duration` is the whole video's, in seconds.
    """

    frames: UInt8[np.ndarray, "t 3 s s"]
    seconds: Float64[np.ndarray, "t"]
    duration: float
    status: Status = "ok"
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReader:
    """How every video of a run is read. Frames are cached only where the sampler draws nothing."""

    sampler: Sampler
    size: int
    decoder: Decoder
    folder_fps: int = 1
    cache: Cache | None = None

    @classmethod
    def of(
        cls, frames: FramesSpec, position: Literal["middle", "random"] = "middle", cache: str = ""
    ) -> "FrameReader":
        """As the recipe's [frames] table says; `position` differs between training and evaluation."""
        return cls(
            sampler=Sampler(name=frames.sampler, num_frames=frames.num_frames, position=position),
            size=frames.size,
            decoder=find_decoder(frames.decoder),
            folder_fps=frames.folder_fps,
            cache=Cache(folder=Path(cache) / "frames") if cache else None,
        )

    def describe(self) -> str:
        """What decides the frames of a given video, in words for result files and cache keys."""
        folders = f", folders at {self.folder_fps} fps" if self.folder_fps > 1 else ""
        return f"{self.sampler.label()}, shorter side {self.size} and centre crop, {self.decoder}{folders}"

    def read(self, source: Path | bytes, rng: np.random.Generator | None) -> Fitted | Unreadable:
        """The chosen frames of a video file or its bytes, a folder of frames, or a still."""
        if self.cache is None or self.sampler.draws:
            return self._read(source, rng)
        if isinstance(source, Path) and not source.exists():
            return Unreadable(status="missing", message=f"{source}: no such file")
        key = key_of(content=content_hash(source), reader=self.describe())
        kept = self.cache.get(key)
        if kept is not None:
            return Fitted(frames=kept["frames"], seconds=kept["seconds"], duration=float(kept["duration"][0]))
        result = self._read(source, rng)
        # Damage is looked at again each time: its message names the file, and another decoder may do better.
        if isinstance(result, Fitted) and result.status == "ok":
            duration = np.array([result.duration])
            self.cache.put(key, {"frames": result.frames, "seconds": result.seconds, "duration": duration})
        return result

    def see(self, source: Path | bytes) -> VideoFrames | Unreadable:
        """The frames that `read` chooses, as they are in the video: of its size, nothing cut off."""
        return read_video(source, self.sampler, decoder=self.decoder, folder_fps=self.folder_fps)

    def read_images(
        self, images: Sequence[bytes], fps: Fraction, rng: np.random.Generator | None, name: str
    ) -> Fitted | Unreadable:
        """The chosen ones of a clip's encoded frames; only those are decoded."""
        if not images:
            return Unreadable(status="empty", message=f"{name}: a clip without frames")
        chosen = self._choose(len(images), fps, rng)
        decoded = {int(i): decode_image(images[i]) for i in chosen}
        # Frames of one clip share a size; an image of another is no frame of it.
        size = next((image.shape for image in decoded.values() if image is not None), None)
        whole = {i: image for i, image in decoded.items() if image is not None and image.shape == size}
        if not whole:
            return Unreadable(status="broken", message=f"{name}: no chosen frame can be decoded")
        return Fitted(
            frames=fit(np.stack(list(whole.values())), self.size),
            seconds=np.array(list(whole), dtype=np.float64) / float(fps),
            duration=len(images) / float(fps),
            status="ok" if len(whole) == len(decoded) else "truncated",
            message="" if len(whole) == len(decoded) else f"{name}: some frames cannot be used",
        )

    def take_frames(
        self, frames: UInt8[np.ndarray, "t 3 h w"], fps: Fraction, rng: np.random.Generator | None
    ) -> Fitted:
        """The chosen ones of frames that are there already."""
        chosen = self._choose(len(frames), fps, rng)
        return Fitted(
            frames=fit(frames[chosen].transpose(0, 2, 3, 1), self.size),
            seconds=chosen / float(fps),
            duration=len(frames) / float(fps),
        )

    def _choose(self, count: int, fps: Fraction, rng: np.random.Generator | None) -> np.ndarray:
        return self.sampler.choose(np.arange(count, dtype=np.int64), count, 1 / fps, rng)

    def _read(self, source: Path | bytes, rng: np.random.Generator | None) -> Fitted | Unreadable:
        clip = read_video(source, self.sampler, rng=rng, decoder=self.decoder, folder_fps=self.folder_fps)
        if not isinstance(clip, VideoFrames):
            return clip
        return Fitted(
            frames=fit(clip.frames, self.size),
            seconds=clip.seconds,
            duration=clip.duration,
            status=clip.status,
            message=clip.message,
        )
