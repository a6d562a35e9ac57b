"""Colours through the whole path beside a plain resize, and Kornia beside OpenCV."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from animate.camera import View
from animate.codec import decode_jpeg, decode_still, encode_jpeg
from animate.components import COMPONENTS
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.recipe import ShotKind, ShotRecipe, SourceRecipe, VideoRecipe
from animate.render import render
from animate.saliency import salient_point
from benchmarks import measure
from benchmarks.corpus import mosaic
from benchmarks.image_quality.supersampled import SIZE, ours

QUALITIES = ("default", "best")

#: Plain resizes: by area, and by a tent of two frame pixels, which is what the default is meant to be.
PLAIN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "OpenCV area": lambda still: cv2.resize(still, (SIZE, SIZE), interpolation=cv2.INTER_AREA),
    "PIL bilinear": lambda still: np.asarray(
        Image.fromarray(still).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    ),
}


def colour(photographs: Sequence[Path], stills: int) -> list[dict[str, Any]]:
    """A JPEG decoded, filmed in full by a static camera and encoded, beside the same with a plain resize.

    Differences in code values, before the frame is encoded and after; `bias` is the mean signed one of each
    channel, which a resampling filter leaves at 0 and a wrong matrix, range or gamma does not.
    """
    rows = []
    for side in (SIZE, round(1.67 * SIZE), 2 * SIZE, 3 * SIZE):
        for quality in QUALITIES:
            for name in PLAIN:
                pairs = [
                    _pair(mosaic(photographs, side, side, 300 + i), quality, name) for i in range(stills)
                ]
                raw = np.array([mine.astype(int) - plain for mine, plain in pairs])
                stored = np.array([_stored(mine).astype(int) - _stored(plain) for mine, plain in pairs])
                rows.append(
                    {
                        "still": f"{side}x{side}",
                        "quality": quality,
                        "resize": name,
                        "max": int(np.abs(raw).max()),
                        "mean": round(float(np.abs(raw).mean()), 4),
                        "max_encoded": int(np.abs(stored).max()),
                        "mean_encoded": round(float(np.abs(stored).mean()), 4),
                        "bias": round(float(np.abs(stored.mean(axis=(0, 1, 2))).max()), 4),
                    }
                )
    return rows


def colour_targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """No channel shifts; the default is an anti-aliased bilinear resize, `best` an area resize."""
    claims = []
    for row in rows:
        where = f"{row['still']}, {row['quality']}, beside {row['resize']}"
        claims.append(measure.target(f"colour bias, {where}", row["bias"], 0.5, at_most=True))
        if row["resize"] == ("PIL bilinear" if row["quality"] == "default" else "OpenCV area"):
            claims.append(measure.target(f"mean difference, {where}", row["mean"], 2, at_most=True))
            claims.append(measure.target(f"largest difference, {where}", row["max"], 8, at_most=True))
    return claims


def kornia(photographs: Sequence[Path], stills: int) -> list[dict[str, Any]]:
    """Mean absolute difference of the two paths in code values, for each component and quality."""
    rows = []
    for name in COMPONENTS:
        recipe = ShotRecipe(shots=(ShotKind(name=name, components={name: {}, "shot_scale": {}}),))
        for quality in QUALITIES:
            video = VideoRecipe(quality=quality, num_frames=6)
            differences = []
            for number, path in enumerate(photographs[:stills]):
                still = decode_jpeg(path.read_bytes())
                view = View(still_size=(still.shape[1], still.shape[0]), frame_size=(SIZE, SIZE))
                rng = take_rng(0, "kornia", Take(source_key=str(number), index=0))
                _, layers = draw_edit(recipe, video, [view], rng, [lambda still=still: salient_point(still)])
                opencv = render([still], layers, video).astype(int)
                # "cpu" alone means OpenCV; a numbered device is torch's, so goes through kornia.
                differences.append(np.abs(opencv - render([still], layers, video, "cpu:0")))
            rows.append(
                {
                    "component": name,
                    "quality": quality,
                    "mean": round(float(np.mean(differences)), 4),
                    "max": int(np.max(differences)),
                }
            )
    return rows


def kornia_targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    worst = max(rows, key=lambda row: row["mean"])
    claim = f"Kornia and OpenCV agree, worst component ({worst['component']}, {worst['quality']}), mean"
    return [measure.target(claim, worst["mean"], 0.5, at_most=True)]


def _pair(pixels: np.ndarray, quality: str, resize: str) -> tuple[np.ndarray, np.ndarray]:
    data = simplejpeg.encode_jpeg(pixels, quality=95, colorspace="RGB", colorsubsampling="444")
    mine = ours(decode_still(data, SourceRecipe()), np.eye(3)[None], quality)[0]
    decoded = simplejpeg.decode_jpeg(data, "RGB")
    plain = PLAIN[resize](decoded)
    return mine, plain


def _stored(frame: np.ndarray) -> np.ndarray:
    return decode_jpeg(encode_jpeg(frame, VideoRecipe().jpeg_quality))
