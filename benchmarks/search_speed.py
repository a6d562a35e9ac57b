"""Search of a large gallery: time of the coarse stage, bytes the fine stage reads, memory, and what is lost.

The gallery is written and opened by the same code as a real one, with made-up embeddings: clusters in a
space whose directions fade as 1 / sqrt(1 + i / 16), and queries near one video each but shifted by a common
offset, as captions lie apart from videos. The exact answer comes from a product of all vectors.

    python benchmarks/search_speed.py --videos 1000000 --threads 1 [--gallery FOLDER, kept for the next time]
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import faiss
import numpy as np
import torch

from benchmarks import measure
from benchmarks.measure import Spread
from retrieval.gallery import Entry, Gallery, GalleryWriter
from retrieval.model import Features, Interaction
from retrieval.recipe import InteractionSpec
from retrieval.score import rescore

CLUSTERS = 20_000
QUERIES = 100
TEXT_TOKENS = 16
WARM_UP = 5

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All queries of one gallery: milliseconds of each step, and what the codes lose."""

    steps: dict[str, list[float]]
    recall: float
    found: float
    most_entries: int
    memory: dict[str, Any]


def main() -> None:
    options = measure.arguments(
        __doc__, videos=1_000_000, frames=4, width=512, threads=1, candidates=50, seed=0, gallery=""
    )
    count = 60_000 if options.quick else options.videos
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    machine = measure.machine() | {"faiss": faiss.__version__}
    rng = np.random.default_rng(options.seed)
    scale = (1 / np.sqrt(1 + np.arange(options.width) / 16)).astype(np.float32)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(options.gallery or Path(scratch) / "gallery")
        if not (folder / "gallery.json").is_file():
            write(folder, made_up(count, options.frames, scale, rng))
        facts = Gallery(folder).facts
        measured = search_all(folder, count, scale, options.candidates, options.frames, rng)
    spreads = {name: Spread.of(values) for name, values in measured.steps.items()}
    slow = float(np.percentile(measured.steps["coarse"], 95))
    targets = [
        measure.target(f"coarse search of {count:,}, ms", spreads["coarse"].median, 20.0, at_most=True),
        measure.target(
            "entries read by the fine stage", measured.most_entries, options.candidates, at_most=True
        ),
    ]
    rows: list[tuple[str, Any]] = [(f"{name} (ms)", spread) for name, spread in spreads.items()]
    rows += [("coarse, 95th percentile (ms)", slow), ("recall of the exact top K", measured.recall)]
    title = f"{count:,} videos, K = {options.candidates}, {options.threads} thread(s)"
    measure.table(title, ("", "value"), rows)
    measure.print_targets(targets)
    measure.write(
        options.results,
        "search_speed",
        {
            "machine": machine,
            "videos": count,
            "candidates": options.candidates,
            "threads": options.threads,
            "vector_width": options.width,
            "tokens_per_video": options.frames,
            "coarse_stage": facts["coarse"],
            "milliseconds": {name: spread.to_json() for name, spread in spreads.items()},
            "coarse_95th_percentile_ms": round(slow, 3),
            "recall_of_exact_top_k": round(measured.recall, 4),
            "queries_whose_video_is_a_candidate": round(measured.found, 4),
            "fine_stage_reads_bytes": options.candidates * options.frames * options.width * 2,
            "gallery_bytes": round(facts["total_bytes_per_video"] * count),
            "bytes_per_video": facts["bytes_per_video"],
            "memory_mb": measured.memory,
            "seconds_to_make_it": facts["seconds"],
            "targets": targets,
            "note": "made-up embeddings; the fine module has random weights and the default size",
        },
    )


def write(folder: Path, entries: Iterator[Entry]) -> None:
    """The gallery of these entries; its facts hold the seconds that writing them took."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    with GalleryWriter(folder, {"seconds": seconds}) as writer:
        for entry in entries:
            writer.add(entry)
        seconds["entries"] = round(time.perf_counter() - started, 1)
        writer.finish()
    print(f"written in {time.perf_counter() - started:.0f} s", file=sys.stderr)


def search_all(
    folder: Path, count: int, scale: np.ndarray, k: int, frames: int, rng: np.random.Generator
) -> Measured:
    """Every step of every query; the first few only warm up."""
    width = len(scale)
    queries, targets = ask(folder, count, width, scale, rng)
    best = exact(folder, queries, width, k)
    interaction = Interaction(
        InteractionSpec(max_frames=max(64, frames)),
        text_width=width,
        frame_width=width,
        tokens_per_frame=1,
        temperature=0.07,
    ).eval()
    memory: dict[str, Any] = {"before_opening": resident()}
    gallery = Gallery(folder)
    memory["after_opening"] = resident()
    steps: dict[str, list[float]] = {name: [] for name in ("coarse", "read, cold", "read, warm", "score")}
    kept, found, most = [], [], 0
    for number, (query, answer, wanted) in enumerate(zip(queries, best, targets, strict=True)):
        rows, coarse = timed(lambda query=query: gallery.coarse(query, k)[0])
        forget(folder / "tokens.bf16")
        features, cold = timed(lambda rows=rows: gallery.features(rows))
        _, warm = timed(lambda rows=rows: gallery.features(rows))
        _, scored = timed(lambda features=features: score_again(interaction, features))
        kept.append(len(set(rows) & set(answer)) / k)
        found.append(wanted in rows)
        most = max(most, len(features))
        if number >= WARM_UP:
            for name, value in zip(steps, (coarse, cold, warm, scored), strict=True):
                steps[name].append(value)
    memory |= {
        "codes": round((folder / "coarse.faiss").stat().st_size / 2**20, 1),
        "after_all_queries": resident(),
        "peak_with_building": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    return Measured(
        steps=steps,
        recall=float(np.mean(kept)),
        found=float(np.mean(found)),
        most_entries=most,
        memory=memory,
    )


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """The answer, and the milliseconds it took."""
    started = time.perf_counter()
    answer = function()
    return answer, 1000.0 * (time.perf_counter() - started)


def made_up(count: int, frames: int, scale: np.ndarray, rng: np.random.Generator) -> Iterator[Entry]:
    """Videos in clusters; the frames of one lie around it, and stand for its tokens."""
    width = len(scale)
    centres = rng.standard_normal((CLUSTERS, width), dtype=np.float32) * scale
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        vectors = centres[rng.integers(CLUSTERS, size=size)]
        vectors = vectors + 0.8 * rng.standard_normal((size, width), dtype=np.float32) * scale
        around = 0.3 * rng.standard_normal((size, frames, width), dtype=np.float32) * scale
        tokens = torch.from_numpy(vectors[:, None] + around)
        for i in range(size):
            yield Entry(
                video_id=f"v{start + i}",
                path=f"v{start + i}.mp4",
                duration=float(frames),
                seconds=range(frames),
                vector=torch.from_numpy(vectors[i]),
                tokens=tokens[i],
                frame_vectors=tokens[i],
            )


def ask(
    folder: Path, count: int, width: int, scale: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Queries, and the video that each was made from."""
    targets = rng.integers(count, size=QUERIES)
    vectors = np.memmap(folder / "vectors.f16", dtype=np.float16, mode="r").reshape(-1, width)
    offset = rng.standard_normal(width).astype(np.float32) * scale
    noise = rng.standard_normal((QUERIES, width), dtype=np.float32) * scale
    queries = vectors[targets].astype(np.float32) + 0.12 * noise + 0.6 * offset / np.linalg.norm(offset)
    return queries, targets


def exact(folder: Path, queries: np.ndarray, width: int, k: int) -> np.ndarray:
    """The true top K of every query."""
    vectors = np.memmap(folder / "vectors.f16", dtype=np.float16, mode="r").reshape(-1, width)
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), 100_000):
        block = vectors[start : start + 100_000].astype(np.float32)
        scores[:, start : start + len(block)] = queries @ block.T
    return np.argpartition(-scores, k, axis=1)[:, :k]


def score_again(interaction: Interaction, videos: Features) -> None:
    """The second stage of one text with all of these candidates, as a search runs it."""
    text = Features(
        pooled=torch.zeros(1, videos.pooled.shape[1]),
        tokens=torch.zeros(1, TEXT_TOKENS, videos.tokens.shape[2]),
        mask=torch.ones(1, TEXT_TOKENS, dtype=torch.bool),
    )
    rescore(interaction, text, videos.take, torch.zeros(1, len(videos)), top_k=None, rows="text")


def forget(path: Path) -> None:
    """Drop a file from the page cache, so that the next read goes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def resident() -> dict[str, int]:
    """Resident memory of this process in MB: its own, and pages of files that the system may take back."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return {"own": kilobytes["RssAnon"] // 1024, "of_files": kilobytes["RssFile"] // 1024}


if __name__ == "__main__":
    main()
