"""Clips a second of rendering on a torch device, batched and one by one, beside OpenCV on one CPU core.

Decoding and encoding are left out: this measures `animate.render` alone, from decoded stills to frames in
the host's memory, copies included. Agreement of the two paths is measured in the same run.

    python benchmarks/gpu.py --device cuda --photos FOLDER [--quick]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import torch

from animate.camera import View
from animate.codec import decode_still
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.recipe import BuildRecipe
from animate.render import RenderJob, render_jobs
from animate.saliency import salient_point
from benchmarks import measure
from benchmarks.measure import Spread

BATCHES = (1, 8, 32)


def main() -> None:
    options = measure.arguments(__doc__, device="cuda")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit(
            "--device cuda: torch sees no GPU here; --device cpu:0 tries the same code without one"
        )
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    recipe = BuildRecipe()
    jobs = [_job(path, recipe) for path in measure.photographs(options.photos, 32 if options.quick else 128)]
    cases = {"OpenCV, one core": lambda: _rate(jobs, recipe, "cpu", 1)}
    for batch in BATCHES:
        cases[f"{options.device}, batches of {batch}"] = lambda batch=batch: _rate(
            jobs, recipe, options.device, batch
        )
    answers = measure.interleaved(cases, 3 if options.quick else 7)
    spreads = {name: Spread.of(values) for name, values in answers.items()}
    difference = _difference(jobs[:16], recipe, options.device)
    measure.table("Rendering, clips a second", ("case", "clips/s"), list(spreads.items()))
    print(f"\nmean absolute difference of the two paths: {difference:.3f} of 255")
    measure.write(
        options.results,
        "gpu",
        {
            **measure.machine(),
            "device": _device_name(options.device),
            "clips_per_second": {name: spread.to_json() for name, spread in spreads.items()},
            "mean_absolute_difference": round(difference, 4),
        },
    )


def _job(path: Path, recipe: BuildRecipe) -> RenderJob:
    still = decode_still(path.read_bytes(), recipe.source)
    view = View(
        still_size=(still.shape[1], still.shape[0]), frame_size=(recipe.video.width, recipe.video.height)
    )
    rng = take_rng(0, "benchmark", Take(source_key=path.stem, index=0))
    _, layers = draw_edit(recipe.shot, recipe.video, [view], rng, [lambda: salient_point(still)])
    return RenderJob(stills=(still,), layers=layers)


def _rate(jobs: list[RenderJob], recipe: BuildRecipe, device: str, batch: int) -> float:
    def run() -> None:
        for first in range(0, len(jobs), batch):
            render_jobs(jobs[first : first + batch], recipe.video, device)

    return len(jobs) / measure.seconds_of(run)


def _difference(jobs: list[RenderJob], recipe: BuildRecipe, device: str) -> float:
    ours = render_jobs(jobs, recipe.video, "cpu")
    theirs = render_jobs(jobs, recipe.video, device)
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(ours, theirs, strict=True)]))


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
