"""The process that downloads: what flows through it, and what it survives."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from animate.data import Sample
from animate.recipe import FetchRecipe
from animate.sources.download import process
from animate.sources.download.process import Download, Downloader, DownloadFailed, Order, downloader
from tests.support.address_lists import read_list
from tests.support.corpora import PHOTOGRAPH
from tests.support.serving import Quiet, served

THREADS = 4
QUICK = FetchRecipe(allow_private=True, respect_opt_outs=False, seconds=2, retries=2, threads=THREADS)


class Site(Quiet):
    """`/hang` never answers, `/404` … answer with that code, whatever else is an image; counts requests."""

    asked: ClassVar[Counter[str]] = Counter()
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        name = self.path.strip("/")
        with Site.lock:
            Site.asked[name] += 1
        if name == "hang":
            time.sleep(4)
        elif name.isdigit():
            self.send_error(int(name))
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PHOTOGRAPH)))
            self.end_headers()
            self.wfile.write(PHOTOGRAPH)


@pytest.fixture
def site() -> Iterator[str]:
    Site.asked = Counter()
    with served(Site) as address:
        yield address


@pytest.fixture
def running() -> Iterator[Downloader]:
    with Downloader(QUICK) as made:
        yield made


def orders(address: str, *names: str) -> list[Order]:
    return [Order(place, f"{address}/{name}") for place, name in enumerate(names)]


def process_id(running: Downloader) -> int:
    assert running._process is not None
    return running._process._process.pid


def by_place(downloads: list[Download]) -> list[str]:
    return [
        download.fault.status if download.fault else "ok"
        for download in sorted(downloads, key=lambda download: download.place)
    ]


def test_a_host_that_never_answers_holds_up_nothing_else(site, running, tmp_path):
    names = ["hang", *(f"{i}.jpg" for i in range(40)), "hang"]
    came = list(running.download(orders(site, *names), tmp_path))
    assert sorted(download.place for download in came) == list(range(42))
    assert {download.place for download in came[:40]} == set(range(1, 41))
    assert [download.fault and download.fault.status for download in came[40:]] == ["download_timed_out"] * 2
    assert all(download.file.read_bytes() == PHOTOGRAPH for download in came[:40])


def test_who_reads_slowly_is_not_flooded(site, running, tmp_path):
    asked = 0

    def counted() -> Iterator[Order]:
        nonlocal asked
        for order in orders(site, *["a.jpg"] * 100):
            asked += 1
            yield order

    reader = running.download(counted(), tmp_path)
    next(reader)
    time.sleep(0.5)
    assert asked == process.ROWS_A_THREAD * THREADS
    reader.close()
    assert running._process is None


def test_only_what_may_come_back_is_asked_for_again(site, running, tmp_path):
    codes = ("404", "410", "451", "403", "429", "500", "503")
    found = by_place(list(running.download(orders(site, *codes), tmp_path)))
    assert found == ["gone"] * 3 + ["failed_to_download"] * 4
    assert [Site.asked[code] for code in codes] == [1, 1, 1, 3, 3, 3, 3]


def test_it_imports_nothing_that_downloading_does_not_use():
    code = (
        "from animate.sources.download.downloader import img2dataset_downloader as found; import sys, json;"
        "assert found().download_image; print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert not {"torch", "albumentations", "pandas", "webdataset", "ray"} & set(loaded)


def test_a_downloader_that_dies_is_started_again(server, fetch, tmp_path):
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    os.kill(process_id(downloader(fetch)), signal.SIGKILL)
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    assert isinstance(row, Sample)


@pytest.mark.parametrize(
    "rows", [30, 3 * process.ROWS_A_THREAD * THREADS], ids=["all asked for", "more to ask for"]
)
def test_nothing_is_lost_when_it_dies_with_rows_in_flight(site, running, tmp_path, rows):
    names, came, began = [f"{i}.jpg" for i in range(rows)], [], time.monotonic()
    for download in running.download(orders(site, *names), tmp_path):
        came.append(download)
        if len(came) in (5, 25):
            os.kill(process_id(running), signal.SIGKILL)
            time.sleep(0.2)  # so that its end is known before the next row is asked for
    assert by_place(came) == ["ok"] * rows
    assert time.monotonic() - began < process.SECONDS_OF_START, "waited for a process that was dead"


def deadly(folder: Path, death: str) -> None:
    """A module in `folder`, loaded by every Python with that path, whose downloads die of one address."""
    (folder / "sitecustomize.py").write_text(
        "import os, urllib.request\n"
        "opened = urllib.request.urlopen\n"
        "def urlopen(request, *args, **options):\n"
        "    if request.full_url.endswith('/deadly'):\n"
        "        os.write(2, b'a native crash')\n"
        f"        {death}\n"
        "    return opened(request, *args, **options)\n"
        "urllib.request.urlopen = urlopen\n"
    )


def test_the_row_that_kills_it_is_found_and_blamed_alone(site, running, tmp_path, monkeypatch):
    deadly(tmp_path, "os._exit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = ["a.jpg", "deadly", *(f"{i}.jpg" for i in range(30)), "deadly"]
    came = list(running.download(orders(site, *names), tmp_path))
    assert by_place(came) == ["ok", "failed_to_download", *["ok"] * 30, "failed_to_download"]
    (fault, *_) = [download.fault for download in came if download.fault]
    assert "died: a native crash" in fault.message


def test_a_row_that_hangs_past_every_limit_is_found_and_blamed_alone(site, running, tmp_path, monkeypatch):
    deadly(tmp_path, "while 1: pass")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(process, "SECONDS_OF_START", 0)
    names = ["a.jpg", "deadly", "b.jpg"]
    came = list(running.download(orders(site, *names), tmp_path))
    assert by_place(came) == ["ok", "failed_to_download", "ok"]


def test_no_room_for_an_image_is_an_error_and_no_row(site, running, tmp_path):
    nowhere = tmp_path / "gone"
    with pytest.raises(OSError, match="No such file") as error:
        list(running.download(orders(site, "a.jpg", "b.jpg"), nowhere))
    assert error.value.errno == errno.ENOENT
    assert error.value.filename == str(nowhere / "0") or error.value.filename == str(nowhere / "1")


def test_a_bug_while_a_row_is_asked_for_is_that_row_alone(site, running, tmp_path, monkeypatch):
    deadly(tmp_path, "raise SystemError('a bug')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = ["a.jpg", *["deadly"] * (2 * THREADS), "b.jpg"]
    began = time.monotonic()
    came = list(running.download(orders(site, *names), tmp_path))
    assert by_place(came) == ["ok", *["failed_to_download"] * (2 * THREADS), "ok"]
    assert time.monotonic() - began < process.SECONDS_OF_START


def test_a_process_that_cannot_start_says_why(site, running, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os.write(2, b'no room'); os._exit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(DownloadFailed, match="no room"):
        list(running.download(orders(site, "a.jpg"), tmp_path))
