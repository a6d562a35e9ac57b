"""The pages for those who work on the code are true: rooms and files exist, versions agree."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.test_imports import LAWS, files, unit

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
TREE = re.findall(r"^```\n(.*?)^```", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)[0]


def section(package: str) -> str:
    """The lines of the tree below a package's own."""
    return re.split(
        r"^(?=\S)", TREE.partition(f"\n{package}/" if package != "animate" else "animate/")[2], flags=re.M
    )[0]


@pytest.mark.parametrize("package", ["animate", "retrieval"])
def test_the_map_has_every_room_and_no_other(package):
    rooms = {unit(path) for path in files(package)} - {"__init__", "__main__"}
    words = set(re.findall(r"\b(\w+)(?:\.py\b|/)", section(package))) | set(
        re.findall(r"\b\w+\b", section(package))
    )
    assert rooms <= words, f"not on the map: {', '.join(sorted(rooms - words))}"
    named = set(re.findall(r"\b(\w+)\.py\b", section(package)))
    assert named <= rooms, f"on the map only: {', '.join(sorted(named - rooms))}"


def test_the_map_stands_on_the_ground():
    """Rooms of `animate` stand in the order of its import law, from the ground up."""
    layers, _ = LAWS["animate"]
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    lines = [re.findall(r"(\w+)(?:\.py|/)", line[:36]) for line in section("animate").splitlines()]
    order = [rank[name] for names in lines for name in names if name in rank]
    assert order == sorted(order)


def test_every_path_on_the_map_exists():
    for path in re.findall(r"`((?:animate|retrieval|cli|tests|recipes|benchmarks)/[\w./]*)`", ARCHITECTURE):
        assert (ROOT / path).exists(), path


def test_versions_agree():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_continuous_integration_runs_what_contributors_run():
    commands = re.findall(
        r"^pytest && (.*)$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.M
    )[0]
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in commands.split(" && "):
        assert f"run {command}" in run


def test_the_readmes_picture_is_what_its_script_makes(tmp_path):
    made = tmp_path / "alive.gif"
    script = [sys.executable, str(ROOT / "docs" / "make_pictures.py"), "--out", str(made)]
    subprocess.run(script, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    shown = ROOT / "docs" / "alive.gif"
    assert shown.stat().st_size < 2_500_000
    with Image.open(shown) as committed, Image.open(made) as fresh:
        assert 320 <= committed.width <= 480 and committed.info["loop"] == 0
        assert (committed.size, committed.n_frames) == (fresh.size, fresh.n_frames)
        for number in (0, committed.n_frames // 2, committed.n_frames - 1):
            committed.seek(number)
            fresh.seek(number)
            both = [np.asarray(image.convert("RGB"), np.int16) for image in (committed, fresh)]
            # Other versions of the libraries round, and choose a palette, otherwise.
            assert np.abs(both[0] - both[1]).mean() < 6
