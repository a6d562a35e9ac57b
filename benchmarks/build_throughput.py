"""Clips a second of `animate build` and of what else would do the job, in one run.

200 photographs, 12 frames of 224x224, as JPEG frames and as mp4, one process and two. All processes are
started and warm, with one thread each, and every round runs all cases in turn. The floors and the PyAV
loop run in processes set up as our workers are (freed memory kept for reuse); the other peers run as the
scripts that a user would write and start, and the fastest of them once more in our workers' processes.
Ours is measured three ways: `shard.build_shard` in a process; shards on Ray workers, Ray started before;
and the whole command, start-up stated apart. Peers: `benchmarks/peers`.

    python benchmarks/build_throughput.py --photos FOLDER [--quick]
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from animate.executor import Workforce

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate import executor
from benchmarks import measure
from benchmarks.corpus import lay_out, recipe_for
from benchmarks.measure import Spread
from benchmarks.peers import encoding, floor, libraries, programs

#: Our presets and the floor that each is compared with. The default mix has hand shake, turns (perspective),
#: cuts and dissolves; a push in is affine; a pan is perspective and nothing else.
PRESETS = {"default": "floor perspective", "push_in": "floor affine", "pan": "floor perspective"}

_PAN = 'shot.shots=[{name="pan", components={pan={}}}]'

Peer = Callable[[Sequence[Path], Path], None]

#: name -> (format, function, share of the photographs that it films: slow ones film fewer).
PEERS: dict[str, tuple[str, Peer, float]] = {
    "floor perspective": ("frames", floor.floor_perspective, 1.0),
    "floor affine": ("frames", floor.floor_affine, 1.0),
    "OpenCV loop": ("frames", libraries.opencv, 1.0),
    "OpenCV loop, in our worker": ("frames", libraries.opencv, 1.0),
    "kornia, naive": ("frames", libraries.kornia_frame_by_frame, 0.15),
    "kornia, one call a clip": ("frames", libraries.kornia_one_call, 0.15),
    "kornia, one call a clip, in our worker": ("frames", libraries.kornia_one_call, 0.15),
    "PIL crop and resize": ("frames", libraries.pillow, 0.25),
    "PIL crop and resize, in our worker": ("frames", libraries.pillow, 0.25),
    "torchvision v2 affine": ("frames", libraries.torchvision_affine, 0.05),
    "ffmpeg zoompan": ("frames", programs.zoompan_frames, 0.05),
    "moviepy": ("frames", programs.moviepy_frames, 0.05),
    "PyAV loop, perspective": ("mp4", encoding.pyav_perspective, 0.3),
    "ffmpeg zoompan to mp4": ("mp4", programs.zoompan_mp4, 0.05),
    "moviepy to mp4": ("mp4", programs.moviepy_mp4, 0.05),
}
#: The floors: nobody is to say that our workers' settings were kept from them.
SET_UP_AS_OURS = (floor.floor_perspective, floor.floor_affine, encoding.pyav_perspective)


def main() -> None:
    options = measure.arguments(__doc__, rounds=0, number=0)
    rounds = options.rounds or (1 if options.quick else 3)
    number = options.number or (40 if options.quick else 200)
    missing = _missing()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photographs = lay_out(measure.photographs(options.photos, number), folder / "corpus")
        with (
            _pool(executor.prepare_process) as ours,
            _pool(one_thread) as scripts,
            _pool(executor.prepare_process) as torch_in_ours,
        ):
            pools = {"ours": ours, "scripts": scripts, "torch": torch_in_ours}
            cases = _cases(photographs, folder, missing, pools)
            seconds = measure.interleaved({name: case for name, (_, _, _, case) in cases.items()}, rounds)
        rows = [
            {
                "name": name.rpartition(" x")[0],
                "format": form,
                "workers": workers,
                "clips": clips,
                "clips_per_second": Spread.of([clips / value for value in seconds[name]]),
            }
            for name, (form, workers, clips, _) in cases.items()
        ]
        rows += _on_ray(photographs, folder, rounds)
        command = _whole_command(photographs, folder)
    _report(rows, command, missing, options.results, number)


def _cases(
    photographs: list[Path],
    folder: Path,
    missing: dict[str, str],
    pools: dict[str, ProcessPoolExecutor],
) -> dict[str, tuple[str, int, int, Callable[[], float]]]:
    """Name xWORKERS -> (format, workers, clips, one measured run in seconds)."""
    cases: dict[str, tuple[str, int, int, Callable[[], float]]] = {}
    for name, (form, peer, share) in PEERS.items():
        if name in missing:
            continue
        some = photographs[: max(2, round(len(photographs) * share))]
        pool = pools["ours" if peer in SET_UP_AS_OURS or name.endswith("in our worker") else "scripts"]
        if name == "kornia, one call a clip, in our worker":
            pool = pools["torch"]  # torch must not be loaded where ours is measured
        for workers in (1, 2):
            run = _split_run(pool, peer, some, folder, workers)
            cases[f"{name} x{workers}"] = (form, workers, len(some), run)
    for form in ("frames", "mp4"):
        for preset in PRESETS:
            some = photographs[: max(2, round(len(photographs) * (0.3 if form == "mp4" else 1.0)))]
            run = _split_run(pools["ours"], _Ours(preset, form), some, folder, 1)
            cases[f"animate {preset} {form} x1"] = (form, 1, len(some), run)
    return cases


class _Ours:
    """`build_shard` as a peer: one whole shard of the photographs, with records and fsync."""

    def __init__(self, preset: str, form: str) -> None:
        self.overrides = (*_preset(preset), f'video.format="{form}"', "shards.clips_per_shard=100000")

    def __call__(self, photographs: Sequence[Path], tar: Path) -> None:
        from animate.shard import Assignment, build_shard
        from animate.shards.plan import cut
        from animate.sources import open_source

        recipe = recipe_for(photographs[0].parent, *self.overrides, f"source.limit={len(photographs)}")
        out = tar.with_suffix("")
        plan_folder = out / "_animate"
        plan_folder.mkdir(parents=True, exist_ok=True)
        frozen = open_source(recipe.source).freeze(plan_folder, 100_000)
        for shard in cut(frozen.parts, 100_000):
            build_shard(
                Assignment(shard=shard, recipe=recipe, out=str(out), frozen="", columns=frozen.columns)
            )


def _preset(name: str) -> tuple[str, ...]:
    return (_PAN,) if name == "pan" else (f'shot.preset="{name}"',)


def one_thread() -> None:
    """What a script needs so as not to take both cores; nothing else is set."""
    import cv2

    cv2.setNumThreads(1)


def _pool(prepare: Callable[[], None]) -> ProcessPoolExecutor:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # inherited by the processes started here
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), prepare)


def _split_run(
    pool: ProcessPoolExecutor, peer: Peer, photographs: list[Path], folder: Path, workers: int
) -> Callable[[], float]:
    """A run of `peer` on one process with all photographs, or on two with half of them each."""
    pieces = [photographs[i::workers] for i in range(workers)]

    def run() -> float:
        started = time.perf_counter()
        tars = [folder / f"{i}.tar" for i in range(workers)]
        for future in [
            pool.submit(_one_thread, peer, piece, tar) for piece, tar in zip(pieces, tars, strict=True)
        ]:
            future.result()
        return time.perf_counter() - started

    return run


def _one_thread(peer: Peer, photographs: Sequence[Path], tar: Path) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    peer(photographs, tar)


def _on_ray(photographs: list[Path], folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Whole builds on one and on two Ray workers, Ray started and the workers warm."""
    import ray

    from animate.build import build_shards

    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(measure.ROOT), os.environ.get("PYTHONPATH")))
    )
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray's own spelling)
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    clips = {"frames": len(photographs), "mp4": max(8, round(len(photographs) * 0.4))}

    def run(form: str, workers: int) -> float:
        limits = (f"source.limit={clips[form]}", f"shards.clips_per_shard={clips[form] // 8}")
        recipe = recipe_for(photographs[0].parent, f'video.format="{form}"', *limits)
        return measure.seconds_of(
            lambda: build_shards(recipe, folder / "ray", workforce=Workforce(workers=workers), overwrite=True)
        )

    try:
        cases = {(form, workers): (lambda f=form, w=workers: run(f, w)) for form in ("frames", "mp4")
                 for workers in (1, 2)}  # fmt: skip
        seconds = measure.interleaved(
            {f"{form} {workers}": case for (form, workers), case in cases.items()}, rounds
        )
    finally:
        ray.shutdown()
    return [
        {
            "name": f"animate default {form}, Ray",
            "format": form,
            "workers": workers,
            "clips": clips[form],
            "clips_per_second": Spread.of([clips[form] / s for s in seconds[f"{form} {workers}"]]),
        }
        for form, workers in cases
    ]


def _whole_command(photographs: list[Path], folder: Path) -> list[dict[str, Any]]:
    """`animate build` from the shell: seconds in all, and how many of them are start-up and shut-down."""
    rows = []
    for workers in (0, 2):
        out = folder / f"command{workers}"
        command = [
            sys.executable, "-c", "from cli.animate.main import main; main()", "build",
            "--src", str(photographs[0].parent), "--out", str(out), "--format", "frames",
            "--workers", str(workers), "--set", f"shards.clips_per_shard={max(1, len(photographs) // 8)}",
        ]  # fmt: skip
        started = time.time()
        subprocess.run(command, cwd=measure.ROOT, check=True, capture_output=True)
        ended = time.time()
        tars = sorted(out.glob("*.tar"), key=lambda path: path.stat().st_mtime)
        filming = _filming_seconds(out, workers)
        rows.append(
            {
                "workers": workers,
                "seconds": round(ended - started, 2),
                "first_shard_after_seconds": round(tars[0].stat().st_mtime - started, 2),
                "start_up_seconds": round(ended - started - filming, 2),
                "clips_per_second_in_all": round(len(photographs) / (ended - started), 1),
            }
        )
        shutil.rmtree(out)
    return rows


def _filming_seconds(out: Path, workers: int) -> float:
    """How long the shards took, taken from when the first and the last of the equal shards were finished."""
    ends = sorted(path.stat().st_mtime for path in out.glob("*.tar"))
    if len(ends) <= max(1, workers):
        return 0.0
    waves = len(ends) / max(1, workers)
    return (ends[-1] - ends[0]) * waves / (waves - 1) if waves > 1 else 0.0


def _missing() -> dict[str, str]:
    """Peers that cannot be measured on this machine, and why."""
    missing = {}
    if not programs.ffmpeg_found():
        missing |= dict.fromkeys(("ffmpeg zoompan", "ffmpeg zoompan to mp4"), "no ffmpeg on the path")
    if find_spec("moviepy") is None:
        missing |= dict.fromkeys(("moviepy", "moviepy to mp4"), "moviepy is not installed")
    return missing


def _report(
    rows: list[dict[str, Any]],
    command: list[dict[str, Any]],
    missing: dict[str, str],
    results: Path,
    number: int,
) -> None:
    rate = {(row["name"], row["workers"]): row["clips_per_second"].median for row in rows}
    for row in rows:
        base = "PyAV loop, perspective" if row["format"] == "mp4" else _floor_of(row["name"])
        row["compared_with"] = base
        row["ratio"] = round(row["clips_per_second"].median / rate[base, row["workers"]], 3)
    measure.table(
        f"Clips a second, {number} photographs, 12 frames of 224x224",
        ("", "format", "workers", "clips/s", "ratio", "to"),
        [
            (r["name"], r["format"], r["workers"], r["clips_per_second"], r["ratio"], r["compared_with"])
            for r in rows
        ],
    )
    for name, why in missing.items():
        print(f"not measured: {name}: {why}")
    measure.table(
        "animate build, the whole command (frames)",
        tuple(command[0]),
        [tuple(row.values()) for row in command],
    )
    targets = _targets(rate)
    measure.print_targets(targets)
    content = {
        "machine": measure.machine(),
        "photographs": number,
        "rows": [row | {"clips_per_second": row["clips_per_second"].to_json()} for row in rows],
        "whole_command": command,
        "not_measured": missing,
        "targets": targets,
    }
    measure.write(results, "build_throughput", content)


def _floor_of(name: str) -> str:
    preset = next((preset for preset in PRESETS if f"animate {preset}" in name), "default")
    return PRESETS[preset]


def _targets(rate: dict[tuple[str, int], float]) -> list[dict[str, Any]]:
    ours = rate["animate default frames", 1]
    targets = [
        measure.target(
            f"{preset}, frames: of {base}", rate[f"animate {preset} frames", 1] / rate[base, 1], 0.9
        )
        for preset, base in PRESETS.items()
    ]
    targets.append(measure.target("default, frames: of the OpenCV loop", ours / rate["OpenCV loop", 1], 1.0))
    others = ("kornia, naive", "PIL crop and resize", "torchvision v2 affine", "ffmpeg zoompan", "moviepy")
    for name in others:
        if (name, 1) in rate:
            targets.append(measure.target(f"default, frames: of {name}", ours / rate[name, 1], 2.0))
    loop = rate["PyAV loop, perspective", 1]
    targets.append(
        measure.target("default, mp4: of the PyAV loop", rate["animate default mp4", 1] / loop, 0.9)
    )
    for name in ("ffmpeg zoompan to mp4", "moviepy to mp4"):
        if (name, 1) in rate:
            ratio = rate["animate default mp4", 1] / rate[name, 1]
            targets.append(measure.target(f"default, mp4: of {name}", ratio, 2.0))
    for form in ("frames", "mp4"):
        one, two = (rate[f"animate default {form}, Ray", workers] for workers in (1, 2))
        targets.append(measure.target(f"{form}: two Ray workers, of one", two / one, 1.8))
    ratio = rate["floor perspective", 2] / rate["floor perspective", 1]
    targets.append(measure.target("for comparison, the floor: two processes, of one", ratio, 1.8))
    return targets


if __name__ == "__main__":
    main()
