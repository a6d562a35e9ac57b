"""The process that downloads: img2dataset's Downloader with the guarded opener, one job a line.

It is run as `python -m animate.sources.download.downloader CONFIG`, and ends when its standard input does.
To import img2dataset (and torch with it) takes 6 seconds and 700 MB. So it is imported here, once for many
jobs, the process that films stays small, and a download that hangs can be killed.
"""

import json
import os
import queue
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

from animate.sources.download.guard import GuardedOpener


def main(config: dict[str, Any]) -> None:
    """Downloads each `DownloadJob` that is a line of JSON on standard input, and answers with a line of JSON.

    `config` has the fields of `FetchRecipe`. The first line, `{"ready": true}`, comes before any answer; then
    `{"error": null}`, or what went wrong, for each job in order.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what img2dataset prints is no answer
    jobs = _jobs_until_end()
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    # Imported here, because they print while they are imported, and are heavy: see above.
    from img2dataset.downloader import Downloader
    from img2dataset.resizer import Resizer
    from img2dataset.writer import WebDatasetSampleWriter

    urllib.request.install_opener(
        GuardedOpener(
            user_agent=config["user_agent"],
            seconds=config["seconds"],
            max_bytes=config["max_bytes"],
            allow_private=config["allow_private"],
            robots_token=config["robot"] if config["respect_opt_outs"] else None,
        )
    )
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for job in jobs:
        download = Downloader(
            sample_writer_class=WebDatasetSampleWriter,
            resizer=Resizer(
                image_size=256, resize_mode="no", resize_only_if_bigger=True, disable_all_reencoding=True
            ),
            thread_count=config["threads"],
            save_caption="caption" in job["columns"],
            extract_exif=True,
            output_folder=job["out"],
            column_list=job["columns"],
            timeout=config["seconds"],
            number_sample_per_shard=job["keys_a_part"],
            oom_shard_count=5,
            compute_hash="sha256",
            verify_hash_type=None,
            encode_format="jpg",
            retries=config["retries"],
            user_agent_token=config["robot"],
            disallowed_header_directives=(
                ["noai", "noimageai", "noindex", "noimageindex"] if config["respect_opt_outs"] else None
            ),
        )
        done, _ = download((job["number"], job["table"]))
        print(
            json.dumps({"error": None if done else "img2dataset failed; see the log"}),
            file=answers,
            flush=True,
        )


def _jobs_until_end() -> Iterator[dict[str, Any]]:
    """The jobs, in order; the whole process ends at once when standard input does, even within a job."""
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            jobs.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    return iter(jobs.get, None)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
