"""The wheel and the sdist: built from a clean tree without a network, whole, and the wheel runs."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.test_install import ROOT, SETUPTOOLS, folder

#: What is neither code nor anything that a package needs.
NOT_IN_A_WHEEL = ("tests/", "benchmarks/", "docs/", "examples/", ".ci/", "cli/", "recipes/")


def built(tree: Path, out: Path, kind: str) -> Path:
    """The one file that setuptools makes of `tree`."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def clean_tree(tmp_path_factory) -> Path:
    """What building needs of the repository, in a folder of its own."""
    tree = tmp_path_factory.mktemp("tree")
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in ("animate", "retrieval", "cli", "recipes", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=junk)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    return tree


@pytest.fixture(scope="module")
def sdist(clean_tree, tmp_path_factory) -> Path:
    return built(clean_tree, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built from the sdist, as pip does it where there is no wheel."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    [tree] = unpacked.iterdir()
    return built(tree, tmp_path_factory.mktemp("wheel"), "wheel")


def expected_files() -> set[str]:
    """Every Python file and all package data, by where an installation has them."""
    found = set()
    for package in SETUPTOOLS["packages"]:
        place, source = package.replace(".", "/"), folder(package)
        patterns = ["*.py", *SETUPTOOLS["package-data"].get(package, ())]
        for pattern in patterns:
            found |= {
                f"{place}/{path.relative_to(source)}" for path in source.glob(pattern) if path.is_file()
            }
    return found


def test_the_wheel_of_the_sdist_has_every_file_and_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        programs = archive.read(metadata).decode()
    assert names == expected_files()
    for name in ("animate/py.typed", "retrieval/py.typed", "animate/recipes/shots/default.toml"):
        assert name in names
    assert "animate/demo/astronaut.jpg" in names and "animate/demo/captions.jsonl" in names
    assert not any(name.startswith(NOT_IN_A_WHEEL) for name in names)
    assert "animate = animate.cli.animate.main:main" in programs
    assert "retrieval = animate.cli.retrieval.main:main" in programs


def test_the_sdist_has_licence_and_page_and_no_build(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert not any(name.startswith(("build/", "dist/")) for name in names)


def test_the_wheel_runs_where_there_is_no_repository(wheel, tmp_path):
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-c", "import animate; print(animate.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert where.stdout.startswith(str(installed))
    version = wheel.name.split("-")[1]
    assert run("animate", "--version") == f"animate {version}\n"
    assert run("retrieval", "--version") == f"retrieval {version}\n"
    small = ("--limit", "2", "--size", "64", "--workers", "0")
    assert "2 of 2 inputs" in run("animate", "build", "--src", "demo", "--out", "shards", *small)
    assert "exported  2 of 2" in run("animate", "export", "shards", "--to", "umt", "--out", "out")
    assert "[[shot.shots]]" in run("animate", "recipe", "--preset", "documentary")
