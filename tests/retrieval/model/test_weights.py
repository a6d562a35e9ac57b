"""Weight files as programs store them, and what is none said for what it is."""

import argparse
import copy
import logging
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from retrieval.model.weights import read_weights
from retrieval.recipe import ModelSpec
from tests.support.weights import CONFIG, assert_is, build, plain_clip

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {"model": {f"_orig_mod.module.{k}": v for k, v in state.items()}},
        lambda state: {"model_state_dict": {f"module._orig_mod.{k}": v for k, v in state.items()}},
        lambda state: {**{f"clip.{k}": v for k, v in state.items()}, "transformerClip.x": torch.ones(2)},
        lambda state: {**state, "input_resolution": torch.tensor(32), "vocab_size": torch.tensor(49408)},
    ],
    ids=["distributed", "compiled", "both", "inside another model", "OpenAI's settings"],
)
def test_prefixes_nesting_and_settings_are_taken_off(tmp_path, wrap):
    clip = plain_clip()
    torch.save(wrap(clip.state_dict()), tmp_path / "x.pt")
    assert_is(build(ModelSpec(config=copy.deepcopy(CONFIG), weights=str(tmp_path / "x.pt"))), clip)


def test_openais_own_settings_tell_the_activation(tmp_path):
    torch.save({**plain_clip().state_dict(), "input_resolution": torch.tensor(32)}, tmp_path / "x.pt")
    assert read_weights(tmp_path / "x.pt").activation == "quick_gelu"


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def bad_file(kind: str, folder: Path) -> Path:
    path = folder / f"x.{'safetensors' if 'safetensors' in kind else 'pt'}"
    match kind.split()[0]:
        case "lfs":
            path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 605\n")
        case "html":
            path.write_text("\n<!DOCTYPE html><html><body>Quota exceeded</body></html>")
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("Not Found")
        case "namespace":
            torch.save({"state_dict": {"a": torch.ones(1)}, "args": argparse.Namespace(lr=1)}, path)
        case "numbers":
            torch.save({"epoch": 3, "best": 0.5}, path)
        case "list":
            torch.save([torch.ones(1)], path)
        case "legacy":
            torch.save({"args": argparse.Namespace(lr=1)}, path, _use_new_zipfile_serialization=False)
        case "pickle":
            path.write_bytes(pickle.dumps({"args": argparse.Namespace(lr=1)}))
        case "cut" if "safetensors" in kind:
            save_file({"a": torch.ones(1000)}, path)
            cut(path)
        case "cut":
            torch.save({"a": torch.ones(1000)}, path)
            cut(path)
        case "nan":
            save_file({"a": torch.tensor([1.0, torch.nan])}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("lfs", "is a Git LFS pointer"),
        ("lfs safetensors", "is a Git LFS pointer"),
        ("html", "is a web page"),
        ("empty", "is empty, 0 bytes"),
        ("empty safetensors", "is empty, 0 bytes"),
        ("text", "is no weights file: it starts with b'Not Found'"),
        ("namespace", "a pickle that holds argparse.Namespace objects"),
        ("legacy", "a pickle that holds argparse.Namespace objects"),
        ("pickle", "a pickle that holds more than tensors"),
        ("numbers", "holds no tensors by name, but epoch, best"),
        ("list", "holds a list and no tensors by name"),
        ("cut", "is cut off"),
        ("cut safetensors", "is cut off or damaged"),
        ("nan safetensors", "a has values that are NaN or infinite"),
    ],
)
def test_what_is_no_weights_file_is_named_for_what_it_is(tmp_path, kind, said):
    path = bad_file(kind, tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        build(ModelSpec(config=copy.deepcopy(CONFIG), weights=str(path)))
    assert str(path) in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_text_context_of_another_length_is_refused(tmp_path):
    save_file(plain_clip().state_dict(), tmp_path / "x.safetensors")
    shorter = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "context_length": 8}}
    with pytest.raises(
        ValueError, match="trained on texts of 16 positions, the model config has context_length = 8"
    ):
        build(ModelSpec(config=shorter, weights=str(tmp_path / "x.safetensors")))


def test_an_image_grid_of_another_size_is_interpolated_and_said(tmp_path, caplog):
    save_file(plain_clip().state_dict(), tmp_path / "x.safetensors")
    larger = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "image_size": 64}}
    with caplog.at_level(logging.WARNING):
        model = build(ModelSpec(config=larger, weights=str(tmp_path / "x.safetensors")))
    assert "4 image positions are interpolated to the 16 of this image size" in caplog.text
    assert model.towers.clip.visual.positional_embedding.shape[0] == 17
