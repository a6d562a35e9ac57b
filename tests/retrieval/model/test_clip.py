"""The encoders' known traps: one pass, the shared space, text masks, context lengths, tokenizers."""

import copy

import open_clip
import pytest
import torch
from torch.nn import functional

from animate.strict_toml import RecipeError
from retrieval.model import build_retriever
from retrieval.model.clip import text_mask
from retrieval.recipe import InteractionSpec, ModelSpec
from tests.support.encoders import CAPTIONS, CONFIG, build, frames


@torch.no_grad()
def test_a_frames_token_is_its_vector_of_the_same_pass(model):
    clip, images = model.towers.clip, frames(1, 3)[0]
    passes = []
    handle = clip.visual.conv1.register_forward_hook(lambda *_: passes.append(1))
    features = model.towers.encode_frames(images)
    handle.remove()
    assert passes == [1]
    assert features.tokens.shape == (3, 1, model.towers.frame_width)
    assert torch.equal(features.tokens[:, 0], features.pooled)
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    pixels = (images / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    torch.testing.assert_close(features.pooled, clip.encode_image(pixels))


@torch.no_grad()
@pytest.mark.parametrize("custom", [False, True], ids=["flat", "text tower apart"])
def test_words_come_in_the_shared_space_of_the_same_pass(custom):
    model = build(ModelSpec(config={**copy.deepcopy(CONFIG), "custom_text": custom}, random_weights=True))
    clip, ids = model.towers.clip, model.tokenize(CAPTIONS)
    tower = clip.text if custom else clip
    passes = []
    handle = tower.token_embedding.register_forward_hook(lambda *_: passes.append(1))
    features = model.encode_text(ids)
    handle.remove()
    assert passes == [1]
    # The start of the text has seen nothing, and is left out.
    assert features.tokens.shape == (3, 15, model.towers.text_width)
    last = features.mask.sum(dim=1) - 1
    torch.testing.assert_close(features.tokens[torch.arange(3), last], features.pooled)
    torch.testing.assert_close(features.pooled, clip.encode_text(ids))


@torch.no_grad()
def test_patch_tokens_are_averages_over_the_grid_in_the_shared_space():
    model = build(interaction=InteractionSpec(width=32, heads=2, patch_grid=1))
    seen = []
    handle = model.towers.clip.visual.transformer.register_forward_hook(lambda _, __, out: seen.append(out))
    clip = model.towers.clip
    images = frames(1, 2)[0]
    features = model.towers.encode_frames(images)
    pixels = (images / 255 - model.towers.image_mean) / model.towers.image_std
    clip.visual(pixels)
    handle.remove()
    normed = clip.visual.ln_post(seen[-1])
    torch.testing.assert_close(features.tokens[:, 1], normed[:, 1:].mean(dim=1) @ clip.visual.proj)
    assert features.tokens.shape[1] == model.towers.tokens_per_frame == 2


@pytest.mark.parametrize(
    "vision",
    [
        {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
        {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32, "pool_type": "avg"},
        {
            "image_size": 32,
            "layers": 1,
            "width": 64,
            "patch_size": 16,
            "head_width": 32,
            "attentional_pool": True,
            "attn_pooler_heads": 2,
        },
        {"image_size": 32, "timm_model_name": "convnext_atto", "timm_pool": "avg"},
    ],
    ids=["resnet", "average", "attention", "timm"],
)
@torch.no_grad()
def test_other_towers_give_tokens_too(vision):
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": CONFIG["text_cfg"]}
    model = build(
        ModelSpec(config=config, random_weights=True), InteractionSpec(width=32, heads=2, patch_grid=1)
    )
    features = model.encode_video(frames(2, 3), torch.ones(2, 3, dtype=torch.bool))
    assert features.tokens.shape == (2, 6, model.towers.frame_width)
    assert model.towers.frame_width == model.towers.text_width == 24
    assert features.tokens.isfinite().all()
    # Training must not make a row depend on its batch (batch norm would).
    model.train()
    alone = model.encode_video(frames(2, 3)[:1], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(alone.pooled, features.pooled[:1], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_where_pooling_is_the_mean_of_projections_its_patches_average_to_the_vector():
    """What is projected alone is projected as the tower's pooling does it: here a closed form tells."""
    vision = {"image_size": 32, "timm_model_name": "convnext_atto", "timm_pool": "avg", "timm_proj": "linear"}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": CONFIG["text_cfg"]}
    spec = ModelSpec(config=config, random_weights=True)
    model = build(spec, InteractionSpec(width=32, heads=2, patch_grid=1))
    tokens = model.towers.encode_frames(frames(1, 2)[0]).tokens
    cosine = functional.cosine_similarity(tokens[:, 0], tokens[:, 1], dim=-1)
    assert (cosine > 0.5).all()


def test_the_mask_ends_with_the_end_of_text_though_id_0_is_a_word(model):
    ids = model.tokenize(["!; a", "", "a " * 40])
    end = open_clip.SimpleTokenizer().eot_token_id
    assert (ids[0] == 0).sum() == 1 + (16 - 5)  # one real token of id 0 beside the padding
    mask = text_mask(ids, end)
    assert mask.sum(dim=1).tolist() == [5, 2, 16]
    assert ids[2, -1] == end  # cut, but ended
    assert model.encode_text(ids).mask.equal(mask[:, 1:])


@torch.no_grad()
@pytest.mark.parametrize("custom", [False, True], ids=["flat", "text tower apart"])
def test_texts_run_at_the_token_limit_as_in_the_whole_context(custom):
    config = {**CONFIG, "custom_text": custom}
    whole = build(ModelSpec(config=copy.deepcopy(config), random_weights=True))
    cut = build(ModelSpec(config=copy.deepcopy(config), random_weights=True, token_limit=5))
    tower = cut.towers.clip.text if custom else cut.towers.clip
    lengths = []
    tower.transformer.register_forward_hook(lambda _, inputs, __: lengths.append(inputs[0].shape[1]))
    found = cut.encode_text(cut.tokenize(CAPTIONS))
    padded = functional.pad(cut.tokenize(CAPTIONS), (0, 11))
    expected = whole.encode_text(padded)
    assert lengths == [5]
    torch.testing.assert_close(found.pooled, expected.pooled)
    torch.testing.assert_close(found.tokens, expected.tokens[:, :4])
    assert torch.equal(found.mask, expected.mask[:, :4])


@torch.no_grad()
def test_a_text_tower_that_reads_its_padding_keeps_the_whole_context():
    """SigLIP's way: every position sees every other, so padding that is left out would change the text."""
    text = {**CONFIG["text_cfg"], "no_causal_mask": True, "pool_type": "last"}
    model = build(
        ModelSpec(
            config={**CONFIG, "custom_text": True, "text_cfg": text}, random_weights=True, token_limit=5
        )
    )
    assert model.tokenize(["a b"]).shape == (1, 16)


def test_the_token_limit_cuts():
    model = build(ModelSpec(config=copy.deepcopy(CONFIG), random_weights=True, token_limit=5))
    ids = model.tokenize(["a b c d e f g h"])
    assert ids.shape == (1, 5)
    assert text_mask(ids, open_clip.SimpleTokenizer().eot_token_id).sum() == 5
    with pytest.raises(ValueError, match="token_limit = 17: must be at most the context length 16"):
        build(ModelSpec(config=copy.deepcopy(CONFIG), random_weights=True, token_limit=17))


@pytest.mark.parametrize("length", [1, 15, 77])
def test_another_context_length_is_refused(model, length):
    with pytest.raises(ValueError, match=f"texts of {length} ids: this encoder takes 16"):
        model.encode_text(torch.zeros(2, length, dtype=torch.long))


def test_another_image_size_is_refused(model):
    with pytest.raises(ValueError, match=r"frames of \(64, 64\) pixels.*\(32, 32\); set frames.size"):
        model.towers.encode_frames(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_too_small_a_vocabulary_is_refused():
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": 1000}}
    with pytest.raises(ValueError, match="vocab_size = 1000 is below the 49408 ids"):
        build(ModelSpec(config=config, random_weights=True))


def test_a_tokenizer_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = {**CONFIG["text_cfg"], "hf_tokenizer_name": "./no/tokenizer"}
    with pytest.raises(RecipeError, match=r"its tokenizer '\./no/tokenizer' cannot be loaded"):
        build_retriever(
            ModelSpec(config={**CONFIG, "text_cfg": text}, random_weights=True), InteractionSpec(head="none")
        )
