"""What an installation puts where: two top-level names, every package of the tree, the data beside them."""

import subprocess
import sys
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


#: What filming on a CPU does without, so that an environment that lacks or cannot load it films all the same.
NOT_FOR_FILMING = (
    *("torch", "torchvision", "kornia", "open_clip", "transformers", "faiss"),
    *("img2dataset", "webdataset", "ray", "tensorboard"),
)


def test_filming_on_a_cpu_needs_nothing_heavy(tmp_path):
    """A build, its clips read back, and all of it verified, where the heavy libraries cannot be imported."""
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {NOT_FOR_FILMING!r}:
            raise ImportError(f"{{name}} is blocked")

sys.meta_path.insert(0, Blocked())
try:
    import torch
except ImportError:
    pass
else:
    raise AssertionError("nothing is blocked")

import animate
from animate.shards.verify import verify
for kind in ("mp4", "frames", "virtual"):
    recipe = animate.read_recipe(None, ["source.limit=2", "video.size=64", f"video.format={{kind}}"])
    out = {str(tmp_path)!r} + "/" + kind
    assert animate.build_shards(recipe, out, animate.Workforce(workers=0)).clips == 2
    assert [clip["frames"].shape for clip in animate.load_clips(out)] == [(12, 3, 64, 64)] * 2
    assert verify(out) == []
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_both_packages_are_typed():
    for package in ("animate", "retrieval"):
        assert (ROOT / package / "py.typed").is_file()
        assert "py.typed" in SETUPTOOLS["package-data"][package]


def test_data_of_the_packages_is_named():
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            assert list(folder(package).glob(pattern)), f"{package}: {pattern}"
