"""Lists of addresses: `animate fetch` and `animate build` beside a bare img2dataset, one local server.

Three lists of photographs that come after 0.2 s each: a clean one of 1,024 rows, as many of real life (2 % of
the hosts accept and never answer, 20 % of the addresses are dead, 3 % take 5 s), and one of one row, whose
time is that of starting up. Every command has one process to download with, 32 threads, 20 s an image and one
retry. Start-up is part of each time, and stands beside it. CPU seconds tell what each costs.

    python benchmarks/fetch_overhead.py --images FOLDER
"""

import argparse
import http.server
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measure

ROWS, THREADS, SECONDS, RETRIES = 1024, 32, 20, 1
DELAY, SLOW = 0.2, 5.0


class Site(http.server.BaseHTTPRequestHandler):
    """`/7.jpg` is an image after `DELAY` seconds; `/slow/7`, `/dead/7` and `/hang/7` are what they say."""

    images: tuple[bytes, ...] = ()

    def do_GET(self) -> None:
        kind, _, name = self.path.strip("/").rpartition("/")
        if kind == "hang":
            time.sleep(60)
            return
        if kind == "dead" or not name.removesuffix(".jpg").isdigit():
            self.send_error(404)
            return
        time.sleep(SLOW if kind == "slow" else DELAY)
        content = self.images[int(name.removesuffix(".jpg")) % len(self.images)]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        return


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


def serve(images: tuple[bytes, ...], port: Any) -> None:
    """A process of its own, so that what it does is no part of anybody's time."""
    Site.images = images
    server = _Server(("127.0.0.1", 0), Site)
    port.put(server.server_port)
    server.serve_forever()


def addresses(kind: str, site: str) -> list[str]:
    """The rows of a list, evenly mixed."""
    if kind == "start-up":
        return [f"{site}/0.jpg"]
    if kind == "clean":
        return [f"{site}/{i}.jpg" for i in range(ROWS)]
    rows = []
    for i in range(ROWS):
        # Of each hundred rows: 2 hang, 20 are dead, 3 are slow, none of them neighbours.
        place = i * 37 % 100
        kind = "hang/" if place < 2 else "dead/" if place < 22 else "slow/" if place < 25 else ""
        rows.append(f"{site}/{kind}{i}.jpg")
    return rows


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command that succeeds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(measure.ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(folder: Path) -> dict[str, list[str]]:
    """What is compared, by name; each writes into a folder of its own in `folder`."""
    ours = [sys.executable, "-c", "from cli.animate.main import main; main()"]
    options = [
        *("--allow-private", "--workers", "0"),
        *("--set", f"source.fetch.threads={THREADS}", "--set", f"source.fetch.seconds={SECONDS}"),
        *("--set", f"source.fetch.retries={RETRIES}", "--set", "shards.clips_per_shard=100000"),
    ]
    build = [*ours, "build", "--src", "urls", "--urls", f"{folder}/list.tsv", *options]
    return {
        "img2dataset": [
            *(sys.executable, "-m", "img2dataset.main", f"--url_list={folder}/list.tsv"),
            *("--input_format=tsv", "--url_col=url", "--caption_col=caption"),
            *(f"--output_folder={folder}/bare", "--output_format=webdataset", "--processes_count=1"),
            *("--disable_all_reencoding=True", f"--thread_count={THREADS}", f"--retries={RETRIES}"),
            *(f"--timeout={SECONDS}", f"--number_sample_per_shard={ROWS}", "--compute_hash=sha256"),
        ],
        "animate fetch": [
            *(*ours, "fetch", "urls", "--urls", f"{folder}/list.tsv", "--out", f"{folder}/fetched", *options)
        ],
        "animate build, virtual": [*build, "--format", "virtual", "--out", f"{folder}/virtual"],
        "animate build, frames": [*build, "--format", "frames", "--out", f"{folder}/frames"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    native = measure.ROOT.parent / "shared" / "data" / "flickr8k-native"
    parser.add_argument("--images", type=Path, default=native, help="a folder of JPEG files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=measure.RESULTS)
    options = parser.parse_args()
    machine = measure.machine()
    images = tuple(path.read_bytes() for path in sorted(options.images.rglob("*.jpg"))[:200])
    port = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(images, port), daemon=True)
    server.start()
    site = f"http://127.0.0.1:{port.get()}"
    rounds: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for _ in range(options.rounds):
        for kind in ("start-up", "clean", "real life"):
            with tempfile.TemporaryDirectory() as folder:
                lines = [f"caption {i}\t{url}\n" for i, url in enumerate(addresses(kind, site))]
                Path(folder, "list.tsv").write_text("caption\turl\n" + "".join(lines))
                for name, command in commands(Path(folder)).items():
                    found = timed(command)
                    rounds.setdefault(kind, {}).setdefault(name, []).append(found)
                    print(f"{kind:<10} {name:<24} {found[0]:6.1f} s, {found[1]:5.1f} s of CPU", flush=True)
    server.terminate()
    _report(options, machine, rounds)


def _report(options: argparse.Namespace, machine: dict[str, Any], rounds: dict[str, Any]) -> None:
    lists = {
        kind: {
            name: {
                "seconds": round(statistics.median(seconds for seconds, _ in times), 1),
                "cpu_seconds": round(statistics.median(cpu for _, cpu in times), 1),
                "of_img2dataset": round(
                    statistics.median(
                        seconds / bare
                        for (seconds, _), (bare, _) in zip(times, by_name["img2dataset"], strict=True)
                    ),
                    2,
                ),
            }
            for name, times in by_name.items()
        }
        for kind, by_name in rounds.items()
    }
    targets = [
        measure.target(
            f"{kind}: {name}, of img2dataset's time", lists[kind][name]["of_img2dataset"], 1.1, at_most=True
        )
        for kind in ("clean", "real life")
        for name in ("animate fetch", "animate build, virtual", "animate build, frames")
    ]
    measure.write(
        options.results,
        "fetch_overhead",
        {
            "machine": machine,
            "packages": {"img2dataset": version("img2dataset")},
            "protocol": {
                "rows": ROWS,
                "threads": THREADS,
                "seconds_an_image": SECONDS,
                "retries": RETRIES,
                "real_life": "2 % hang, 20 % are dead, 3 % take 5 s; all others 0.2 s",
                "rounds": options.rounds,
                "server": "a process of its own on the same cores",
            },
            "lists": lists,
            "targets": targets,
        },
    )
    rows = [
        (
            kind,
            name,
            f"{found['seconds']:.1f}",
            f"{found['cpu_seconds']:.1f}",
            f"{found['of_img2dataset']:.2f}",
        )
        for kind, by_name in lists.items()
        for name, found in by_name.items()
    ]
    measure.table("Lists of addresses", ("list", "command", "seconds", "of CPU", "of img2dataset"), rows)
    measure.print_targets(targets)


if __name__ == "__main__":
    main()
