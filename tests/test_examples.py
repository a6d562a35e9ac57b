"""The examples for clusters: shell that shellcheck passes, YAML of the kind it says, commands that parse."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from cli.animate.main import app

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script):
    run = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), str(script)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


def commands() -> list[str]:
    texts = [path.read_text() for path in sorted(EXAMPLES.iterdir())]
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
