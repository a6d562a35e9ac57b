"""The examples: shell that shellcheck passes, YAML of the kind it says, commands that parse; scripts, a
recipe and a notebook that run on a small set."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
import typer
import yaml

from animate.build import build_shards
from animate.executor import HERE
from animate.export import export_shards
from animate.recipe import read_recipe
from cli.animate.main import app
from retrieval.checkpoint import load_checkpoint
from tests.support.weights import CAPTIONS, plain_clip

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script):
    run = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), str(script)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


def commands() -> list[str]:
    texts = [path.read_text() for path in sorted(EXAMPLES.iterdir()) if path.suffix in (".sh", ".yaml")]
    return [
        line for text in texts for line in re.findall(r"(?:^|entrypoint: )(animate .*)$", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("line", commands())
def test_commands_have_the_options_that_they_use(line):
    _, name, *arguments = shlex.split(re.sub(r"\$\w+", "given", line))
    group = typer.main.get_command(app)
    command = group.get_command(None, name)  # type: ignore[attr-defined, arg-type]
    context = command.make_context(name, arguments)
    assert context.params["address"]


def test_the_job_for_kuberay_is_one():
    [job] = yaml.safe_load_all((EXAMPLES / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = {group["template"]["spec"]["containers"][0]["image"] for group in groups}
    assert len(images) == 1, "Ray wants the same everywhere"
    for group in groups:
        for kind in ("limits", "requests"):
            assert group["template"]["spec"]["containers"][0]["resources"][kind].keys() == {"cpu", "memory"}


def test_there_are_examples_of_both():
    assert [path.name for path in SCRIPTS] == ["slurm.sh"]
    assert len(commands()) == 2


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """A folder with mp4/ and frames/, two takes of four photographs each, and exported/ for Hugging Face."""
    folder = tmp_path_factory.mktemp("examples")
    for format in ("mp4", "frames"):
        settings = ["source.limit=4", "video.size=64", "takes=2", f"video.format={format}"]
        assert build_shards(read_recipe(None, settings), str(folder / format), HERE).clips == 8
    export_shards(str(folder / "mp4"), folder / "exported", to="hf")
    return folder


def lines_of(folder: Path, *words: str) -> list[str]:
    """What a program printed, run in `folder` as a user does, with no bytecode left beside the examples."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    run = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.splitlines()


@pytest.mark.parametrize("format", ["mp4", "frames"])
def test_pytorch(sets, format):
    lines = lines_of(sets, str(EXAMPLES / "load_pytorch.py"), format)
    # Two workers of the loader share the one tar: four clips each.
    assert [line.partition(")")[0] for line in lines] == ["(4, 12, 3, 64, 64"] * 2


def test_webdataset(sets):
    lines = lines_of(sets, str(EXAMPLES / "load_webdataset.py"), "mp4")
    assert len(lines) == 8
    assert all(line.startswith("(12, 64, 64, 3) (12, 3, 3) ") for line in lines)


def test_hugging_face(sets):
    pytest.importorskip("datasets", reason="pip install datasets")
    lines = lines_of(sets, str(EXAMPLES / "load_hugging_face.py"), "mp4", "exported")
    assert len(lines) == 16
    assert lines[:8] == lines[8:], "the same bytes, labels and captions both ways"


def test_lightning(sets):
    pytest.importorskip("lightning", reason="pip install lightning")
    [line] = [x for x in lines_of(sets, str(EXAMPLES / "load_lightning.py"), "frames") if "steps" in x]
    assert line.startswith("2 steps, loss ")


RETRIEVAL = "import sys; from cli.retrieval.main import main; main()"


def test_fine_tuning_from_ones_own_clip(sets, tmp_path):
    recipe = EXAMPLES / "finetune_own_clip.toml"
    wanted = tomllib.loads(recipe.read_text())
    own = plain_clip()
    torch.save(own.state_dict(), tmp_path / wanted["model"]["name"])
    for part, place in (("mp4", *wanted["data"]["shards"]), ("frames", *wanted["data"]["validation"])):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).symlink_to(sets / part)
    smaller = ["train.epochs=1", "train.batch_size=4", "train.log_to=none", "frames.size=32"]
    settings = [word for one in (*smaller, "model.activation=quick_gelu") for word in ("--set", one)]
    [selected] = lines_of(tmp_path, "-c", RETRIEVAL, "train", str(recipe), *settings)
    model = load_checkpoint(selected).model
    ids = model.tokenize(CAPTIONS)
    with torch.no_grad():
        # One epoch at a millionth a step: it began with this CLIP, and is still near it.
        torch.testing.assert_close(model.encode_text(ids).pooled, own.encode_text(ids), atol=1e-3, rtol=1e-3)
    judged = lines_of(tmp_path, "-c", RETRIEVAL, "eval", f"runs/{wanted['name']}", "--part", "validation")
    assert any("R@1" in line for line in judged)


@pytest.mark.filterwarnings("ignore")
def test_the_tour_runs_from_top_to_bottom(monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without outputs"
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    ).splitlines()
    assert printed[:3] == ["train 32 of 32", "validation 8 of 8", "held-out 8 of 8"]
    assert len([line for line in printed if " at " in line]) == 3, "three films are found"
