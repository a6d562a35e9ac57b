"""ffmpeg's zoompan filter and moviepy: what people use to make films of photographs."""

import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import moves


def zoompan_frames(photographs: Sequence[Path], tar: Path) -> None:
    """ffmpeg zoompan to JPEG files, tarred."""
    _zoompan(photographs, tar, "%02d.jpg", ["-q:v", "3"])


def zoompan_mp4(photographs: Sequence[Path], tar: Path) -> None:
    """ffmpeg zoompan to mp4, x264 veryfast, tarred."""
    settings = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-g", "12", "-bf", "0"]
    _zoompan(photographs, tar, "mp4", [*settings, "-pix_fmt", "yuv420p", "-movflags", "+faststart"])


def moviepy_frames(photographs: Sequence[Path], tar: Path) -> None:
    """moviepy's resized and cropped ImageClip to an image sequence, tarred."""
    with tempfile.TemporaryDirectory() as folder:
        for number, photograph in enumerate(photographs):
            _moviepy_clip(photograph, number).write_images_sequence(
                str(Path(folder) / f"{number:09d}.%02d.jpg"), fps=moves.FPS, with_mask=False, logger=None
            )
        _tar(Path(folder), tar)


def moviepy_mp4(photographs: Sequence[Path], tar: Path) -> None:
    """moviepy's clip through its own ffmpeg to mp4, x264 veryfast, tarred."""
    with tempfile.TemporaryDirectory() as folder:
        for number, photograph in enumerate(photographs):
            _moviepy_clip(photograph, number).write_videofile(
                str(Path(folder) / f"{number:09d}.mp4"), fps=moves.FPS, codec="libx264", preset="veryfast",
                audio=False, threads=1, ffmpeg_params=["-crf", "23"], pixel_format="yuv420p", logger=None,
            )  # fmt: skip
        _tar(Path(folder), tar)


def ffmpeg_found() -> bool:
    """Whether there is an ffmpeg on the path."""
    return shutil.which("ffmpeg") is not None


def zoompan_filter(number: int) -> str:
    """`moves.path` in zoompan's words: of a square crop, `zoom` by frame `on`, and where its corner lies."""
    zoom, x, y = moves.path(number)
    rate = (zoom[-1] - 1) / (moves.NUM_FRAMES - 1)
    side_x, side_y = x[-1] / (0.5 - 0.5 / zoom[-1]), y[-1] / (0.5 - 0.5 / zoom[-1])
    return (
        "crop='min(iw,ih)':'min(iw,ih)',"
        f"zoompan=z='1+{rate:.6f}*on':x='(iw-iw/zoom)/2*{1 + side_x:.4f}':y='(ih-ih/zoom)/2*{1 + side_y:.4f}'"
        f":d={moves.NUM_FRAMES}:s={moves.SIZE}x{moves.SIZE}:fps={moves.FPS}"
    )


def _zoompan(photographs: Sequence[Path], tar: Path, suffix: str, output: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, photograph in enumerate(photographs):
            command = [
                "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-filter_threads", "1",
                "-i", str(photograph), "-vf", zoompan_filter(number), *output, "-threads", "1",
                str(Path(folder) / f"{number:09d}.{suffix}"),
            ]  # fmt: skip
            subprocess.run(command, check=True)
        _tar(Path(folder), tar)


def _moviepy_clip(photograph: Path, number: int):
    from moviepy import CompositeVideoClip, ImageClip

    duration = moves.NUM_FRAMES / moves.FPS
    zoom, _, _ = moves.path(number)
    still = ImageClip(str(photograph)).with_duration(duration)
    fit = moves.SIZE / min(still.size)
    moved = still.resized(lambda t: fit * (1 + (zoom[-1] - 1) * t / duration)).with_position("center")
    return CompositeVideoClip([moved], size=(moves.SIZE, moves.SIZE), bg_color=(0, 0, 0))


def _tar(folder: Path, tar: Path) -> None:
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as file:
        for path in sorted(folder.iterdir()):
            file.add(path, path.name)
