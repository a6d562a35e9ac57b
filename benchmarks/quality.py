"""Image quality: anti-aliasing, flicker, sharpness, smoothness, colour, and whether both renderers agree.

What is measured stands at the top of each file of benchmarks/image_quality. PSNR is against 64 samples a
frame pixel of pictures made of photographs at their own size, so that all detail is real; processor time
is in interleaved rounds, each ratio taken within its round.

    python benchmarks/quality.py --photos FOLDER [--quick]
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2

from benchmarks import measure
from benchmarks.image_quality import agreement, antialiasing, smoothness, steadiness


def main() -> None:
    options = measure.arguments(__doc__, rounds=0, stills=0)
    rounds = options.rounds or (2 if options.quick else 5)
    stills = options.stills or (1 if options.quick else 2)
    cv2.setNumThreads(1)
    photographs = measure.photographs(options.photos, 200)

    likeness = antialiasing.likeness(photographs, stills, rounds)
    measure.table(
        "Anti-aliasing: PSNR against supersampled frames, dB, and processor time beside bilinear's",
        ("source", "source px a frame px", "method", "box", "tent", "ms a clip", "times"),
        [
            (r["source"], r["scale"], method, m["box"], m["tent"], m["milliseconds"], m["times_bilinear"])
            for r in likeness
            for method, m in r["methods"].items()
        ],
    )
    over_time = antialiasing.over_time(photographs, 1)
    _table("Error over time, slow zoom at 2.4 source px a frame px, code values", over_time)
    sharpness = steadiness.steps(photographs, 2 if options.quick else 6)
    _table("Sharpness beside supersampled frames in slow zooms: the largest step, and the range", sharpness)
    motion, missing = smoothness.recovered(photographs)
    _table("Recovered motion beside the planned path, px", motion)
    for name, why in missing.items():
        print(f"{name}: {why}")
    colour = agreement.colour(photographs, stills)
    _table("Static full view beside a plain resize, code values", colour)
    kornia = agreement.kornia(photographs, stills)
    _table("Kornia beside OpenCV, code values", kornia)

    targets = [
        *antialiasing.targets(likeness),
        *steadiness.targets(sharpness),
        *smoothness.targets(motion),
        *agreement.colour_targets(colour),
        *agreement.kornia_targets(kornia),
    ]
    measure.print_targets(targets)
    content = {
        "machine": measure.machine(),
        "anti_aliasing": [_plain(row) for row in likeness],
        "error_over_time": over_time,
        "sharpness_in_zooms": sharpness,
        "smoothness": motion,
        "not_measured": missing,
        "colour": colour,
        "kornia_beside_opencv": kornia,
        "targets": targets,
    }
    measure.write(options.results, "quality", content)


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    measure.table(title, tuple(rows[0]), [tuple(row.values()) for row in rows])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the first table with its times as plain numbers."""
    methods = {
        method: {
            key: value.to_json() if isinstance(value, measure.Spread) else value for key, value in m.items()
        }
        for method, m in row["methods"].items()
    }
    return {key: value for key, value in row.items() if key != "at"} | {"methods": methods}


if __name__ == "__main__":
    main()
