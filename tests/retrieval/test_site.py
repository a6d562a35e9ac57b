"""The page of a gallery: what is served, and what a browser makes of it."""

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from retrieval.checkpoint import load_checkpoint
from retrieval.gallery import Gallery
from retrieval.index import build_gallery
from retrieval.search import search
from retrieval.site import open_site, server
from tests.support.browsing import CONTRASTS, UNLABELLED, chromium, visiting
from tests.support.evaluating import CPU
from tests.support.galleries import QUERY
from tests.support.judged import recipe_of, save_run, write_table

HOSTILE = "<img src=x onerror=window.harmed=1>"


def serve(checkpoint, gallery: Gallery) -> Iterator[str]:
    with open_site(checkpoint, gallery, top=5, candidates=8, device=CPU) as site:
        threading.Thread(target=site.serve, daemon=True).start()
        yield site.address
        site.stop()


@pytest.fixture(scope="module")
def served(indexed) -> Iterator[SimpleNamespace]:
    """A gallery, its checkpoint, and the address of its page; with a fine stage and without."""
    checkpoint, gallery, _ = indexed
    for address in serve(checkpoint, gallery):
        yield SimpleNamespace(checkpoint=checkpoint, gallery=gallery, address=address)


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The same of eight films, one of which has a hostile name, and one is gone since it was indexed."""
    folder = tmp_path_factory.mktemp("films")
    write_table(folder / "clips", 8)
    first, second, *_ = sorted((folder / "clips").glob("*.mp4"))
    first.rename(folder / "clips" / f"{HOSTILE}.mp4")
    checkpoint = load_checkpoint(save_run(folder / "run", recipe_of({"name": "table"}, "tokens")))
    build_gallery(checkpoint, folder / "clips", folder / "gallery", device=CPU)
    second.unlink()
    gallery = Gallery(folder / "gallery")
    for address in serve(checkpoint, gallery):
        yield SimpleNamespace(checkpoint=checkpoint, gallery=gallery, address=address, gone=second)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


def ask(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def found_at(address: str, **query: object) -> dict:
    status, body = ask(f"{address}search?{urllib.parse.urlencode(query)}")
    assert status == 200, body
    return json.loads(body)


def test_both_rankings_are_those_of_a_search(served):
    found = found_at(served.address, q=QUERY, top=6)
    wanted = search(served.checkpoint.model, served.gallery, QUERY, top=6, candidates=8, device=CPU)
    assert found["final"] == [hit.row for hit in wanted.hits]
    assert found["coarse"] == [hit.row for hit in wanted.coarse_hits]
    for hit in (*wanted.hits, *wanted.coarse_hits):
        shown = found["videos"][str(hit.row)]
        assert (shown["video_id"], shown["rank"], shown["coarse_rank"]) == (
            served.gallery.row(hit.row).video_id, hit.rank, hit.coarse_rank
        )  # fmt: skip
        assert shown["moment"] == served.gallery.row(hit.row).seconds[hit.frame]
    for ranking, rank in (("final", "rank"), ("coarse", "coarse_rank")):
        assert [found["videos"][str(row)][rank] for row in found[ranking]] == [1, 2, 3, 4, 5, 6]
    cosines = [found["videos"][str(row)]["coarse"] for row in found["coarse"]]
    assert cosines == sorted(cosines, reverse=True)
    if served.checkpoint.model.interaction is None:
        assert found["final"] == found["coarse"] and found["num_read"] == 0


def test_a_strip_has_the_frames_that_were_indexed(served):
    for number in range(len(served.gallery)):
        status, body = ask(f"{served.address}strip/{number}.jpg")
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert (status, picture.shape[0]) == (200, 96)
        assert picture.shape[1] % len(served.gallery.row(number).seconds) == 0


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("search?q=", 400, "nothing to search for"),
        ("search?q=a&top=0", 400, "top = 0"),
        ("search?q=a&top=many", 400, "invalid literal"),
        ("strip/99.jpg", 404, "no such video"),
        ("strip/-1.jpg", 404, "no such video"),
        ("strip/1", 404, "no such video"),
        ("strip/0000000000000001.jpg", 404, "no such video"),
        ("strip/1.jpg/x", 404, "no such video"),
        ("strip/..%2f..%2fetc%2fpasswd", 404, "nothing of that name"),
        ("etc/passwd", 404, "nothing of that name"),
    ],
)
def test_what_is_not_there_is_said(served, path, status, message):
    code, body = ask(served.address + path)
    assert code == status and message in body.decode()


def test_a_page_cannot_ask_for_all_of_a_gallery(served, monkeypatch):
    asked = []
    found = search(served.checkpoint.model, served.gallery, QUERY, top=1, candidates=1, device=CPU)
    monkeypatch.setattr(server, "search", lambda *_, **options: asked.append(options) or found)
    found_at(served.address, q=QUERY, top=1_000_000)
    assert [(one["top"], one["candidates"]) for one in asked] == [(100, 100)]


def test_a_film_that_is_gone_is_said(films):
    rows = {row.video_id: number for number, row in enumerate(films.gallery.rows())}
    status, body = ask(f"{films.address}strip/{rows[films.gone.name]}.jpg")
    assert status == 404 and "cannot be read any more" in body.decode()


@pytest.fixture
def visit(browser, films) -> Callable:
    def open_page(path: str = "", **context):
        return visiting(browser, films.address + path, **context)

    return open_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_shows_both_rankings_and_marks_the_moment(visit, films, scheme, width):
    address = f"#{urllib.parse.urlencode({'q': QUERY, 'top': 8})}"
    with visit(address, color_scheme=scheme, viewport={"width": width, "height": 900}) as opened:
        page = opened.page
        page.locator("#rankings").wait_for()
        wanted = found_at(films.address, q=QUERY, top=8)
        for ranking in ("final", "coarse"):
            rows = page.locator(f"#{ranking} .hit").evaluate_all("all => all.map((one) => one.dataset.row)")
            assert rows == [str(row) for row in wanted[ranking]]
        page.locator(".gone").first.scroll_into_view_if_needed()
        page.get_by_text("cannot be read any more").first.wait_for()
        for row in wanted["final"]:
            hit = wanted["videos"][str(row)]
            if hit["video_id"] == films.gone.name:
                continue
            item = page.locator(f'#final .hit[data-row="{row}"]')
            item.scroll_into_view_if_needed()
            page.wait_for_function(
                "one => one.querySelector('img').naturalWidth > 0", arg=item.element_handle()
            )
            strip, here = (item.locator(name).bounding_box() for name in (".strip", ".here"))
            left = strip["x"] + strip["width"] * hit["frame"] / hit["num_frames"]
            assert here["x"] == pytest.approx(left, abs=1)
            assert here["width"] == pytest.approx(strip["width"] / hit["num_frames"], abs=1)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert min(page.evaluate(CONTRASTS).values()) >= 4.5
        assert page.evaluate(UNLABELLED) == []
        assert page.evaluate("window.harmed") == 0
        assert HOSTILE in page.locator("#final").inner_text()
        assert opened.elsewhere(films.address) == []
        # The film that is gone is the one thing that the browser itself reports.
        assert all("404" in said for said in opened.wrong)


def test_a_search_has_an_address_and_the_keyboard_does_it_all(visit, films):
    with visit() as opened:
        page = opened.page
        page.keyboard.type("two dogs")
        page.keyboard.press("Enter")
        page.locator("#final .hit").first.wait_for()
        assert page.evaluate("location.hash") == "#q=two+dogs&top=5"
        assert page.locator("#final .hit").count() == 5
        assert "8 videos searched, 8 read by the fine stage" in page.locator("#said").inner_text()
        page.locator("#q").blur()
        page.keyboard.press("j")
        page.keyboard.press("j")
        second = page.evaluate("document.activeElement.dataset.row")
        assert second == str(found_at(films.address, q="two dogs", top=5)["final"][1])
        assert page.locator(".twin").count() >= 1
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "q"
        page.keyboard.press("Control+A")
        page.keyboard.type("  ")
        page.keyboard.press("Enter")
        page.go_back()
        page.locator("#final .hit").first.wait_for()
        assert page.locator("#q").input_value() == "two dogs"
