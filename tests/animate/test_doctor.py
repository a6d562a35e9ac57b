"""The doctor finds what is there and says what follows from what is not."""

import importlib.util
import json
import sys

import pytest

from animate import doctor
from animate.codec import reader
from animate.doctor import LIBRARIES, examine, pillow_flavour
from cli.animate import main as cli


@pytest.mark.parametrize("load", [False, True])
def test_a_whole_installation_misses_nothing(load):
    findings = {finding.name: finding for finding in examine(load=load)}
    assert {name for name, finding in findings.items() if finding.state == "missing"} == set()
    assert set(LIBRARIES) | {"PIL", "torch", "machine", "memory", "workers"} <= set(findings)
    assert "libx264" in findings["av"].found
    assert all(finding.means for finding in findings.values() if finding.state != "ok")


@pytest.mark.parametrize("kind", doctor.EXTRA_READERS)
def test_formats_of_plugins_are_read_or_name_the_package(monkeypatch, kind):
    package, module = doctor.EXTRA_READERS[kind]
    known = reader.PLUGINS[kind]
    assert (package, module) == (known.package, known.module)
    for there in (True, False):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, there=there: there or None)
        [pillow] = [finding for finding in examine() if finding.name == "PIL"]
        assert (f"{kind} with {package}" in pillow.found) == (not there)
        assert kind in pillow.found


@pytest.mark.parametrize("library", ["av", "simplejpeg", "cv2"])
def test_a_missing_library_is_named_with_what_is_lost(monkeypatch, capsys, library):
    monkeypatch.setitem(sys.modules, library, None)  # so that importing it fails
    monkeypatch.setattr(sys, "argv", ["animate", "doctor"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    [index] = [i for i, line in enumerate(lines) if line.startswith("missing ")]
    assert lines[index].split()[1] == library
    assert lines[index + 1].strip() == f"-> {LIBRARIES[library][0]}"


def test_what_is_slow_is_looked_for_and_not_imported(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "open_clip_torch" else "1.0")
    findings = {finding.name: finding for finding in examine()}
    assert (findings["open_clip"].state, findings["ray"].found) == ("missing", "1.0: installed")
    assert findings["open_clip"].means == LIBRARIES["open_clip"][0]


def test_torch_says_what_it_was_built_for_without_being_loaded():
    torch = pytest.importorskip("torch")
    assert doctor.torch_cuda() == torch.version.cuda
    if torch.cuda.is_available():
        assert torch.cuda.get_device_name(0) in doctor.gpu_names()


def test_findings_are_json_for_programs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["animate", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert [finding["name"] for finding in found] == [finding.name for finding in examine()]
    assert all(list(finding) == ["name", "state", "found", "means"] for finding in found)
    assert {finding["state"] for finding in found} <= {"ok", "note", "missing"}
    names = "machine PIL cv2 simplejpeg av pyarrow ray kornia webdataset open_clip img2dataset protego torch"
    assert [finding["name"] for finding in found] == [
        *names.split(),
        "torchcodec",
        "FFmpeg",
        "memory",
        "workers",
    ]


@pytest.mark.parametrize(
    ("running", "pillow", "simd", "active"),
    [
        ("13.0.0", "13.0.0", None, "pillow"),
        ("12.1.1", None, "12.1.1", "pillow-simd"),
        ("12.1.1", "13.0.0", "12.1.1", "pillow-simd"),
        ("13.0.0", "13.0.0", "12.1.1", "pillow"),
    ],
)
def test_the_pillow_that_runs_is_told_from_the_one_that_is_only_installed(running, pillow, simd, active):
    assert pillow_flavour(running, {"pillow": pillow, "pillow-simd": simd}) == active


@pytest.mark.parametrize(("memory", "cpus", "state"), [(16e9, 4, "ok"), (2e9, 4, "note"), (None, 4, "ok")])
def test_the_memory_of_workers_is_held_against_that_of_the_machine(monkeypatch, memory, cpus, state):
    monkeypatch.setattr(doctor, "memory_bytes", lambda: memory and int(memory))
    monkeypatch.setattr(doctor, "available_cpus", lambda: cpus)
    [workers] = [finding for finding in examine() if finding.name == "workers"]
    assert workers.state == state
    assert "a worker may need 0.8 GB" in workers.found
    assert ("the machine has 2.0 GB" in workers.found) == (memory == 2e9)
    assert ("--workers 2" in workers.means) == (state == "note")


def test_the_memory_of_this_machine_is_known():
    memory = doctor.memory_bytes()
    assert memory is None or memory > 1e8
