"""Every way of naming a model, and where its weights and their activation come from."""

import copy
import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from retrieval.model.architecture import resolve
from retrieval.recipe import ModelSpec
from tests.support.encoders import CAPTIONS, CONFIG, build, plain_clip

QUICK = {**CONFIG, "quick_gelu": True}


@pytest.mark.parametrize("name", ["ViT-B-33", "vit-b-32", "local", ""])
def test_unknown_names_are_refused(name):
    expected = "give either name or" if not name else f"name = '{name}': must be a model of open_clip"
    with pytest.raises(ValueError, match=expected):
        resolve(ModelSpec(name=name, random_weights=True))


def test_random_weights_must_be_said():
    with pytest.raises(ValueError, match="say random_weights = true"):
        resolve(ModelSpec(config=copy.deepcopy(CONFIG)))
    with pytest.raises(ValueError, match="say random_weights = true"):
        resolve(ModelSpec(name="ViT-B-32"))


def test_a_registered_name_gives_its_architecture():
    architecture, weights = resolve(ModelSpec(name="ViT-B-32-quickgelu", random_weights=True))
    assert weights is None
    assert architecture.activation == "quick_gelu"
    assert (architecture.context_length, architecture.image_size) == (77, (224, 224))


def test_weights_that_are_neither_tag_nor_file_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"weights = 'laion9b': is not a file nor a tag of this model \(openai"
    ):
        resolve(ModelSpec(name="ViT-B-32", weights="laion9b"))


def stored(kind: str, config: dict, folder: Path) -> tuple[open_clip.CLIP, ModelSpec]:
    """A CLIP of known weights, stored in one of the ways that weights come, and the table that names it."""
    clip = plain_clip(config)
    if kind == "pt":
        torch.save({"state_dict": {f"module.{k}": v for k, v in clip.state_dict().items()}}, folder / "x.pt")
        return clip, ModelSpec(config=copy.deepcopy(CONFIG), weights=str(folder / "x.pt"), activation="auto")
    if kind == "safetensors":
        save_file(clip.state_dict(), folder / "x.safetensors")
        return clip, ModelSpec(config=copy.deepcopy(CONFIG), weights=str(folder / "x.safetensors"))
    if kind == "torchscript":
        traced = torch.jit.trace_module(
            clip,
            {"encode_image": torch.zeros(1, 3, 32, 32), "encode_text": torch.zeros(1, 16, dtype=torch.long)},
            check_trace=False,
        )
        traced.save(str(folder / "x.pt"))
        return clip, ModelSpec(config=copy.deepcopy(CONFIG), weights=str(folder / "x.pt"))
    if kind == "local-dir":
        save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(
            json.dumps({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}})
        )
        return clip, ModelSpec(name=f"local-dir:{folder}")
    (folder / "model.json").write_text(json.dumps(config))
    save_file(clip.state_dict(), folder / "x.safetensors", metadata={"activation": "quick_gelu"})
    return clip, ModelSpec(name=str(folder / "model.json"), weights=str(folder / "x.safetensors"))


KINDS = ["pt", "safetensors", "torchscript", "local-dir", "json"]


# torch announces TorchScript's end; the original release of CLIP stays what it is.
@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_weights_load_from_every_kind_of_file_with_their_activation(tmp_path, kind):
    clip, spec = stored(kind, QUICK, tmp_path)
    if kind in ("pt", "safetensors"):  # nothing in these says, and open_clip would take gelu in silence
        with pytest.raises(ValueError, match=r"activation = .auto.: .* does not record its activation"):
            build(spec)
        spec = ModelSpec(config=copy.deepcopy(CONFIG), weights=spec.weights, activation="quick_gelu")
    model = build(spec)
    assert model.towers.architecture.activation == "quick_gelu"
    ids = model.tokenize(CAPTIONS)
    torch.testing.assert_close(model.encode_text(ids).pooled, clip.encode_text(ids))
    assert model.temperature().item() == pytest.approx(0.07)
    if kind == "local-dir":
        assert model.towers.image_mean.flatten().tolist() == [0.5] * 3


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)
@pytest.mark.parametrize("kind", ["torchscript", "local-dir", "json"])
def test_an_activation_other_than_the_recorded_one_is_refused(tmp_path, kind):
    _, spec = stored(kind, QUICK, tmp_path)
    wrong = ModelSpec(name=spec.name, config=spec.config, weights=spec.weights, activation="gelu")
    with pytest.raises(ValueError, match=r"activation = 'gelu': .* made with 'quick_gelu'"):
        build(wrong)


def test_a_config_that_contradicts_its_weights_is_refused(tmp_path):
    clip = plain_clip(CONFIG)
    save_file(clip.state_dict(), tmp_path / "x.safetensors", metadata={"activation": "gelu"})
    spec = ModelSpec(config=copy.deepcopy(QUICK), weights=str(tmp_path / "x.safetensors"))
    with pytest.raises(ValueError, match="trained with 'gelu', but the model config says 'quick_gelu'"):
        build(spec)


def test_weights_of_another_shape_are_refused(tmp_path):
    save_file(plain_clip(CONFIG).state_dict(), tmp_path / "x.safetensors", metadata={"activation": "gelu"})
    config = {**CONFIG, "embed_dim": 32}
    with pytest.raises(ValueError, match="do not fit the model"):
        build(ModelSpec(config=config, weights=str(tmp_path / "x.safetensors")))
