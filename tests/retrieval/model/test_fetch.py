"""Names that need a network: without one they say at once what to get."""

import json
import urllib.error

import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from retrieval.model import fetch as fetching
from retrieval.recipe import ModelSpec
from tests.support.weights import CONFIG, assert_is, build, plain_clip

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


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
