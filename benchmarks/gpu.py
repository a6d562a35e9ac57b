"""A torch device beside OpenCV on one CPU core: rendering, whole builds, and JPEGs by nvJPEG.

Rendering is `animate.render` alone, from decoded stills to frames in the host's memory, copies included, one
by one and in batches; agreement of the two paths is measured in the same run. A build is `build_shards` in
this process from photographs to shards of frames, eight takes each. nvJPEG is torchvision's; it writes 4:4:4
chroma and cannot be told otherwise, so sizes stand beside times.

    python benchmarks/gpu.py --device cuda --photos FOLDER [--quick]
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import simplejpeg
import torch

from animate.build import build_shards
from animate.camera import View
from animate.codec import decode_jpeg, decode_still, encode_jpeg
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.executor import Workforce
from animate.recipe import BuildRecipe
from animate.render import RenderJob, render_jobs
from animate.saliency import salient_point
from benchmarks import measure
from benchmarks.corpus import lay_out, recipe_for
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
    rounds = 3 if options.quick else 7
    photographs = measure.photographs(options.photos, 32 if options.quick else 128)
    recipe = BuildRecipe()
    jobs = [_job(path, recipe) for path in photographs]

    rates = _rates(
        {"OpenCV, one core": lambda: _render(jobs, recipe, "cpu", 1)}
        | {
            f"{options.device}, batches of {batch}": lambda batch=batch: _render(
                jobs, recipe, options.device, batch
            )
            for batch in BATCHES
        },
        len(jobs),
        rounds,
    )
    measure.table("Rendering, clips a second", ("case", "clips/s"), list(rates.items()))
    difference = _difference(jobs[:16], recipe, options.device)
    print(f"\nmean absolute difference of the two paths: {difference:.3f} of 255")

    builds = _builds(photographs[: 16 if options.quick else 64], options.device, rounds=3)
    measure.table(
        "Builds of frames in one process, clips a second", ("case", "clips/s"), list(builds.items())
    )
    frames = np.concatenate(list(render_jobs(jobs[:16], recipe.video, "cpu")))
    jpeg = _nvjpeg(photographs, frames, options.device, rounds) if options.device.startswith("cuda") else {}
    measure.table("JPEG", ("case", "images/s"), list(jpeg.get("images_per_second", {}).items()))
    measure.write(
        options.results,
        "gpu",
        {
            **measure.machine(),
            "device": _device_name(options.device),
            "clips_per_second": _plain(rates),
            "mean_absolute_difference": round(difference, 4),
            "build_clips_per_second": _plain(builds),
            "jpeg": {**jpeg, "images_per_second": _plain(jpeg["images_per_second"])} if jpeg else "no nvJPEG",
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


def _rates(cases: dict[str, Callable[[], Any]], number: int, rounds: int) -> dict[str, Spread]:
    """Things a second, `number` of which each case makes."""
    timed = {name: lambda case=case: number / measure.seconds_of(case) for name, case in cases.items()}
    return {name: Spread.of(values) for name, values in measure.interleaved(timed, rounds).items()}


def _render(jobs: Sequence[RenderJob], recipe: BuildRecipe, device: str, batch: int) -> None:
    for first in range(0, len(jobs), batch):
        list(render_jobs(jobs[first : first + batch], recipe.video, device))


def _difference(jobs: Sequence[RenderJob], recipe: BuildRecipe, device: str) -> float:
    ours = list(render_jobs(jobs, recipe.video, "cpu"))
    theirs = list(render_jobs(jobs, recipe.video, device))
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(ours, theirs, strict=True)]))


def _builds(photographs: Sequence[Path], device: str, rounds: int) -> dict[str, Spread]:
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus"
        lay_out(photographs, corpus)
        recipe = recipe_for(corpus, 'video.format="frames"', "takes=8")
        clips = 8 * len(photographs)

        def build(on: str) -> None:
            out = Path(scratch) / "out"
            report = build_shards(recipe, out, Workforce(workers=0, device=on))
            assert report.clips == clips, report
            shutil.rmtree(out)

        return _rates({"OpenCV": lambda: build("cpu"), device: lambda: build(device)}, clips, rounds)


def _nvjpeg(photographs: Sequence[Path], frames: np.ndarray, device: str, rounds: int) -> dict[str, Any]:
    """Images a second of both codecs, host memory to host memory or to the device, and sizes and likeness."""
    from torchvision.io import decode_jpeg as torchvision_decode
    from torchvision.io import encode_jpeg as torchvision_encode

    quality = BuildRecipe().video.jpeg_quality
    on_device = list(torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).contiguous())
    stills = [path.read_bytes() for path in photographs]
    as_tensors = [torch.frombuffer(bytearray(data), dtype=torch.uint8) for data in stills]

    def encode_on_device() -> list[bytes]:
        return [data.cpu().numpy().tobytes() for data in torchvision_encode(on_device, quality=quality)]

    def decode_on_device() -> None:
        torchvision_decode(as_tensors, device=device)
        torch.cuda.synchronize()

    ours, theirs = [encode_jpeg(frame, quality) for frame in frames], encode_on_device()
    encode = _rates(
        {
            "simplejpeg encodes, one core": lambda: [encode_jpeg(frame, quality) for frame in frames],
            "nvJPEG encodes, to host memory": encode_on_device,
        },
        len(frames),
        rounds,
    )
    decode = _rates(
        {
            "simplejpeg decodes, one core": lambda: [simplejpeg.decode_jpeg(data, "RGB") for data in stills],
            "nvJPEG decodes, on the device": decode_on_device,
        },
        len(stills),
        rounds,
    )
    return {
        "images_per_second": encode | decode,
        "bytes_a_frame": {"simplejpeg 4:2:0": _mean_size(ours), "nvJPEG 4:4:4": _mean_size(theirs)},
        "psnr": {"simplejpeg 4:2:0": _psnr(frames, ours), "nvJPEG 4:4:4": _psnr(frames, theirs)},
    }


def _mean_size(encoded: Sequence[bytes]) -> int:
    return round(sum(map(len, encoded)) / len(encoded))


def _psnr(frames: np.ndarray, encoded: Sequence[bytes]) -> float:
    decoded = np.array([decode_jpeg(data) for data in encoded], np.float64)
    return round(float(10 * np.log10(255**2 / np.mean((decoded - frames) ** 2))), 2)


def _plain(spreads: dict[str, Spread]) -> dict[str, Any]:
    return {name: spread.to_json() for name, spread in spreads.items()}


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


if __name__ == "__main__":
    main()
