"""What every benchmark shares: the machine, the photographs, interleaved rounds, tables and result files."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SUFFIXES = (".jpg", ".jpeg")

#: Two timings closer than this are a tie: shared machines are no steadier.
TIE = 1.15

_DISTRIBUTIONS = (
    "numpy", "opencv-python-headless", "simplejpeg", "pillow", "av", "torch", "torchvision", "kornia",
    "webdataset", "ray", "moviepy",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median and interquartile range of repeated measurements, in their own unit."""

    median: float
    iqr: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        if len(values) < 2:
            return cls(median=values[0], iqr=0.0, rounds=len(values))
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median=statistics.median(values), iqr=high - low, rounds=len(values))

    def to_json(self, digits: int = 4) -> dict[str, float | int]:
        return {
            "median": float(f"{self.median:.{digits}g}"),
            "iqr": float(f"{self.iqr:.{digits}g}"),
            "rounds": self.rounds,
        }


def interleaved(cases: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each case's answer in every round. A round runs all cases once, in turn and in alternating order, so
    that a busy minute of the machine falls on all of them; one round more comes first and is thrown away."""
    answers: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name in list(cases) if number % 2 == 0 else reversed(list(cases)):
            answer = cases[name]()
            if number:
                answers[name].append(answer)
    return answers


def seconds_of(function: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def arguments(description: str | None, **more: Any) -> argparse.Namespace:
    """The command line every benchmark has (`--photos`, `--quick`, `--results`); `more` adds options by name
    with their default."""
    parser = argparse.ArgumentParser(description=(description or "").strip().partition("\n")[0])
    parser.add_argument("--photos", type=Path, default=default_photos(), help="folder with JPEG photographs")
    parser.add_argument("--quick", action="store_true", help="fewer photographs and rounds, for a first look")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the JSON")
    for name, default in more.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def default_photos() -> Path:
    """200 photographs of Flickr8k where they lie beside the checkout, else the demo corpus of the package."""
    native = ROOT.parent / "shared" / "data" / "flickr8k-native"
    return native if native.is_dir() else ROOT / "animate" / "demo"


def photographs(folder: Path, number: int) -> list[Path]:
    """`number` photographs of a folder in the order of their names, over again where it holds fewer."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"--photos {folder}: holds no {' or '.join(SUFFIXES)}")
    return [found[i % len(found)] for i in range(number)]


def machine() -> dict[str, Any]:
    """What a number depends on besides the code: hardware, versions, commit and date."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": versions,
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def write(results: Path, name: str, content: Mapping[str, Any]) -> None:
    """`results/name.json` holds the machine and `content`."""
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{name}.json"
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nwritten to {path}", file=sys.stderr)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints rows below a title, numbers to the right."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    print(f"\n{title}")
    for line in [list(columns), ["-" * width for width in widths], *cells]:
        print(
            "  ".join(
                c.ljust(w) if i == 0 else c.rjust(w)
                for i, (c, w) in enumerate(zip(line, widths, strict=True))
            )
        )


def target(claim: str, value: float, wanted: float, *, at_most: bool = False) -> dict[str, Any]:
    """A claim of the project beside what was measured; published whether it is met or not."""
    met = value <= wanted if at_most else value >= wanted
    limit = "at_most" if at_most else "at_least"
    return {"claim": claim, "measured": float(f"{value:.4g}"), limit: wanted, "met": bool(met)}


def print_targets(targets: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            entry["claim"],
            entry["measured"],
            f"<= {entry['at_most']}" if "at_most" in entry else f">= {entry['at_least']}",
            "yes" if entry["met"] else "NO",
        )
        for entry in targets
    ]
    table("Targets", ("claim", "measured", "wanted", "met"), rows)


def _text(value: Any) -> str:
    if isinstance(value, Spread):
        return f"{_text(value.median)} ±{_text(value.iqr / 2)}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _commit() -> str:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return git.stdout.strip() or "unknown"
