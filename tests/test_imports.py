"""The law of imports: who may import whom, which file alone may touch a library, and what stays unloaded.

Units are the modules of a package; a folder counts as one.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import animate

ROOT = Path(__file__).parents[1]

#: Each unit of `animate` may import from the units of the lines above its own, and from no other.
LAYERS = (
    ("errors", "arrays", "beside"),
    ("__main__", "record", "text", "seen", "threads", "strict_toml", "camera", "light", "arrivals", "ustar"),
    ("views", "loopback"),
    ("data", "components", "cluster", "apart"),
    ("executor",),
    ("recipe", "saliency", "flow", "shutter", "stores"),
    ("codec", "shot", "doctor", "recipe_page", "shots"),
    ("fit",),
    ("sources", "formats", "edit", "leeway"),
    ("apparent",),
    ("label", "render"),
    ("sentences",),
    ("film", "preview"),
    ("shards",),
    ("shard", "load", "fetch", "inspect"),
    ("careful", "journal", "report"),
    ("making", "exports"),
    ("build",),
    ("estimate", "materialize", "export"),
)
#: Library -> the only units that may import it.
ONLY = {
    "ray": {"executor", "cluster"},
    "kornia": {"render"},
    "torch": {"render", "doctor"},
    # The doctor tries each library to say whether it works.
    "PIL": {"codec", "doctor"},
    "av": {"codec", "doctor"},
    "simplejpeg": {"codec", "doctor"},
    "torchcodec": {"codec", "doctor"},
    "imageio": {"codec"},
    "torchvision": set(),
    "webdataset": set(),
    "retrieval": set(),
    "cli": set(),
}
#: OpenCV call -> the only unit that may make it.
ONLY_CALL = {
    **dict.fromkeys(("warpAffine", "warpPerspective", "remap", "getRectSubPix"), "render"),
    **dict.fromkeys(("imread", "imdecode", "imwrite", "imencode", "VideoCapture", "VideoWriter"), "codec"),
}

#: The same for `retrieval`.
RETRIEVAL_LAYERS = (
    ("__main__", "errors", "durable", "cache", "distributed", "metrics", "loss", "order", "recipe"),
    ("video", "runs", "run_log", "compute", "normalise", "curve", "batch"),
    ("datasets", "model", "paths", "reference"),
    ("ahead",),
    ("health", "loader", "protocol", "score", "optimizer", "checkpoint", "find"),
    ("encode", "fine_losses", "gallery"),
    ("rerank", "gradients", "pretrained", "run_state", "intake", "search"),
    ("evaluate", "train", "frozen", "index", "site"),
    ("workers",),
    ("launch",),
)
RETRIEVAL_ONLY = {
    "ray": {"workers"},
    "open_clip": {"model"},
    "huggingface_hub": {"model"},
    "safetensors": {"model", "checkpoint", "cache"},
    "faiss": {"gallery"},
    "pyarrow": {"gallery", "paths"},
    "cv2": {"video"},
    "av": {"video"},
    "torchcodec": {"video"},
    "braceexpand": {"datasets"},
    "PIL": {"curve"},
    "wandb": {"run_log"},
    # Its files are read, and not with its own code.
    "transformers": set(),
    "torchvision": set(),
    "kornia": set(),
    "webdataset": set(),
    "cli": set(),
}
#: Units of `retrieval` that are used before torch is loaded, or without it.
TORCH_FREE = (
    "errors", "durable", "cache", "metrics", "normalise", "recipe", "video", "runs", "curve", "datasets",
    "paths", "reference", "health", "find", "ahead",
)  # fmt: skip
#: Package -> its layers, and its libraries.
LAWS = {"animate": (LAYERS, ONLY), "retrieval": (RETRIEVAL_LAYERS, RETRIEVAL_ONLY)}
#: Packages of which no file, through whatever it imports and wherever in the file, imports itself.
WITHOUT_CIRCLES = ("animate", "retrieval")


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def unit(path: Path) -> str:
    """`animate/render/light.py` belongs to the unit `render`."""
    return path.relative_to(ROOT).parts[1].removesuffix(".py")


def dotted(path: Path) -> str:
    """`cli/animate/plan.py` as `cli.animate.shards.plan`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) for each import anywhere in the file, but for those that only type checkers read."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # `cli` has another name where it is installed; everything else is imported by its full name.
            assert node.level == 0 or path.is_relative_to(ROOT / "cli"), (
                f"{path}: imports are written in full"
            )
            yield from ((node.module or "", alias.name) for alias in node.names)


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def units_imported(path: Path) -> set[str]:
    """Units of its own package that the file imports, but for its own."""
    found = set()
    for module, name in imported(path):
        parts = module.split(".")
        if parts[0] == package_of(path):
            found.add(parts[1] if len(parts) > 1 else name)
    return found - {unit(path)}


def files_imported(path: Path) -> set[str]:
    """Files of its own package that the file imports, by their dotted names."""
    there = {dotted(other) for other in files(package_of(path))}
    found = {f"{module}.{name}" if f"{module}.{name}" in there else module for module, name in imported(path)}
    return found & there


both = pytest.mark.parametrize(
    "path", [*files("animate"), *files("retrieval")], ids=lambda path: str(path.relative_to(ROOT))
)


@both
def test_a_unit_imports_only_from_the_layers_above_it(path):
    if unit(path) == "__init__":
        return  # the public names: it may gather them from anywhere
    layers, _ = LAWS[package_of(path)]
    rank = next((i for i, layer in enumerate(layers) if unit(path) in layer), None)
    assert rank is not None, f"{unit(path)}: stands in no layer"
    allowed = {name for layer in layers[:rank] for name in layer}
    assert units_imported(path) <= allowed


@both
def test_a_library_is_imported_where_it_belongs(path):
    _, only = LAWS[package_of(path)]
    libraries = {module.split(".")[0] for module, _ in imported(path)}
    assert {name for name in libraries if unit(path) not in only.get(name, {unit(path)})} == set()


@pytest.mark.parametrize("package", WITHOUT_CIRCLES)
def test_no_imports_go_in_a_circle(package):
    graph = {dotted(path): files_imported(path) for path in files(package)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("path", files("animate"), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_opencv_call_is_made_where_it_belongs(path):
    calls = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert {call for call in calls if ONLY_CALL.get(call, unit(path)) != unit(path)} == set()


@pytest.mark.parametrize("path", files("retrieval"), ids=lambda path: str(path.relative_to(ROOT)))
def test_retrieval_uses_public_names_of_animate_alone(path):
    for module, name in imported(path):
        if module.split(".")[0] == "animate":
            # Both packages have recipes and a program.
            shared = ("animate.strict_toml", "animate.beside", "animate.loopback")
            assert module in shared or name in animate.__all__, f"{module}.{name}"
        assert module.split(".")[0] != "cli"


def test_nobody_imports_albumentations():
    for package in ("animate", "retrieval", "cli", "tests", "benchmarks"):
        for path in files(package):
            for module, _ in imported(path):
                assert not module.startswith("albu"), f"{path}: its successor has another licence"


def loaded_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after it ran `code`."""
    report = "import sys, json; print(json.dumps([name for name in sys.modules if '.' not in name]))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("path", files("cli"), ids=lambda path: str(path.relative_to(ROOT)))
def test_help_loads_nothing_heavy(path):
    heavy = {"torch", "ray", "kornia", "cv2", "numpy", "pyarrow", "av", "PIL", "webdataset", "open_clip"}
    assert loaded_after(f"import {dotted(path)}") & heavy == set()


@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_a_cpu_rendering_worker_never_loads_torch(tmp_path, format):
    code = f"""
from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
recipe = read_recipe(None, ["source.limit=2", "video.format={format}"])
assert build_shards(recipe, {str(tmp_path / "shards")!r}, HERE).clips == 2
"""
    assert loaded_after(code) & {"torch", "kornia", "webdataset", "ray"} == set()


def test_units_that_need_no_torch_load_none():
    modules = [dotted(path) for path in files("retrieval") if unit(path) in TORCH_FREE]
    loaded = loaded_after(f"import {', '.join(modules)}")
    assert loaded & {"torch", "open_clip", "transformers", "ray", "kornia", "faiss"} == set()


@pytest.mark.parametrize("name", ["shards", "msrvtt", "msvd", "vatex", "table"])
def test_data_that_is_not_there_is_refused_without_torch(tmp_path, name):
    code = f"""
from retrieval.datasets import open_dataset
from retrieval.errors import MissingData
from retrieval.recipe import DataSpec
try:
    open_dataset(DataSpec(name={name!r}, shards=("none.tar",), table="none.csv"))
except MissingData as error:
    assert "where to put it" in str(error)
else:
    raise AssertionError("was found")
"""
    assert loaded_after(code) & {"torch", "open_clip", "webdataset", "ray", "kornia"} == set()


def test_the_command_line_refuses_data_that_is_not_there_without_torch(tmp_path):
    code = f"""
import sys
from cli.retrieval.main import main
sys.argv = ["retrieval", "check", "recipes/demo.toml", "--set", "data.shards=['{tmp_path}/none.tar']"]
try:
    main()
except SystemExit as ended:
    assert ended.code == 2
"""
    assert loaded_after(code) & {"torch", "open_clip", "webdataset", "ray", "kornia"} == set()
