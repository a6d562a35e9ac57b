"""CLIPs as transformers stores them, held against transformers itself."""

import json

import pytest
import torch
import transformers

from retrieval.recipe import ModelSpec
from tests.support.weights import CAPTIONS, build

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


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
