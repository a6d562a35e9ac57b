"""Rows a second of reading a list of addresses and of planning a build from it, and the memory it takes.

    python benchmarks/listing_speed.py --out benchmarks/results/listing_speed.json

A TSV of 3 million rows in CC3M's form and a parquet of 10 million in LAION's are made in a temporary folder
(about 2 GB). Reading parses every row; planning also cleans captions, checks keys and freezes the listing.
Peak memory is that of a process of its own, at the full length and at a tenth of it, which tells whether it
is flat. CPU seconds are given beside the clock's, for a machine that others use, too.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SENTENCE = "a photograph of the old harbour with small boats at dusk and people on the quay"
ROWS = {"cc3m": 3_000_000, "laion400m": 10_000_000}


def make(name: str, path: Path, rows: int) -> None:
    """A list in the corpus' form with captions of the usual length."""
    words = SENTENCE.split(" ")

    def caption(i: int) -> str:
        return f"{' '.join(words[(i + j * j) % len(words)] for j in range(9))} {i}"

    if name == "cc3m":
        with path.open("w") as file:
            for i in range(rows):
                file.write(f"{caption(i)}\thttps://images.example.org/{i % 997}/photograph_{i}.jpg\n")
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("URL", pa.string()), ("TEXT", pa.string()), ("similarity", pa.float64())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 100_000):
            numbers = range(start, min(start + 100_000, rows))
            columns = {
                "URL": [f"https://images.example.org/{i % 997}/photograph_{i}.jpg" for i in numbers],
                "TEXT": [caption(i) for i in numbers],
                "similarity": [0.3 + (i % 100) / 1000 for i in numbers],
            }
            writer.write_table(pa.table(columns, schema))


def measure(name: str, path: str) -> None:
    """In a process of its own: prints seconds to read, seconds to plan, and the peak memory in MB."""
    from animate.recipe import SourceRecipe
    from animate.sources import open_source

    source = open_source(SourceRecipe(name=name, path=path))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    count = sum(1 for _ in source.rows())  # type: ignore[attr-defined]
    read, read_cpu = time.perf_counter() - start, time.process_time() - used
    with tempfile.TemporaryDirectory() as folder:
        start, used = time.perf_counter(), time.process_time()
        parts = source.freeze(Path(folder), 1000).parts
        planned, planned_cpu = time.perf_counter() - start, time.process_time() - used
        assert sum(part.rows or 0 for part in parts) == count
        size = sum(os.path.getsize(Path(folder) / part.path) for part in parts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "rows": count,
        "read_rows_per_second": round(count / read),
        "plan_rows_per_second": round(count / planned),
        "read_rows_per_cpu_second": round(count / read_cpu),
        "plan_rows_per_cpu_second": round(count / planned_cpu),
        "plan_seconds": round(planned, 1),
        "listing_mb": round(size / 1e6),
        "memory_before_mb": before // 1024,
        "memory_peak_mb": peak // 1024,
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default="")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows, for a quick look")
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "PATH"))
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, full in ROWS.items():
            for rows in (int(full * options.share / 10), int(full * options.share)):
                path = Path(folder) / f"list.{'tsv' if name == 'cc3m' else 'parquet'}"
                make(name, path, rows)
                command = [sys.executable, __file__, "--measure", name, str(path)]
                environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
                run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                results.append({"list": name, **json.loads(run.stdout)})
                print(results[-1], flush=True)
    report = {
        "benchmark": "listing_speed",
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average_at_end": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), "pyarrow": version("pyarrow")},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "results": results,
    }
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
