"""Folders of frames and single stills to the frames that a sampler chooses."""

import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from retrieval.video.frames import VideoFrames
from retrieval.video.geometry import RgbImage
from retrieval.video.kinds import is_still, printable_path
from retrieval.video.sampling import Sampler
from retrieval.video.times import Unreadable


def list_frames(folder: Path) -> list[Path]:
    """Images of a folder in natural order: frame2 before frame10. Hidden files are none of them."""
    return sorted(
        (path for path in folder.iterdir() if is_still(path) and not path.name.startswith(".")),
        key=lambda path: ([int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)], path.name),
    )


def read_folder(
    folder: Path, sampler: Sampler, rng: np.random.Generator | None, fps: int
) -> VideoFrames | Unreadable:
    """The chosen frames of a folder; those of another size than the first of them are left out."""
    try:
        paths = list_frames(folder)
    except OSError as error:
        return Unreadable(status="broken", message=f"{printable_path(folder)}: {error.strerror}")
    if not paths:
        return Unreadable(status="empty", message=f"{printable_path(folder)}: a folder without images")
    starts = np.arange(len(paths), dtype=np.int64)
    tick = Fraction(1, fps)
    return read_stills(paths, sampler.choose(starts, len(paths), tick, rng).tolist(), tick, len(paths))


def read_stills(
    paths: list[Path], chosen: list[int], tick: Fraction, length: int
) -> VideoFrames | Unreadable:
    """Those of `paths` that are chosen, one shown each `tick` seconds; the whole lasts `length` ticks."""
    images = {}
    for i in chosen:
        image = decode_image(paths[i])
        # Whoever wrote frames of one video wrote them at one size; a picture of another is no frame of it.
        if image is not None and (not images or image.shape == next(iter(images.values())).shape):
            images[i] = image
    place = printable_path(paths[0] if len(paths) == 1 else paths[0].parent)
    if not images:
        missing = not paths[0].exists()
        return Unreadable(
            status="missing" if missing else "broken",
            message=f"{place}: {'no such file' if missing else 'no chosen image can be decoded'}",
        )
    lost = len(chosen) - len(images)
    return VideoFrames(
        frames=np.stack(list(images.values())),
        seconds=np.array(list(images), dtype=np.float64) * float(tick),
        duration=length * float(tick),
        status="truncated" if lost else "ok",
        message=f"{place}: {lost} of {len(chosen)} images cannot be used" if lost else "",
    )


def decode_image(source: Path | bytes) -> RgbImage | None:
    """RGB pixels of an encoded image, or None where it cannot be decoded."""
    if isinstance(source, Path):
        if not source.is_file():  # a pipe or a device could keep us waiting for ever
            return None
        try:
            source = source.read_bytes()
        except OSError:
            return None
    if not source:
        return None
    try:
        bgr = cv2.imdecode(np.frombuffer(source, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV takes
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
