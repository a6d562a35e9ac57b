"""How both programs start: their version, help and completion, and what is not loaded for it."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import animate

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PROGRAMS = ("animate", "retrieval")
#: What takes seconds to import.
HEAVY = {"torch", "open_clip", "ray", "kornia", "faiss", "transformers", "webdataset", "img2dataset"}
#: What a program does without that only shows what it can do.
COSTLY = HEAVY | {"numpy", "cv2", "pyarrow", "av", "PIL"}


def start(
    program: str, *arguments: str, cwd: Path = ROOT, **environment: str
) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The program's end, and the top-level modules that it had loaded by then."""
    code = f"""
import json, sys
from cli.{program}.main import main
sys.argv = {[program, *arguments]!r}
try:
    main()
finally:
    print(json.dumps([name for name in sys.modules if "." not in name]), file=sys.stderr)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, env=environment
    )
    *said, modules = done.stderr.splitlines()
    done.stderr = "\n".join(said)
    return done, set(json.loads(modules))


def test_the_package_says_its_version():
    assert animate.__version__ == VERSION


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = animate.no_such_name
    assert set(animate.__all__) <= set(dir(animate))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_its_version(program):
    done, loaded = start(program, "--version")
    assert (done.returncode, done.stdout) == (0, f"{program} {VERSION}\n"), done.stderr
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_python_runs_a_program_as_a_module(program):
    done = subprocess.run(
        [sys.executable, "-m", program, "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, f"{program} {VERSION}\n"), done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("command", [[], ["COMMAND"]])
def test_h_is_help(program, command):
    names = {"animate": "build", "retrieval": "train"}
    command = [name.replace("COMMAND", names[program]) for name in command]
    (short, loaded), (full, _) = start(program, *command, "-h"), start(program, *command, "--help")
    assert short.returncode == 0 and short.stdout == full.stdout
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_shell_completes_commands_and_options(program):
    words = {
        "animate": ("est", "estimate", "--ta", "--takes"),
        "retrieval": ("tr", "train", "--re", "--resume"),
    }
    part, command, some, option = words[program]
    complete = {f"_{program.upper()}_COMPLETE": "complete_bash"}
    done, loaded = start(program, COMP_WORDS=f"{program} {part}", COMP_CWORD="1", **complete)
    assert done.stdout.split() == [command], done.stderr
    assert loaded & COSTLY == set()
    done, loaded = start(program, COMP_WORDS=f"{program} {command} {some}", COMP_CWORD="2", **complete)
    assert done.stdout.split() == [option], done.stderr
    assert loaded & COSTLY == set()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_help_names_completion(program):
    done, _ = start(program, "--help")
    assert "--install-completion" in done.stdout and "--show-completion" in done.stdout
