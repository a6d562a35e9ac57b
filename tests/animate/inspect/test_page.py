"""The page as a text: nothing of a corpus is markup in it, and its policy lets only its own script run."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from animate.inspect.originals import find_originals
from animate.inspect.page import policy, served_grid, served_page, written_page
from cli.animate.main import app
from tests.animate.inspect.conftest import HOSTILE


class Elements(HTMLParser):
    """The elements of a page with their attributes and the text in each script and style."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] in ("script", "style") and data.strip():
            self.texts.append((dict(self.elements[-1][1]), data))


@pytest.fixture(scope="module")
def pages(hostile_set, catalogue_of) -> dict[str, str]:
    """The page as a file and as it is served, of a hostile corpus."""
    folder, corpus = hostile_set
    catalogue = catalogue_of(folder)
    originals = find_originals(catalogue.set, str(corpus))
    return {
        "file": written_page(catalogue, originals, str(folder), str(corpus)),
        "served": served_page(catalogue, originals, served_grid(catalogue)),
    }


def known(page: str, name: str):
    return json.loads(page.split(f'<script type="application/json" id="{name}">')[1].split("</script>")[0])


@pytest.mark.parametrize("kind", ["file", "served"])
def test_hostile_texts_are_in_the_page_as_json_alone(pages, kind):
    page = pages[kind]
    assert page.isascii() or not re.search("[\u2028\u2029\u202e]", page)
    elements = Elements(page).elements
    assert [tag for tag, _ in elements].count("script") == 3
    assert not [tag for tag, attributes in elements for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in elements if "src" in attributes]
    captions = known(page, "known")["clips"]["caption"]
    assert sorted(captions) == sorted(caption[:300] for caption in HOSTILE)


def test_a_file_holds_every_picture_that_it_shows(pages):
    held = known(pages["file"], "held")
    assert len(held["strips"]) == len(held["clips"]) == 6
    for image in (*held["strips"], *held["stills"].values(), *held["thumbnails"].values()):
        assert image.startswith("data:image/jpeg;base64,/9j/")
    assert [clip["json"]["captions"][0] for clip in held["clips"]] == list(HOSTILE)
    assert len(held["thumbnails"]) == 2
    assert known(pages["served"], "held") is None


def test_the_policy_of_a_file_allows_its_own_script_and_nothing_from_elsewhere(pages):
    page = Elements(pages["file"])
    [policies] = [
        a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    for attributes, text in page.texts:
        if attributes.get("type") != "application/json":
            assert hash_of(text) in policies
    assert policies.startswith("default-src 'none'; ")
    assert not re.search("unsafe|self|http|\\*", policies)
    allowed = re.sub(r"'sha256-[^']*'", "H", policies)
    assert allowed == (
        "default-src 'none'; script-src H; style-src H; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_policy_of_what_is_served_allows_the_same_script(pages):
    texts = [text for a, text in Elements(pages["served"]).texts if a.get("type") != "application/json"]
    assert len(texts) == 2 and all(hash_of(text) in policy() for text in texts)


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_script_makes_no_markup_of_texts():
    folder = Path(__file__).parents[3] / "animate" / "inspect" / "page"
    for path in folder.glob("*.js"):
        script = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", script
        ), path.name


@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_the_command_writes_a_page_and_a_sheet(demo_set, tmp_path, format):
    page, sheet = tmp_path / "page.html", tmp_path / "sheet.jpg"
    line = ["inspect", str(demo_set(format)), "--out", str(page), "--sheet", str(sheet), "--limit", "5"]
    done = CliRunner().invoke(app, line, catch_exceptions=False)
    assert done.exit_code == 0 and "5 of 12 clips, chosen by a hash of their keys" in done.output
    assert len(known(page.read_text(encoding="utf-8"), "held")["strips"]) == 5
    assert sheet.read_bytes()[:2] == b"\xff\xd8"


def test_alone_the_command_writes_report_html(demo_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["inspect", str(demo_set("mp4"))], catch_exceptions=False)
    assert done.exit_code == 0 and [path.name for path in tmp_path.iterdir()] == ["report.html"]
