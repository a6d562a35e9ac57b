"""Likeness to the supersampled frame, its price, and what is left of it over time."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.corpus import mosaic
from benchmarks.image_quality.supersampled import METHODS, references, views
from benchmarks.measure import Spread

#: (width, height, source pixels a frame pixel, times that in the last frame)
CASES = (
    (1024, 768, 2.4, 1.0), (1024, 768, 1.7, 1.0), (1024, 768, 1.45, 1.0), (1024, 768, 1.2, 1.0),
    (1024, 768, 1.2, 2.0), (4000, 3000, 8.0, 1.0), (4000, 3000, 2.4, 1.0), (4000, 3000, 1.7, 1.0),
    (4000, 3000, 1.45, 1.0), (4000, 3000, 1.2, 1.0), (4000, 3000, 4.0, 2.0),
)  # fmt: skip

_COMPARED = (0, 4, 8, 11)


def likeness(photographs: Sequence[Path], stills: int, rounds: int) -> list[dict[str, Any]]:
    """For each case and method: PSNR against both references, and processor time beside bilinear's."""
    return [_case(photographs, case, stills, rounds) for case in CASES]


def over_time(photographs: Sequence[Path], stills: int, num_frames: int = 24) -> list[dict[str, Any]]:
    """A slow zoom over fine detail: how much a frame's error changes while nothing but the camera moves.

    `std_over_time` is each pixel's standard deviation of the error over the clip, `flicker` the change of
    the error from one frame to the next; both root mean square over pixels, in code values.
    """
    rows = []
    wanted: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for seed in range(stills):
        still = mosaic(photographs, 1024, 768, 100 + seed)
        path = views(2.4, 1024, 768, num_frames, 0.92)
        path[:, 2, :2] = 0  # a zoom alone
        references_of = [references(still, homography) for homography in path]
        for method, film in METHODS.items():
            frames = film(still, path)
            for kind in ("box", "tent"):
                error = frames - np.array([reference[kind] for reference in references_of], np.float32)
                std = float(np.sqrt(np.mean(error.std(axis=0) ** 2)))
                flicker = float(np.sqrt(np.mean(np.diff(error, axis=0) ** 2)))
                wanted.setdefault((method, kind), []).append((std, flicker))
    for (method, kind), values in wanted.items():
        std, flicker = np.mean(values, axis=0).tolist()
        rows.append(
            {
                "method": method,
                "reference": kind,
                "std_over_time": round(std, 3),
                "flicker": round(flicker, 3),
            }
        )
    return rows


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the project claims of the table of `likeness`."""
    claims = []
    for row in rows:
        where = f"{row['source']} at {row['scale']}"
        for kind, default, best in (("box", 3.5, 7.0), ("tent", 6.0, 10.0)):
            gain = {
                m: row["methods"][m][kind] - row["methods"]["bilinear"][kind] for m in ("default", "best")
            }
            if row["at"] >= 2.4:
                claims.append(
                    measure.target(f"default over bilinear, {where}, {kind}, dB", gain["default"], default)
                )
                claims.append(measure.target(f"best over bilinear, {where}, {kind}, dB", gain["best"], best))
            elif row["at"] <= 1.45:
                claims.append(
                    measure.target(f"nothing lost by default, {where}, {kind}, dB", gain["default"], 0.0)
                )
        if (row["source"], row["scale"]) == ("1024x768", "2.4"):
            ratio = row["methods"]["default"]["times_bilinear"].median
            claims.append(
                measure.target(f"default: times bilinear's time, {where}", ratio, 1.5, at_most=True)
            )
    return claims


def _case(
    photographs: Sequence[Path], case: tuple[int, int, float, float], stills: int, rounds: int
) -> dict[str, Any]:
    width, height, scale, change = case
    path = views(scale, width, height, change=change)
    number = stills if width < 2000 else max(1, stills // 2)
    likenesses: dict[str, dict[str, list[float]]] = {method: {"box": [], "tent": []} for method in METHODS}
    pictures = [mosaic(photographs, width, height, seed) for seed in range(number)]
    for still in pictures:
        expected = {i: references(still, path[i]) for i in _COMPARED}
        for method, film in METHODS.items():
            frames = film(still, path)
            for i, both in expected.items():
                for kind, reference in both.items():
                    likenesses[method][kind].append(_psnr(frames[i], reference))
    seconds = measure.interleaved(
        {method: _timed(film, pictures[0], path) for method, film in METHODS.items()}, rounds
    )
    plain = seconds["bilinear"]
    return {
        "source": f"{width}x{height}",
        "scale": f"{scale:g}" if change == 1 else f"{scale:g} to {scale * change:g}",
        "at": scale if change == 1 else 1.5,
        "stills": number,
        "methods": {
            method: {
                "box": round(float(np.mean(likenesses[method]["box"])), 2),
                "tent": round(float(np.mean(likenesses[method]["tent"])), 2),
                "milliseconds": Spread.of([1000 * value for value in seconds[method]]),
                "times_bilinear": Spread.of([a / b for a, b in zip(seconds[method], plain, strict=True)]),
            }
            for method in METHODS
        },
    }


def _timed(film: Callable[..., np.ndarray], still: np.ndarray, path: np.ndarray) -> Callable[[], float]:
    def run() -> float:
        started = time.process_time()
        film(still, path)
        return time.process_time() - started

    return run


def _psnr(frame: np.ndarray, reference: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((frame.astype(np.float64) - reference) ** 2)))
