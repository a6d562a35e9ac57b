"""How a program ends when a library that it loaded would crash the end of the interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: A program whose one command leaves what crashes at exit, as Ray's threads do now and then.
PROGRAM = """
import atexit, ctypes, logging, sys, types
import typer
from cli.program import new_app, run

app = new_app("animate", "")

@app.command()
def work(code: int):
    sys.modules["ray"] = types.ModuleType("ray")
    atexit.register(ctypes.string_at, 0)
    logging.basicConfig(filename=LOG, force=True)
    print("said", end="")
    print("why", end="", file=sys.stderr)
    logging.warning("logged")
    raise typer.Exit(code)

run(app)
"""


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_crash_at_exit_changes_neither_code_nor_what_was_said(tmp_path, code):
    log = tmp_path / "log"
    run = subprocess.run(
        [sys.executable, "-c", f"LOG = {str(log)!r}\n{PROGRAM}", "work", str(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (code, "said", "why")
    assert "logged" in log.read_text()
