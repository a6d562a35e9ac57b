"""The pages for users are true: what they show runs, recipes are read, options exist, numbers are measured.

A block whose title begins "not run by tests" is not run; `LEFT_OUT` counts them.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import BuildRecipe, read_recipe
from cli.animate.main import app as animate_app
from cli.retrieval.main import app as retrieval_app
from retrieval.recipe import load_recipe
from tests.support.pages import NOT_RUN as MARK
from tests.support.pages import PAGES, ROOT, Block, blocks, name_of, text_of

README = PAGES[0]

#: Lines of blocks that run which no test runs, by how they begin -> why.
NOT_RUN = {"pip install": "installs; .ci/run runs it"}

#: How many blocks of each page no test runs.
LEFT_OUT = {
    "docs/howto/benchmark.md": 1,
    "docs/howto/cluster.md": 3,
    "docs/howto/gpu.md": 2,
    "docs/howto/install.md": 2,
    "docs/howto/object-store.md": 1,
    "docs/howto/pillow-simd.md": 1,
    "docs/retrieval.md": 2,
    "docs/tutorial.md": 1,
}

#: Pages whose blocks make the shard set `shards/` themselves; others find one.
MAKE_THEIR_OWN = ("README.md", "docs/index.md", "docs/tutorial.md")

RUNNING = [page for page in PAGES if any(block.runs for block in blocks(page))]

#: Keys of recipes that are `retrieval`'s.
RETRIEVAL_TABLES = ("[data]", "[model]")


@pytest.fixture(scope="session")
def shard_set(tmp_path_factory) -> Path:
    """A shard set of four photographs of the demo, of a corpus that says under what licence each is."""
    folder = tmp_path_factory.mktemp("pages")
    images = sorted((ROOT / "animate" / "demo").glob("*.jpg"))[:4]
    rows = []
    for image, licence in zip(images, ("CC BY 4.0", "CC0", "CC BY 4.0", "CC BY-NC 4.0"), strict=True):
        (folder / image.name).write_bytes(image.read_bytes())
        rows.append(json.dumps({"file_name": image.name, "caption": f"a {image.stem}", "license": licence}))
    (folder / "table.jsonl").write_text("\n".join(rows))
    source = ["source.name=table", f"source.path={folder / 'table.jsonl'}"]
    report = build_shards(read_recipe(None, [*source, "video.size=64"]), str(folder / "shards"), HERE)
    assert report.clips == 4
    return folder / "shards"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with photographs of the user's, where `animate`, `retrieval` and `python` are this
    project's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    calls = {"python": ""}
    for name in ("animate", "retrieval"):
        calls[name] = f" -c 'from cli.{name}.main import main; main()'"
    for name, call in calls.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{call} "$@"\n')
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", os.pathsep.join((str(programs), os.environ["PATH"])))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    work = tmp_path / "work"
    photos = work / "photos"
    photos.mkdir(parents=True)
    for image in sorted((ROOT / "animate" / "demo").glob("*.jpg"))[:3]:
        (photos / image.name).write_bytes(image.read_bytes())
        (photos / image.name).with_suffix(".txt").write_text(f"a photograph of {image.stem}")
    return work


@pytest.mark.parametrize("page", RUNNING, ids=name_of)
def test_a_pages_commands_and_programs_run_in_their_order(page, folder, shard_set):
    if name_of(page) not in MAKE_THEIR_OWN:
        shutil.copytree(shard_set, folder / "shards")
    for block in blocks(page):
        if not block.runs:
            continue
        for command in [block.text] if block.language == "python" else block.text.splitlines():
            if any(command.startswith(start) for start in NOT_RUN):
                _, installed, command = command.partition("&& animate build")
                if not installed:
                    continue
                command = f"animate build{command}"  # the build behind the installation
            words = [sys.executable, "-c", command] if block.language == "python" else ["sh", "-c", command]
            run = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600)
            assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"


def test_what_is_not_run_is_known():
    left_out = {name_of(page): sum(b.title.startswith(MARK) for b in blocks(page)) for page in PAGES}
    assert {page: count for page, count in left_out.items() if count} == LEFT_OUT
    for page in PAGES:
        for block in blocks(page):
            assert not block.title or re.match(rf"{MARK}: \w", block.title), "a title says why"
            if "the README has the same" in block.title:
                assert block.text in text_of(README)
    skipped = [
        start
        for start in NOT_RUN
        for page in RUNNING
        for b in blocks(page, "sh")
        if b.runs and start in b.text
    ]
    assert len(skipped) == 3, "the two installations of the README, and the index's"


def commands(block: Block) -> list[str]:
    """The lines of a block that call this project, whole, without what stands before."""
    found = [re.search(r"(?:^|&& |\$ )((?:animate|retrieval) .*)$", line) for line in block.text.splitlines()]
    return [match[1] for match in found if match]


LINES = [(name_of(page), line) for page in PAGES for block in blocks(page, "sh") for line in commands(block)]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_commands_have_the_options_that_they_use(page, line):
    """Those that are not run, too: each parses, up to files and values that only running would check."""
    program, name, *arguments = shlex.split(line)
    group = typer.main.get_command({"animate": animate_app, "retrieval": retrieval_app}[program])
    command = group.get_command(None, name)  # type: ignore[attr-defined, arg-type]
    assert command is not None, f"{page}: {program} has no command {name}"
    command.make_context(name, arguments)


def test_every_recipe_on_the_pages_can_be_read(tmp_path):
    count = 0
    for page in PAGES:
        for block in blocks(page, "toml"):
            path = tmp_path / f"{count}.toml"
            path.write_text(block.text)
            theirs = any(table in block.text for table in RETRIEVAL_TABLES)
            (load_recipe if theirs else read_recipe)(path)
            count += 1
    assert count >= 5


def test_the_recipe_of_the_builds_page_is_the_default(tmp_path):
    [recipe] = [b.text for page in PAGES for b in blocks(page, "toml") if "[shards]" in b.text]
    (tmp_path / "page.toml").write_text(recipe)
    assert replace(read_recipe(tmp_path / "page.toml"), name=BuildRecipe().name) == BuildRecipe()


def test_every_option_on_the_pages_exists():
    known, build = {"--help"}, set()
    for app in (animate_app, retrieval_app):
        for name, command in typer.main.get_command(app).commands.items():  # pyright: ignore[reportAttributeAccessIssue]
            options = {option for p in command.params for option in p.opts}
            known |= options
            build |= options if name == "build" else set()
    #: Options of other programs, by what their line has.
    others = ("pip", "docker", "kubectl", "--build-arg", "ray start", "mkdocs", "--feature", "pytest")
    named = set()
    for page in PAGES:
        lines = [line for line in text_of(page).splitlines() if not any(other in line for other in others)]
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(lines)))
        assert found - known == set(), name_of(page)
        named |= found
    assert build - named == {"--recipe"} - named


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(text_of(README).splitlines()) < 200
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", text_of(page)):
            assert (page.parent / target).exists(), f"{name_of(page)}: {target}"


def test_the_readme_has_what_was_measured():
    spec = importlib.util.spec_from_file_location("measured", ROOT / "docs" / "measured.py")
    assert spec and spec.loader
    measured = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measured)
    assert measured.with_table(text_of(README)) == text_of(README), "python docs/measured.py writes it anew"
    assert measured.headline() in text_of(README)


def test_what_the_pages_say_of_films_and_stills_was_measured():
    """ "one head of five", "four of five", "level": intervals of the difference beside zero."""
    result = json.loads((ROOT / "benchmarks" / "results" / "retrieval_real.json").read_text())
    found: dict[str, list[tuple[str, float]]] = {}
    for name, values in result["differences"].items():
        case, _, compared = name.partition(": ")
        mean, low, high = values.get("t2v coarse R@10", (0.0, 0.0, 0.0))
        if low > 0 or high < 0:
            found.setdefault(f"{case.partition(', ')[0]}: {compared}", []).append(
                (case.partition(", ")[2], mean)
            )
    assert [(head, round(mean, 1)) for head, mean in found["zero-shot: filmed stills - stills"]] == [
        ("mean", 1.1)
    ]
    assert len(found["zero-shot: both - stills"]) == 4
    assert all(0.8 < mean < 1.2 for _, mean in found["zero-shot: both - stills"])
    assert "fine-tuned: filmed stills - stills" not in found
    assert len(found["fine-tuned: filmed stills - nothing"]) == 5
    assert all(2 < mean < 4 for _, mean in found["fine-tuned: filmed stills - nothing"])
