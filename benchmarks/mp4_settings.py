"""Size, PSNR and time of x264's settings on our own frames: where the mp4 format's defaults come from.

Clips of the default mix, 12 frames of 224x224, encoded by `codec.encode_mp4`'s way (I420 by OpenCV, no
B-frames, one thread) over presets, crf and distance of key frames. PSNR is of the decoded RGB frames, and so
counts the loss of chroma too: "lossless" is what 4:2:0 alone leaves.

    python benchmarks/mp4_settings.py --photos FOLDER [--quick]
"""

import io
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av
import cv2
import numpy as np

from animate import executor
from animate.codec import decode_mp4, decode_still
from animate.codec import mp4 as codec_mp4
from animate.data import Take, take_rng
from animate.recipe import BuildRecipe, VideoRecipe
from animate.render import render
from animate.saliency import salient_point
from animate.shot import View, draw_film
from benchmarks import measure
from benchmarks.measure import Spread

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")

REASON = (
    "veryfast at crf 23: ultrafast takes about half the time but nearly twice the bytes, a fifth to a third "
    "more at equal PSNR; superfast saves a fifth of the time for a fifth more bytes; past veryfast the time "
    "doubles and triples and the bytes hardly fall. Twelve frames to a key frame and no B-frames make every frame cheap to reach; longer "
    "groups change nothing for clips this short."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to call x264."""

    preset: str
    crf: int
    gop: int

    @property
    def is_default(self) -> bool:
        video = VideoRecipe()
        return (self.preset, self.crf, self.gop) == (video.preset, video.crf, codec_mp4.GROUP_OF_PICTURES)


def settings() -> list[Setting]:
    """Presets at the default crf, then crf and key frames at the default preset."""
    default = Setting(preset=VideoRecipe().preset, crf=VideoRecipe().crf, gop=codec_mp4.GROUP_OF_PICTURES)
    rows = [Setting(preset=preset, crf=default.crf, gop=default.gop) for preset in PRESETS]
    rows += [Setting(preset=preset, crf=crf, gop=default.gop) for preset in ("ultrafast", default.preset)
             for crf in (17, 20, 26, 29)]  # fmt: skip
    rows += [Setting(preset=default.preset, crf=default.crf, gop=gop) for gop in (1, 4, 250)]
    rows.append(Setting(preset="ultrafast", crf=0, gop=default.gop))
    return rows


def main() -> None:
    options = measure.arguments(__doc__)
    number, rounds = (6, 2) if options.quick else (24, 5)
    executor.prepare_process()
    clips = [film(path, str(i)) for i, path in enumerate(measure.photographs(options.photos, number))]
    cases = {
        str(asdict(setting)): lambda setting=setting: measure.seconds_of(
            lambda: [encode(clip, setting) for clip in clips]
        )
        for setting in settings()
    }
    seconds = measure.interleaved(cases, rounds)
    rows = []
    for setting in settings():
        encoded = [encode(clip, setting) for clip in clips]
        milliseconds = [1000 * value / number for value in seconds[str(asdict(setting))]]
        rows.append(
            {
                **asdict(setting),
                "default": setting.is_default,
                "kilobytes": round(statistics.mean(map(len, encoded)) / 1000, 1),
                "psnr": round(statistics.mean(map(psnr, clips, map(decode_mp4, encoded))), 2),
                "milliseconds": Spread.of(milliseconds),
            }
        )
    _report(rows, options.results, number)


def film(photograph: Path, key: str) -> np.ndarray:
    """Frames of the default mix."""
    recipe = BuildRecipe()
    still = decode_still(photograph.read_bytes(), recipe.source)
    view = View(
        still_size=(still.shape[1], still.shape[0]), frame_size=(recipe.video.width, recipe.video.height)
    )
    rng = take_rng(0, "benchmark", Take(source_key=key, index=0))
    drawn = draw_film(recipe.shot, recipe.video, [view], rng, [lambda: salient_point(still)])
    return render([still], drawn.layers([view], recipe.video.fps), recipe.video)


def encode(frames: np.ndarray, setting: Setting) -> bytes:
    """What `codec.encode_mp4` does, with the distance of key frames free."""
    buffer = io.BytesIO()
    again = lambda *_: io.BytesIO(buffer.getvalue())  # noqa: E731
    x264 = {
        "crf": str(setting.crf),
        "preset": setting.preset,
        "g": str(setting.gop),
        "bf": "0",
        "threads": "1",
    }
    with av.open(buffer, "w", format="mp4", options={"movflags": "+faststart"}, io_open=again) as container:
        stream = container.add_stream("libx264", rate=VideoRecipe().fps, options=x264)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.thread_type = "yuv420p", "NONE"
        # BT.601, limited range, and so stated: the decoder below then inverts exactly what OpenCV did.
        stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
        for frame in frames:
            planes = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
            for packet in stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return buffer.getvalue()


def psnr(wanted: np.ndarray, got: np.ndarray) -> float:
    """Of all frames together, in dB."""
    error = np.square(wanted.astype(np.float32) - got).mean()
    return float(10 * np.log10(255**2 / error))


def _report(rows: Sequence[dict[str, Any]], results: Path, number: int) -> None:
    measure.table(
        f"x264 on {number} clips of 12 frames of 224x224, one thread",
        ("preset", "crf", "key frames", "kB", "PSNR", "ms a clip", ""),
        [
            (r["preset"], r["crf"], r["gop"], r["kilobytes"], r["psnr"], r["milliseconds"],
             "<- default" if r["default"] else "")
            for r in rows
        ],
    )  # fmt: skip
    print(f"\n{REASON}")
    content = {
        "machine": measure.machine(),
        "clips": number,
        "rows": [row | {"milliseconds": row["milliseconds"].to_json()} for row in rows],
        "reason": REASON,
    }
    measure.write(results, "mp4_settings", content)


if __name__ == "__main__":
    main()
