"""Lines of Ray's native log do not reach the terminal; everything else does, however it is written."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINE = "[2026-11-27 18:59:29,485 {} 26990 27307] rpc_client.h:204: "


def said(body: str) -> tuple[int, list[str]]:
    """Exit code and stderr of a program that runs `body` with raw lines kept off."""
    code = f"import os, sys\nfrom cli.raw_lines import raw_lines_kept_off\n{body}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("level", "DIWE")
def test_raw_lines_are_kept_off_and_others_are_not(level):
    line = LINE.format(level)
    body = f"""
before = sys.stderr
with raw_lines_kept_off("animate"):
    os.write(2, {line + "raw"!r}.encode() + b"\\na line of somebody else's\\n")
    print("a line of ours", file=sys.stderr)
    print({line!r} + "ours, too", file=sys.stderr)
assert sys.stderr is before
os.write(2, b"after\\n")
"""
    code, lines = said(body)
    assert code == 0, lines
    # What goes past the filter may overtake what goes through it.
    assert sorted(lines[:-1]) == sorted(["a line of somebody else's", "a line of ours", line + "ours, too"])
    assert lines[-1] == "after"


def test_why_a_program_crashes_is_let_through():
    _, lines = said(
        f'with raw_lines_kept_off("x"): os.write(2, {(LINE.format("C") + "no memory")!r}.encode())'
    )
    assert lines == [LINE.format("C") + "no memory"]


def test_a_program_that_ray_ends_says_why():
    """As Ray does it: no handler of Python's runs."""
    line = LINE.format("E") + "Failed to connect to GCS within 60 seconds. GCS may have been killed."
    code, lines = said(
        f'with raw_lines_kept_off("animate"): os.write(2, {line + chr(10)!r}.encode()); os._exit(1)'
    )
    assert code == 1
    assert lines == [
        "animate: Ray's head process is gone, and Ray ends this one; the same command goes on with the rest"
    ]


def test_an_error_inside_goes_on_outside_and_stderr_is_as_before():
    body = """
with raw_lines_kept_off("x"):
    raise KeyError("inside")
"""
    code, lines = said(body)
    assert code == 1 and lines[-1] == "KeyError: 'inside'"


def test_a_stderr_that_is_no_descriptor_is_left_alone():
    body = """
import io
sys.stderr = kept = io.StringIO()
with raw_lines_kept_off("x"):
    assert sys.stderr is kept
"""
    assert said(body) == (0, [])
