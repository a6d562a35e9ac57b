"""The pages as a site: built strictly, nothing fetched by whoever reads it, the references whole."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

import animate
from cli.animate.main import app as animate_app
from cli.retrieval.main import app as retrieval_app
from tests.support.pages import PAGES, ROOT

for needed in ("mkdocs", "material", "mkdocstrings", "mkdocstrings_handlers.python"):
    pytest.importorskip(needed, reason="pip install '.[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NO_MKDOCS_2_WARNING": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    run = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return out


def text_of(page: Path) -> str:
    """What a reader sees of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_page_is_in_the_site_and_nothing_else(site):
    pages = {page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in PAGES[1:]}
    assert {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")} == (
        pages - {"index"}
    ) | {"."}
    navigation = str(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert all(f"'{page}.md'" in navigation for page in pages)
    assert not list(site.rglob("*.py*"))


def test_reading_it_asks_no_other_machine(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]* src=\"?([^\" >]+)", text)
        loaded += re.findall(
            r"<link[^>]* rel=\"?(?:stylesheet|preconnect|icon)[^>]* href=\"?([^\" >]+)", text
        )
        loaded += re.findall(
            r"<link[^>]* href=\"?([^\" >]+)[^>]* rel=\"?(?:stylesheet|preconnect|icon)", text
        )
        assert loaded and not [address for address in loaded if address.startswith(("http:", "https:", "//"))]


def test_the_reference_has_every_command_with_its_options(site):
    page = text_of(site / "reference" / "cli" / "index.html")
    for program, app in (("animate", animate_app), ("retrieval", retrieval_app)):
        for name, command in typer.main.get_command(app).commands.items():  # pyright: ignore[reportAttributeAccessIssue]
            if command.hidden:
                continue
            section = page.partition(f"{program} {name}¶")[2].partition("¶")[0]
            assert section, f"{program} {name}"
            options = {option for p in command.params for option in p.opts if option.startswith("--")}
            assert [option for option in options if option not in section] == []


def test_the_reference_has_every_public_name(site):
    page = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    for name in animate.__all__:
        assert f'id="{getattr(animate, name).__module__}.{name}"' in page
    for name in ("retrieval.search.search", "retrieval.metrics.rank", "retrieval.score.fuse"):
        assert f'id="{name}"' in page


def test_the_results_list_what_was_missed(site):
    page = text_of(site / "results" / "index.html")
    assert "missed" in page and "build_throughput" in page and "<!--" not in page
