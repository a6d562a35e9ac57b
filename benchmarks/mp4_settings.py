"""Size, likeness and encoding time of the mp4 format over x264's presets, crf and groups of pictures.

Clips of the default mix, 12 frames of 224x224, through `animate.codec.encode_mp4`, which has its group of
pictures and its options in one table; this script changes entries of that table and nothing else. PSNR is
that of the decoded RGB frames against the rendered ones, so it counts the halved chroma too. Time is
processor time, rounds interleaved.

The default is veryfast, crf 23, groups of 12 without B-frames, no mbtree. Why:

- veryfast beside superfast: a fifth fewer bytes for a quarter more time; half a dB is lost.
  ultrafast takes half the time and twice the bytes. medium takes three to four times the time and gains
  half a dB at the same size.
- crf 23 is where x264 itself stands; 20 and 26 trade one dB for half as much again, or a third, of the size
  and are one key away in a recipe.
- A group of 12 is the whole of a default clip, so no longer group can save anything there; on longer clips 24
  would save 8 %, and 12 leaves every frame near a key frame.
- Two B-frames would save a sixth of the bytes for an eighth more time, and cost the rule that one packet is
  one frame, in order, which readers may rely on to seek. That is a price, paid knowingly.
- mbtree changes the size of a default clip by 4 % and its quality by nothing, and its AVX-512 code reads
  memory that nobody has written: the same frames may give other bytes, and the same are worth more.

    python benchmarks/mp4_settings.py --photos FOLDER [--quick]
"""

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.camera import View
from animate.codec import decode_jpeg, decode_mp4, encode_mp4, mp4
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.recipe import VideoRecipe, read_preset
from animate.render import render
from animate.saliency import salient_point
from benchmarks import measure
from benchmarks.measure import Spread

PRESETS = ("ultrafast", "superfast", "veryfast", "medium")
CRFS = (20, 23, 26)
GROUPS = (4, 12, 24)

VIDEO = VideoRecipe()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table; `options` are entries of the codec's table that differ from ours."""

    preset: str
    crf: int
    group: int
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        more = "".join(f" {key}={value}" for key, value in self.options.items())
        return f"{self.preset} crf {self.crf} gop {self.group}{more}"

    @property
    def is_default(self) -> bool:
        ours = (VIDEO.preset, VIDEO.crf, mp4.GROUP_OF_PICTURES)
        return (self.preset, self.crf, self.group) == ours and not self.options

    def encode(self, clip: np.ndarray) -> bytes:
        with mock.patch.dict(mp4._OPTIONS, {"g": str(self.group), **self.options}):
            return encode_mp4(clip, fps=VIDEO.fps, crf=self.crf, preset=self.preset)


def main() -> None:
    options = measure.arguments(__doc__, rounds=0, number=0)
    rounds = options.rounds or (2 if options.quick else 3)
    number = options.number or (4 if options.quick else 8)
    cv2.setNumThreads(1)
    # Twice the frames of a default clip, so that groups of 12 and of 24 differ.
    clips = [_clip(path, i, 24) for i, path in enumerate(measure.photographs(options.photos, number))]
    settings = [
        *(Setting(preset=p, crf=c, group=g) for p, c, g in itertools.product(PRESETS, CRFS, GROUPS)),
        Setting(preset="veryfast", crf=23, group=12, options={"bf": "2"}),
        Setting(preset="veryfast", crf=23, group=12, options={"mbtree": "1"}),
    ]
    seconds = measure.interleaved({s.name: _timed(s, clips) for s in settings}, rounds)
    rows = [_row(setting, clips, seconds[setting.name]) for setting in settings]
    short = [_row(setting, [clip[:12] for clip in clips], None) for setting in settings if setting.group > 4]
    _report(rows, short, options.results, number)


def _clip(path: Path, number: int, num_frames: int) -> np.ndarray:
    still = decode_jpeg(path.read_bytes())
    view = View(still_size=(still.shape[1], still.shape[0]), frame_size=(VIDEO.width, VIDEO.height))
    video = VideoRecipe(num_frames=num_frames, fps=VIDEO.fps)
    rng = take_rng(0, "mp4 settings", Take(source_key=str(number), index=0))
    _, layers = draw_edit(read_preset("default"), video, [view], rng, [lambda: salient_point(still)])
    return render([still], layers, video)


def _timed(setting: Setting, clips: list[np.ndarray]) -> Callable[[], float]:
    def run() -> float:
        started = time.process_time()
        for clip in clips:
            setting.encode(clip)
        return time.process_time() - started

    return run


def _row(setting: Setting, clips: list[np.ndarray], seconds: list[float] | None) -> dict[str, Any]:
    encoded = [setting.encode(clip) for clip in clips]
    errors = [
        np.mean((decode_mp4(data).astype(np.float32) - clip) ** 2)
        for data, clip in zip(encoded, clips, strict=True)
    ]
    row: dict[str, Any] = {
        "preset": setting.preset,
        "crf": setting.crf,
        "gop": setting.group,
        "other_options": setting.options,
        "default": setting.is_default,
        "kilobytes": round(sum(map(len, encoded)) / len(clips) / 1000, 2),
        "psnr_db": round(float(np.mean(10 * np.log10(255**2 / np.array(errors)))), 2),
    }
    if seconds is not None:
        row["milliseconds"] = Spread.of([1000 * value / len(clips) for value in seconds])
    return row


def _report(rows: list[dict[str, Any]], short: list[dict[str, Any]], results: Path, number: int) -> None:
    measure.table(
        f"{number} clips of 24 frames of 224x224: means a clip, processor time",
        ("preset", "crf", "gop", "else", "kB", "dB", "ms", "default"),
        [
            (
                r["preset"], r["crf"], r["gop"], " ".join(f"{k}={v}" for k, v in r["other_options"].items()),
                r["kilobytes"], r["psnr_db"], r["milliseconds"], "<--" if r["default"] else "",
            )
            for r in rows
        ],
    )  # fmt: skip
    measure.table(
        "The same cut to a default clip of 12 frames",
        ("preset", "crf", "gop", "else", "kB", "dB"),
        [
            (r["preset"], r["crf"], r["gop"], " ".join(f"{k}={v}" for k, v in r["other_options"].items()),
             r["kilobytes"], r["psnr_db"])
            for r in short
        ],
    )  # fmt: skip
    content = {
        "machine": measure.machine(),
        "clips": number,
        "why_the_default": " ".join(
            (__doc__ or "").partition("Why:\n\n")[2].partition("\n\n    python")[0].split()
        ),
        "frames_24": [row | {"milliseconds": row["milliseconds"].to_json()} for row in rows],
        "frames_12": short,
    }
    measure.write(results, "mp4_settings", content)


if __name__ == "__main__":
    main()
