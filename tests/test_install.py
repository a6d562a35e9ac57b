"""What an installation puts where: two top-level names, every package of the tree, the data beside them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def folder(package: str) -> Path:
    """Where a package's files lie in the repository."""
    for name, path in SETUPTOOLS["package-dir"].items():
        if package == name or package.startswith(f"{name}."):
            return ROOT / path / Path(*package.removeprefix(name).strip(".").split("."))
    return ROOT / Path(*package.split("."))


def test_an_installation_has_every_package_of_the_tree():
    found = {
        path.parent for top in ("animate", "retrieval", "cli") for path in (ROOT / top).rglob("__init__.py")
    }
    assert {folder(package) for package in SETUPTOOLS["packages"]} == found | {ROOT / "recipes"}


def test_it_takes_no_other_top_level_names():
    assert {package.split(".")[0] for package in SETUPTOOLS["packages"]} == {"animate", "retrieval"}


def test_data_of_the_packages_is_named():
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            assert list(folder(package).glob(pattern)), f"{package}: {pattern}"
