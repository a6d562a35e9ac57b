"""What filming adds to a download: `animate build` from a list beside a bare img2dataset, one local server.

    python benchmarks/fetch_overhead.py IMAGES --out benchmarks/results/fetch_overhead.json

The server answers after a delay, as the internet does, so that the download can be the bottleneck; CPU
seconds tell whether it was. Both sides use one process with the same number of threads; starting img2dataset
is part of both.
"""

import argparse
import http.server
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

ROWS, THREADS = 1000, 16


def serve(images: list[bytes], delay: float) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").partition(".")[0]
            if not name.isdigit():
                self.send_error(404)
                return
            time.sleep(delay)
            content = images[int(name) % len(images)]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.request_queue_size = 128
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def timed(command: list[str]) -> dict[str, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate = round(ROWS / seconds, 1)
    return {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1), "rows_per_second": rate}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("images", help="a folder of JPEG files")
    parser.add_argument("--out", default="")
    parser.add_argument("--delays", type=float, nargs="+", default=[0.2, 1.0])
    options = parser.parse_args()
    images = [path.read_bytes() for path in sorted(Path(options.images).glob("*.jpg"))]
    results = []
    for delay in options.delays:
        server = serve(images, delay)
        with tempfile.TemporaryDirectory() as folder:
            lines = (f"caption {i}\thttp://127.0.0.1:{server.server_port}/{i}.jpg\n" for i in range(ROWS))
            path = Path(folder, "list.tsv")
            path.write_text("".join(lines))
            Path(folder, "headed.tsv").write_text(f"caption\turl\n{path.read_text()}")
            bare = timed(
                [
                    *(sys.executable, "-m", "img2dataset.main", f"--url_list={folder}/headed.tsv"),
                    *("--input_format=tsv", "--url_col=url", "--caption_col=caption"),
                    *(f"--output_folder={folder}/bare", "--output_format=webdataset", "--processes_count=1"),
                    *("--disable_all_reencoding=True", f"--thread_count={THREADS}", "--retries=0"),
                    f"--number_sample_per_shard={ROWS}",
                ]
            )
            ours = timed(
                [
                    *(
                        sys.executable,
                        "-c",
                        "from cli.animate.main import main; main()",
                        "build",
                        "--src",
                        "cc3m",
                    ),
                    *("--urls", str(path), "--out", f"{folder}/shards", "--allow-private", "--workers", "0"),
                    *("--set", f"source.fetch.threads={THREADS}"),
                ]
            )
        server.shutdown()
        results.append({"delay_seconds": delay, "img2dataset": bare, "animate_build": ours})
        results[-1]["ratio"] = round(ours["seconds"] / bare["seconds"], 2)
        print(results[-1], flush=True)
    report = {
        "benchmark": "fetch_overhead",
        "rows": ROWS,
        "threads": THREADS,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, the server among them",
        "load_average_at_end": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("img2dataset", "opencv-python-headless", "av")},
        "results": results,
    }
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
