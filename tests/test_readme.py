"""The user's page is true: its commands and programs run, its recipe is the default, its options exist."""

import os
import re
import shlex
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer.main

from animate.recipe import BuildRecipe, read_recipe
from cli.animate.main import app

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")

#: Commands that no test runs, by how they begin -> why.
NOT_RUN = {
    "pip install": "installs; .ci/run runs it",
    "pip uninstall": "changes the installation",
    "apt install": "changes the machine",
    'CC="cc -mavx2" pip install': "changes the installation",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with photographs of the user's, where `animate` and `python` are this project's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, call in {"python": "", "animate": " -c 'from cli.animate.main import main; main()'"}.items():
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
        (photos / image.name).with_suffix(".txt").write_text("a photograph")
    return work


def test_the_pages_commands_and_programs_run_in_their_order(folder):
    found = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    skipped = set()
    for language, code in found:
        for command in [code] if language == "python" else code.splitlines():
            reason = next((start for start in NOT_RUN if command.startswith(start)), None)
            if reason and "&& animate build" in command:
                skipped.add(reason)
                command = command.split("&& ", 1)[1]  # the build behind the installation
            elif reason:
                skipped.add(reason)
                continue
            words = [sys.executable, "-c", command] if language == "python" else ["sh", "-c", command]
            run = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
            assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
    assert skipped == set(NOT_RUN)


def test_every_recipe_on_the_page_can_be_read(tmp_path):
    recipes = blocks("toml")
    assert len(recipes) >= 2
    for text in recipes:
        (tmp_path / "page.toml").write_text(text)
        read_recipe(tmp_path / "page.toml")


def test_the_pages_recipe_is_the_default(tmp_path):
    [recipe] = [block for block in blocks("toml") if "[shards]" in block]
    (tmp_path / "page.toml").write_text(recipe)
    assert replace(read_recipe(tmp_path / "page.toml"), name=BuildRecipe().name) == BuildRecipe()


def test_every_option_on_the_page_exists():
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    known = {option for command in commands.values() for p in command.params for option in p.opts}
    animate_lines = [line for line in PAGE.splitlines() if "pip" not in line and "retrieval" not in line]
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "\n".join(animate_lines)))
    assert named - known == set()
    build = {option for p in commands["build"].params for option in p.opts}
    assert build - named == {"--recipe"} - named
