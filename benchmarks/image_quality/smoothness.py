"""Does the motion in the frames follow the planned path? Asked of an independent estimator, ECC.

Each frame is aligned with the first. Departure is the distance between where the estimate and where the plan
put a grid of points, root mean square; acceleration noise is the second difference of that departure. The
estimator's own floor is what it says of supersampled frames, which follow the path as well as frames can.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animate.camera import View, project
from animate.components import COMPONENTS
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.shot import Shot
from benchmarks import measure
from benchmarks.corpus import mosaic
from benchmarks.image_quality.supersampled import METHODS, SIZE, box_reference

NUM_FRAMES = 24
SIDE = 376
LIMIT_PIXELS = 0.05
#: One texture more or less moves these figures by a third.
STILLS = 6

_GRID = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 5), np.linspace(0.1, 0.9, 5)), -1).reshape(-1, 2)


def recovered(photographs: Sequence[Path]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Departure and acceleration noise of every move and method, and what could not be measured and why."""
    rows, missing = [], {}
    if shutil.which("ffmpeg") is None:
        missing["ffmpeg zoompan"] = "not measured: no ffmpeg on the path"
    for move in ("truck", "zoom"):
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(STILLS):
            still = mosaic(photographs, SIDE, SIDE, 200 + seed)
            path = _path(move)
            clips = {method: film(still, path) for method, film in METHODS.items()}
            ideal = [np.rint(box_reference(still, homography)) for homography in path]
            clips["supersampled (the estimator's floor)"] = np.array(ideal, np.uint8)
            for method, frames in clips.items():
                found.setdefault(method, []).append(_departure(frames, path))
            if not missing:
                frames, planned = _zoompan(still, move)
                found.setdefault("ffmpeg zoompan", []).append(_departure(frames, planned))
        for method, values in found.items():
            rms, noise = np.sqrt(np.mean(np.square(values), axis=0)).tolist()
            rows.append(
                {"move": move, "method": method, "rms_pixels": round(rms, 4), "acceleration": round(noise, 4)}
            )
    return rows, missing


def targets(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Below 0.05 px, and acceleration noise no worse than the estimator's own range for sub-pixel warps."""
    claims = []
    for row in rows:
        if row["method"] in ("default", "best"):
            where = f"{row['method']}, slow {row['move']}"
            claims.append(
                measure.target(f"{where}: departure, px", row["rms_pixels"], LIMIT_PIXELS, at_most=True)
            )
            claims.append(
                measure.target(f"{where}: acceleration, px/frame²", row["acceleration"], 0.04, at_most=True)
            )
    return claims


def _path(move: str) -> np.ndarray:
    """A slow truck, 0.4 px a frame, or a slow zoom, 0.5 px a frame in the corners: as a clip records them."""
    values = {"truck": {"amount": 0.04, "direction": "right"}, "zoom": {"ratio": 1.08, "direction": "in"}}
    component = COMPONENTS[move](**values[move], ease="linear")
    # Narrowed so that there is room to truck.
    shot = Shot(name=move, components=(component,), still=0, first=0, num_frames=NUM_FRAMES, tighten=0.9)
    return shot.seen(View(still_size=(SIDE, SIDE), frame_size=(SIZE, SIZE)), 24).frames


def _zoompan(still: np.ndarray, move: str) -> tuple[np.ndarray, np.ndarray]:
    """zoompan's frames, and the path that it was asked for: as slow as ours."""
    on = np.arange(NUM_FRAMES)
    if move == "truck":
        zoom, left = np.full(NUM_FRAMES, 1 / 0.9), 10.3 + 0.627 * on
        words = "z='1/0.9':x='10.3+0.627*on':y='(ih-ih/zoom)/2'"
    else:
        zoom = (1 + 0.08 * on / (NUM_FRAMES - 1)) / 0.9
        left = (SIDE - SIDE / zoom) / 2
        words = f"z='(1+0.08*on/{NUM_FRAMES - 1})/0.9':x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2'"
    filters = f"zoompan={words}:d={NUM_FRAMES}:s={SIZE}x{SIZE}:fps=24"
    command = [
        "ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIDE}x{SIDE}", "-i", "-",
        "-vf", filters, "-frames:v", str(NUM_FRAMES), "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
    ]  # fmt: skip
    data = subprocess.run(command, input=still.tobytes(), check=True, capture_output=True).stdout
    frames = np.frombuffer(data, np.uint8).reshape(NUM_FRAMES, SIZE, SIZE, 3)
    planned = np.zeros((NUM_FRAMES, 3, 3))
    planned[:, 0, 0] = planned[:, 1, 1] = 1 / zoom
    planned[:, 0, 2] = left / SIDE
    planned[:, 1, 2] = (1 - 1 / zoom) / 2
    planned[:, 2, 2] = 1
    return frames, planned


def _departure(frames: np.ndarray, path: np.ndarray) -> tuple[float, float]:
    """RMS departure in pixels and RMS acceleration noise in pixels a frame²; a fixed offset is no motion."""
    matrices = source_pixel_from_frame_pixel(path, (SIDE, SIDE), (SIZE, SIZE))
    grid = _GRID * SIZE
    first = project(matrices[0], grid)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    warp = np.eye(2, 3, dtype=np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-6)
    departures = [np.zeros_like(grid)]
    for matrix, frame in zip(matrices[1:], grey[1:], strict=True):
        _, warp = cv2.findTransformECC(grey[0], frame, warp, cv2.MOTION_AFFINE, criteria, None, 5)
        estimated = grid @ warp[:, :2].T + warp[:, 2]
        departures.append(estimated - project(np.linalg.inv(matrix), first))
    errors = np.array(departures)
    errors -= errors.mean(axis=0)
    acceleration = np.diff(errors, 2, axis=0)
    return _rms(errors), _rms(acceleration)


def _rms(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))
