"""The process that downloads: threads that ask one address after another, with the guarded opener.

It is run as `python -m animate.sources.download.downloader CONFIG`, and ends when its standard input does.
A process of its own, because what hostile bytes can hang in it can be killed, and because the one that films
has a core to itself. img2dataset asks for an image and reads the opt-outs in its header.
"""

import hashlib
import importlib.machinery
import io
import json
import os
import queue
import sys
import threading
import types
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import exifread

from animate.sources.download.faults import fault_of, may_come_back
from animate.sources.download.guard import GuardedOpener

#: Directives of an X-Robots-Tag header that forbid the use of an image.
_OPT_OUTS = frozenset(("noai", "noimageai", "noindex", "noimageindex"))

#: What became of a row: see `main`.
_Answer = dict[str, Any]


def main(config: dict[str, Any]) -> None:
    """Asks for each row on standard input, a line of JSON each, and answers with a line of JSON as they come.

    `config` has the fields of `FetchRecipe`. A row is `{"place": 7, "url": "http://…", "file": "/…/7"}`. The
    answer has the same `place` and the `status` and `message` of the row's fault; where these are empty the
    image is in the file, and `sha256` and `exif` are there. Where it could not be written, `error` has the
    number and the text of the system's error. The first line, `{}`, says that the process is ready.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    download_image = img2dataset_downloader().download_image
    urllib.request.install_opener(
        GuardedOpener(
            user_agent=config["user_agent"],
            seconds=config["seconds"],
            max_bytes=config["max_bytes"],
            allow_private=config["allow_private"],
            robots_token=config["robot"] if config["respect_opt_outs"] else None,
        )
    )

    def ask(url: str) -> tuple[bytes | None, str]:
        _, stream, message = download_image(
            (None, url),
            config["seconds"],
            config["robot"].strip().lower(),
            _OPT_OUTS if config["respect_opt_outs"] else None,
        )
        return None if stream is None else stream.getvalue(), message or ""

    rows: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    lock = threading.Lock()

    def work() -> None:
        while True:
            answer = json.dumps(_answer(rows.get(), ask, config["retries"]))
            with lock:
                print(answer, file=answers, flush=True)

    with lock:
        print("{}", file=answers, flush=True)
    for _ in range(config["threads"]):
        threading.Thread(target=work, daemon=True).start()
    for line in sys.stdin:
        rows.put(json.loads(line))
    os._exit(0)  # at once, even within a download


def _answer(row: dict[str, Any], ask: Callable[[str], tuple[bytes | None, str]], retries: int) -> _Answer:
    for left in range(retries, -1, -1):
        image, message = ask(row["url"])
        if image is not None:
            try:
                Path(row["file"]).write_bytes(image)
            except OSError as error:  # no fault of the row's: the parent raises it again
                return {"place": row["place"], "error": [error.errno, error.strerror]}
            return {
                "place": row["place"],
                "status": "",
                "message": "",
                "sha256": hashlib.sha256(image).hexdigest(),
                "exif": _exif(image),
            }
        fault = fault_of(message)
        if not left or not may_come_back(fault):
            return {"place": row["place"], "status": fault.status, "message": fault.message}
    raise AssertionError("the last try is answered")


def _exif(image: bytes) -> str | None:
    """The EXIF of an image file as JSON, as img2dataset writes it; None where it cannot be read."""
    try:
        tags = exifread.process_file(io.BytesIO(image), details=False)
    except Exception:  # of hostile bytes, whatever that parser raises
        return None
    return json.dumps({name: str(value).strip() for name, value in tags.items() if value is not None})


def img2dataset_downloader() -> types.ModuleType:
    """`img2dataset.downloader`, without what the package imports for its other modules.

    `import img2dataset` takes 6 seconds and 700 MB for albumentations, torch and wandb, of which downloading
    uses nothing. So the package is entered without its `__init__`, and with an empty wandb.
    """
    found = find_spec("img2dataset")
    assert found is not None and found.submodule_search_locations, "img2dataset is installed with animate"
    package = types.ModuleType("img2dataset")
    package.__path__ = list(found.submodule_search_locations)
    package.__spec__ = importlib.machinery.ModuleSpec("img2dataset", None, is_package=True)
    sys.modules["img2dataset"] = package
    sys.modules.setdefault("wandb", types.ModuleType("wandb"))
    return importlib.import_module("img2dataset.downloader")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
