"""Weights from anywhere: every way to store and to name a CLIP, and what is none said for what it is."""

import argparse
import copy
import json
import logging
import pickle
import urllib.error
import zipfile
from pathlib import Path

import open_clip
import pytest
import torch
import transformers
from huggingface_hub import constants
from safetensors.torch import save_file

from retrieval.model import Retriever, build_retriever
from retrieval.model import fetch as fetching
from retrieval.model.torchscript import NotTorchScript, read_tensors
from retrieval.model.weights import read_weights
from retrieval.recipe import InteractionSpec, ModelSpec

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2},
    "quick_gelu": True,
}
CAPTIONS = ["a dog runs", "two people are talking about a red car near the sea side today"]

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


def plain_clip(config: dict | None = None) -> open_clip.CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return open_clip.CLIP(**copy.deepcopy(config or CONFIG)).eval()


def build(spec: ModelSpec) -> Retriever:
    return build_retriever(spec, InteractionSpec(head="none")).eval()


@torch.no_grad()
def assert_is(model: Retriever, clip: open_clip.CLIP) -> None:
    """The model gives this CLIP's texts and images."""
    assert model.towers.architecture.activation == "quick_gelu"
    ids = model.tokenize(CAPTIONS)
    torch.testing.assert_close(model.encode_text(ids).pooled, clip.encode_text(ids))
    size = model.towers.architecture.image_size
    frames = torch.randint(0, 256, (1, 1, 3, *size), dtype=torch.uint8)
    pixels = (frames[0] / 255 - model.towers.image_mean) / model.towers.image_std
    found = model.towers.encode_frames(frames[0]).pooled
    torch.testing.assert_close(found, clip.encode_image(pixels))


def traced(clip: open_clip.CLIP, path: Path, size: int = 32, context: int = 16) -> Path:
    torch.jit.trace_module(
        clip,
        {"encode_image": torch.zeros(1, 3, size, size), "encode_text": torch.zeros(1, context).long()},
        check_trace=False,
    ).save(str(path))
    return path


# --- what training programs store


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


# --- what is no weights file


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


# --- weights of another shape


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


# --- an architecture read off the shapes


@pytest.mark.parametrize(
    "vision",
    [CONFIG["vision_cfg"], {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None}],
    ids=["transformer", "resnet"],
)
def test_a_weights_file_alone_tells_its_architecture(tmp_path, vision):
    clip = plain_clip({**CONFIG, "vision_cfg": vision})
    torch.save({**clip.state_dict(), "input_resolution": torch.tensor(1)}, tmp_path / "x.pt")
    assert_is(build(ModelSpec(name=str(tmp_path / "x.pt"))), clip)


def test_a_registered_architecture_is_recognised_with_what_no_shape_tells(tmp_path, monkeypatch):
    """ViT-H and its like have heads of another width, which only the register knows."""
    known = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "head_width": 32}}
    monkeypatch.setattr(open_clip, "list_models", lambda: ["wide"])
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: copy.deepcopy(known))
    clip = plain_clip(known)
    torch.save({**clip.state_dict(), "input_resolution": torch.tensor(1)}, tmp_path / "x.pt")
    assert_is(build(ModelSpec(name=str(tmp_path / "x.pt"))), clip)


def test_tensors_of_another_layout_do_not_tell_an_architecture(tmp_path):
    torch.save({"layers.0.weight": torch.ones(2, 2)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="its tensors do not tell the architecture; name it too"):
        build(ModelSpec(name=str(tmp_path / "x.pt")))


# --- Hugging Face's CLIP


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A CLIP made and stored by transformers itself."""
    config = transformers.CLIPConfig(
        projection_dim=24,
        text_config={
            "vocab_size": 49408,
            "hidden_size": 64,
            "intermediate_size": 192,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 16,
            "eos_token_id": 49407,
        },
        vision_config={
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "image_size": 48,
            "patch_size": 16,
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.CLIPModel(config).eval()
    folder = tmp_path_factory.mktemp("theirs")
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.5] * 3, "image_std": [0.25] * 3})
    )
    return model, folder


@torch.no_grad()
def test_a_folder_of_transformers_gives_their_features(theirs):
    reference, folder = theirs
    model = build(ModelSpec(name=str(folder)))
    assert model.towers.image_mean.flatten().tolist() == [0.5] * 3
    frames = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    ids = model.tokenize(CAPTIONS)
    out = reference(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=(frames / 255 - 0.5) / 0.25,
    )
    unit = torch.nn.functional.normalize
    torch.testing.assert_close(
        unit(model.towers.encode_frames(frames).pooled, dim=-1), out.image_embeds, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        unit(model.encode_text(ids).pooled, dim=-1), out.text_embeds, rtol=1e-4, atol=1e-5
    )
    assert model.temperature().item() == pytest.approx(1 / reference.logit_scale.exp().item())


def test_another_model_of_transformers_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="is the config of 'bert', not of a CLIP"):
        build(ModelSpec(name=str(tmp_path)))


# --- names that need a network


@pytest.fixture
def no_network(monkeypatch, tmp_path) -> list[str]:
    """Empty caches, and the addresses that were asked for in vain."""
    asked: list[str] = []

    def refuse(request, **_):
        asked.append(request.full_url)
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(fetching, "CLIP_CACHE", tmp_path / "clip")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return asked


def test_without_a_network_a_tag_says_at_once_what_to_get_and_where_to_put_it(no_network):
    with pytest.raises(ValueError, match="the weights of ViT-B-32 are not on this machine") as caught:
        build(ModelSpec(name="ViT-B-32", weights="openai"))
    assert len(no_network) == 1
    message = str(caught.value)
    assert "the network is not there (no route)" in message
    assert "where to get it: https://" in message and "ViT-B-32.pt" in message
    assert 'where to put it: any folder; then write weights = "FOLDER/ViT-B-32.pt"' in message


def test_without_a_network_a_hub_name_says_so_at_once(no_network):
    with pytest.raises(ValueError, match="'hf-hub:org/model': is not in the cache") as caught:
        build(ModelSpec(name="hf-hub:org/model"))
    assert len(no_network) == 1
    assert 'then name = "local-dir:FOLDER"' in str(caught.value)


def test_offline_mode_is_not_even_asked(no_network, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE says not to ask"):
        build(ModelSpec(name="hf-hub:org/model"))
    assert no_network == []


def test_a_tag_whose_file_is_in_the_cache_needs_no_network(no_network, tmp_path):
    """Under the file name that open_clip and OpenAI's package keep it by."""
    config = open_clip.get_model_config("ViT-B-32")
    clip = open_clip.CLIP(**config, quick_gelu=True).eval()
    (tmp_path / "clip").mkdir()
    torch.save(clip.state_dict(), tmp_path / "clip" / "ViT-B-32.pt")
    assert_is(build(ModelSpec(name="ViT-B-32", weights="openai")), clip)
    assert no_network == []


def test_a_hub_name_in_the_cache_needs_no_network(no_network, tmp_path):
    clip = plain_clip()
    repository = tmp_path / "hub" / "models--org--model"
    snapshot = repository / "snapshots" / "a1b2"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a1b2")
    (snapshot / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    save_file(clip.state_dict(), snapshot / "open_clip_model.safetensors")
    (snapshot / "preprocessor_config.json").write_text("{}")
    assert_is(build(ModelSpec(name="hf-hub:org/model")), clip)
    assert no_network == []
