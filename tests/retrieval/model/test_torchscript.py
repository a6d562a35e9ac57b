"""A TorchScript archive gives its tensors, and its code is never run."""

import pickle
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch

from retrieval.model.torchscript import NotTorchScript, read_tensors
from retrieval.recipe import ModelSpec
from tests.support.weights import assert_is, build, plain_clip

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


def traced(clip: open_clip.CLIP, path: Path, size: int = 32, context: int = 16) -> Path:
    torch.jit.trace_module(
        clip,
        {"encode_image": torch.zeros(1, 3, size, size), "encode_text": torch.zeros(1, context).long()},
        check_trace=False,
    ).save(str(path))
    return path


def test_a_torchscript_archive_gives_its_tensors_and_runs_nothing(tmp_path, monkeypatch):
    clip = plain_clip()
    path = traced(clip, tmp_path / "x.pt")
    expected = torch.jit.load(path).state_dict()
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("its code would run"))
    found = read_tensors(path)
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert_is(
        build(ModelSpec(name=str(path))), clip
    )  # its shapes tell the architecture, its code the activation


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.int32])
def test_a_torchscript_archive_of_any_number_and_layout(tmp_path, dtype):
    class Holder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            whole = torch.arange(24).reshape(4, 6).to(dtype)
            self.register_buffer("whole", whole)
            self.register_buffer("part", whole[1:3, ::2])  # a view into the same storage
            self.register_buffer("turned", whole.T)
            self.register_buffer("none", torch.zeros(0, 3, dtype=dtype))

        def forward(self) -> torch.Tensor:
            return self.whole

    torch.jit.script(Holder()).save(str(tmp_path / "x.pt"))
    found = read_tensors(tmp_path / "x.pt")
    for name, value in Holder().state_dict().items():
        assert torch.equal(found[name], value)


class Trap:
    def __reduce__(self) -> tuple:
        return (eval, ("1/0",))


def test_a_torchscript_archive_with_a_trap_is_refused(tmp_path):
    path = traced(plain_clip(), tmp_path / "x.pt")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "trap.pt", "w") as copied:
        for name in archive.namelist():
            content = pickle.dumps(Trap()) if name.endswith("data.pkl") else archive.read(name)
            copied.writestr(name, content)
    with pytest.raises(NotTorchScript, match=r"names builtins\.eval"):
        read_tensors(tmp_path / "trap.pt")
