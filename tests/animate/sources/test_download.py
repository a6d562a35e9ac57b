"""Downloading from a local server that does all that servers do, and what may not be connected to."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from animate.data import Rejected, Sample
from animate.fetch import fetch as run_fetch
from animate.recipe import FetchRecipe, SourceRecipe
from animate.sources import SourceError, open_source, read_part
from animate.sources.download.guard import GuardedOpener, Refused, is_public
from animate.sources.download.process import downloader
from tests.support.serving import Quiet, served

DEMO = Path(__file__).parents[3] / "animate" / "demo"
IMAGE = (DEMO / "cat.jpg").read_bytes()


class Handler(Quiet):
    """Answers by path: an image, or one of the ways not to get one."""

    robots = b""
    #: Whether the images that were gone are there again.
    mended = False

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        if name == "robots.txt":
            self.answer(200 if self.robots else 404, self.robots)
        elif name in ("404", "410", "500") and not self.mended:
            self.answer(int(name), b"no")
        elif name == "301":
            self.answer(301, b"", Location="/ok.jpg")
        elif name == "to_private":
            self.answer(302, b"", Location="http://10.0.0.1/x.jpg")
        elif name == "to_file":
            self.answer(302, b"", Location="file:///etc/passwd")
        elif name == "slow":
            time.sleep(3)
        elif name == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                return
        elif name == "drip":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                return
        elif name == "announced":
            self.answer(200, b"", length=10**12)
        elif name == "cut":
            self.answer(200, IMAGE[:1000], length=len(IMAGE))
        elif name == "html":
            self.answer(200, b"<html>gone</html>")
        elif name == "noai":
            self.answer(200, IMAGE, **{"X-Robots-Tag": "noai"})
        else:
            self.answer(200, IMAGE)

    def answer(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(Handler) as address:
        yield address


def opener(**options) -> GuardedOpener:
    given = {
        "user_agent": "t",
        "seconds": 1.0,
        "max_bytes": 10**6,
        "allow_private": True,
        "robots_token": None,
    }
    return GuardedOpener(**{**given, **options})


def get(url: str, **options) -> bytes:
    with opener(**options).open(urllib.request.Request(url), timeout=1) as response:
        return response.read()


def _refuse() -> None:
    raise ConnectionRefusedError("refused")


# What may be connected to


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "224.0.0.1",
        "240.0.0.1",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "data:image/png,x", "gopher://x/"]
)
def test_only_http_and_https(url):
    with pytest.raises(Refused, match=r"\[blocked_address\]"):
        get(url)


def test_a_private_address_is_refused_and_so_is_a_redirect_to_one(server, monkeypatch):
    with pytest.raises(Refused, match=r"\[blocked_address\].*127\.0\.0\.1"):
        get(f"{server}/ok.jpg", allow_private=False)
    # As if the server stood on the internet: only its own address counts as public.
    monkeypatch.setattr("animate.sources.download.guard.is_public", lambda address: address == "127.0.0.1")
    assert get(f"{server}/ok.jpg", allow_private=False) == IMAGE
    with pytest.raises(Refused, match=r"\[blocked_address\] 10\.0\.0\.1"):
        get(f"{server}/to_private", allow_private=False)


def test_a_name_is_resolved_once_and_connected_to_what_was_checked(server, monkeypatch):
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(host, port, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connected = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, place: connected.append(place[0]) or _refuse())
    with pytest.raises(urllib.error.URLError, match="refused"):
        get("http://rebind.example/x.jpg", allow_private=False)
    assert connected == ["93.184.216.34"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("endless", r"\[too_many_bytes\]"),
        ("announced", r"\[too_many_bytes\]"),
        ("drip", r"\[download_timed_out\]|timed out"),
        ("slow", r"\[download_timed_out\]|timed out"),
        ("cut", "IncompleteRead"),
        ("to_file", "not allowed|blocked"),
    ],
)
def test_downloads_that_must_end(server, name, error):
    with pytest.raises(Exception, match=error):
        get(f"{server}/{name}")


def test_robots_txt_is_asked_once_a_site_and_followed(server, monkeypatch):
    monkeypatch.setattr(Handler, "robots", b"User-agent: animate\nDisallow: /private\n")
    open_one = opener(robots_token="animate")
    with open_one.open(f"{server}/ok.jpg") as response:
        assert response.read() == IMAGE
    monkeypatch.setattr(Handler, "robots", b"User-agent: *\nDisallow: /\n")
    with open_one.open(f"{server}/ok.jpg") as response:
        assert response.read() == IMAGE
    with pytest.raises(Refused, match=r"\[opted_out\]"):
        open_one.open(f"{server}/private/x.jpg")
    with pytest.raises(Refused, match=r"\[opted_out\]"):
        opener(robots_token="animate").open(f"{server}/ok.jpg")


# A whole list

#: What is asked for, and the status that the row must end in (what is no image is the decoder's to refuse).
NAMES = {
    "ok1.jpg": "ok",
    "404": "failed_to_download",
    "410": "failed_to_download",
    "500": "failed_to_download",
    "301": "ok",
    "slow": "download_timed_out",
    "endless": "too_many_bytes",
    "html": "ok",
    "cut": "failed_to_download",
    "noai": "opted_out",
    "to_file": "failed_to_download",
    "ok2.jpg": "ok",
}


@pytest.fixture(scope="module")
def fetch() -> Iterator[FetchRecipe]:
    recipe = FetchRecipe(allow_private=True, seconds=1.5, max_bytes=10**6, retries=0, threads=8)
    yield recipe
    downloader(recipe).stop()


def read_list(tmp_path: Path, lines: list[str], fetch: FetchRecipe, **options) -> list[Sample | Rejected]:
    path = tmp_path / "list.csv"
    path.write_text("".join(f"{line}\n" for line in ["caption,url,license", *lines]))
    recipe = SourceRecipe(name="urls", path=str(path), fetch=fetch, **options)
    frozen = open_source(recipe).freeze(tmp_path, 5)
    (part,) = frozen.parts
    assert part.rows is not None
    return [
        row
        for start in range(0, part.rows, 5)
        for row in read_part(part, start, min(start + 5, part.rows), recipe, tmp_path, frozen.columns)
    ]


def test_every_address_ends_in_one_row(server, fetch, tmp_path):
    lines = [f"caption {i},{server}/{name},CC0" for i, name in enumerate(NAMES)]
    lines += [f"  ,{server}/ok,CC0", "blank,,CC0", "dead,http://127.0.0.1:9/x.jpg,CC0"]
    rows = read_list(tmp_path, lines, fetch)
    assert [row.key for row in rows] == [f"{i:09d}" for i in range(len(NAMES) + 3)]
    got = [row.fault.status if isinstance(row, Rejected) else "ok" for row in rows]
    assert got == [*NAMES.values(), "missing_caption", "bad_row", "failed_to_download"]
    assert isinstance(rows[0], Sample)
    assert rows[0].image == IMAGE
    assert rows[0].captions == ("caption 0",)
    assert rows[0].meta["license"] == "CC0"
    assert rows[0].meta["url"] == f"{server}/ok1.jpg"
    assert len(str(rows[0].meta["sha256"])) == 64
    assert {frozenset(row.meta) for row in rows} == {frozenset(rows[0].meta)}


def test_private_addresses_are_blocked_in_a_whole_list_too(server, tmp_path):
    strict = FetchRecipe(seconds=2, retries=0, threads=4)
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], strict)
    downloader(strict).stop()
    assert isinstance(row, Rejected)
    assert row.fault.status == "blocked_address"


def test_a_downloader_that_dies_is_started_again(server, fetch, tmp_path):
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    running = downloader(fetch)._process
    assert running is not None
    running._process.kill()
    running._process.wait()
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], fetch)
    assert isinstance(row, Sample)


def test_fetching_alone_checks_goes_on_and_tries_again(server, fetch, tmp_path, monkeypatch):
    path, out = tmp_path / "list.csv", tmp_path / "images"
    names = ["1.jpg", "410", "noai", "2.jpg", "500"]
    path.write_text("caption,url\n" + "".join(f"c {name},{server}/{name}\n" for name in names))
    source = SourceRecipe(name="urls", path=str(path), fetch=fetch)
    monkeypatch.setattr("animate.fetch.KEYS_A_PART", 2)
    report = run_fetch(source, str(out))
    assert report.statuses == {"success": 2, "failed_to_download": 2, "opted_out": 1}
    assert report.parts == 3
    before = {file.name: file.read_bytes() for file in out.glob("0*")}
    (out / "00001_stats.json").unlink()
    assert run_fetch(source, str(out)).parts == 3
    monkeypatch.setattr(Handler, "mended", True)
    again = run_fetch(source, str(out), retry_failed=True)
    assert again.statuses == {"success": 4, "opted_out": 1}
    assert again.parts == 4
    kept = {name: content for name, content in before.items() if name.startswith(("00000", "00002"))}
    assert {name: (out / name).read_bytes() for name in kept} == kept
    built = SourceRecipe(name="webdataset", path=f"{out}/*.tar")
    frozen = open_source(built).freeze(tmp_path, 10)
    rows = list(read_part(frozen.parts[0], 0, None, built, tmp_path, frozen.columns))
    # Within a downloaded tar the order is the order of arrival.
    assert sorted(row.captions for row in rows) == [("c 1.jpg",), ("c 2.jpg",), ("c 410",), ("c 500",)]
    assert all(isinstance(row, Sample) and row.meta["url"] for row in rows)
    path.write_text(path.read_text() + f"more,{server}/3.jpg\n")
    with pytest.raises(SourceError, match="another list"):
        run_fetch(source, str(out))


def test_parts_are_deleted_or_kept(server, fetch, tmp_path):
    kept = FetchRecipe(allow_private=True, seconds=1.5, retries=0, keep_images=str(tmp_path / "kept"))
    read_list(tmp_path, [f"c{i},{server}/{i}.jpg,CC0" for i in range(7)], kept)
    downloader(kept).stop()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        f"{number:05d}{suffix}" for number in (0, 5) for suffix in (".parquet", ".tar", "_stats.json")
    ]


def test_the_same_address_twice_may_be_refused(server, fetch, tmp_path):
    from animate.recipe import FilterRecipe

    lines = [f"a,{server}/1.jpg,CC0", f"b,{server}/1.jpg,CC0"]
    rows = read_list(tmp_path, lines, fetch, filters=FilterRecipe(duplicates="url"))
    assert [row.fault.status if isinstance(row, Rejected) else "ok" for row in rows] == [
        "ok",
        "duplicate_image",
    ]
