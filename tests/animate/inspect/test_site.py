"""What is served of a set: its page, and pictures by the place of a clip; nothing else of the machine."""

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from animate.codec import decode_jpeg
from animate.inspect.opened import open_set
from animate.inspect.originals import find_originals
from animate.inspect.site import open_site

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def serve(catalogue_of):
    """Shard set, corpus -> the address of its page."""
    sites = []

    def of(folder, corpus="") -> str:
        originals = find_originals(open_set(str(folder)), str(corpus))
        site = open_site(catalogue_of(folder), originals, shards=str(folder), source=str(corpus), port=0)
        threading.Thread(target=site.serve, daemon=True).start()
        sites.append(site)
        return site.address

    yield of
    for site in sites:
        site.stop()
        site.__exit__()


@pytest.fixture(scope="module")
def address(serve, demo_set) -> str:
    return serve(demo_set("mp4"))


def ask(address: str, **headers: str) -> tuple[int, str, bytes]:
    """Status, type and body."""
    request = urllib.request.Request(address, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def test_the_page_and_all_that_it_asks_for(address):
    status, kind, page = ask(address)
    assert (status, kind) == (200, "text/html") and page.startswith(b"<!doctype html>")
    for path in ("strip/3.jpg", "poster/3.jpg", "frame/3/4.jpg", "still/3/0.jpg"):
        status, kind, body = ask(address + path)
        assert (status, kind) == (200, "image/jpeg") and decode_jpeg(body).size > 0, path
    status, kind, body = ask(address + "clip/3.json")
    assert (status, kind) == (200, "application/json")
    clip = json.loads(body)
    assert clip["still_from"] == "corpus" and clip["json"]["key"] == "brick_1"
    assert clip["command"].startswith("animate preview --shards=")


def test_an_mp4_comes_whole_and_in_parts(address):
    _, kind, whole = ask(address + "video/3.mp4")
    assert kind == "video/mp4" and whole[4:8] == b"ftyp"
    status, _, part = ask(address + "video/3.mp4", Range="bytes=100-199")
    assert (status, part) == (206, whole[100:200])


@pytest.mark.parametrize(
    "path",
    [
        "strip/12.jpg", "strip/-1.jpg", "strip/3", "strip/3.png", "strip/3/0.jpg", "strip/.jpg",
        "strip/٣.jpg",
        "strip/3.jpg.jpg", "strip/99999999999999999999.jpg", "frame/3/5.jpg", "frame/3.jpg", "still/3/1.jpg",
        "rejected/0.jpg", "clip/../../etc/passwd", "clip/%2e%2e%2fplan.json", "00000.tar",
        "_animate/plan.json",
        "page.js", "strip", "..", "clip/3.json/", "still/3/0.jpg%00.json",
    ],
)  # fmt: skip
def test_nothing_else_is_there(address, path):
    from urllib.parse import quote

    status, kind, body = ask(address + quote(path, safe="/%-._"))
    assert (status, kind) == (404, "text/plain") and len(body) < 200


@pytest.mark.parametrize("format", ["frames", "virtual"])
def test_other_formats_have_no_video(serve, demo_set, format):
    address = serve(demo_set(format))
    assert ask(address + "video/0.mp4")[0] == 404
    assert ask(address + "strip/0.jpg")[0] == ask(address + "frame/0/0.jpg")[0] == 200
    assert ask(address + "poster/0.jpg")[0] == (404 if format == "virtual" else 200)


def test_rejected_images_are_served_where_they_decode(serve, hostile_set, catalogue_of):
    folder, corpus = hostile_set
    address = serve(folder, corpus)
    for number, entry in enumerate(catalogue_of(folder).rejected):
        shown = entry.status in ("aspect_ratio", "missing_caption")
        wanted = (200, True) if shown else (204, False)
        status, _, body = ask(f"{address}rejected/{number}.jpg")
        assert (status, bool(body)) == wanted


def test_a_clip_whose_still_is_gone_is_served_without(serve, hostile_set):
    address = serve(hostile_set[0])
    clip = json.loads(ask(address + "clip/0.json")[2])
    assert (clip["still_from"], clip["command"]) == ("", "")
    assert ask(address + "still/0/0.jpg")[0] == 404 and ask(address + "strip/0.jpg")[0] == 200


def test_another_name_of_this_machine_is_refused(address):
    assert ask(address, Host="evil.invalid")[0] == 403


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(demo_set, number):
    call = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from cli.animate.main import main; main()"
    line = [sys.executable, "-c", call, "inspect", str(demo_set("virtual")), "--serve", "--limit", "3"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        address = said.split()[0]
        assert "shows 3 of 12 clips, chosen by a hash of their keys; Ctrl-C ends it" in said
        assert ask(address)[0] == 200 and ask(address + "strip/3.jpg")[0] == 404
        running.send_signal(number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "") and "Traceback" not in err


def test_a_set_in_an_object_store_is_served(demo_set, catalogue_of, serve):
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(demo_set("frames")), "/inspected", recursive=True)
    try:
        entries = catalogue_of("memory://inspected").clips
        assert [e.key for e in entries] == [e.key for e in catalogue_of(demo_set("frames")).clips]
        address = serve("memory://inspected")
        assert ask(address + "strip/11.jpg")[0] == ask(address + "frame/11/2.jpg")[0] == 200
    finally:
        store.rm("/inspected", recursive=True)
