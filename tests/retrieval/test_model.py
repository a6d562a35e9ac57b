"""The encoders' known traps, temporal pooling, and the interaction module."""

import copy
import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from animate.strict_toml import RecipeError
from retrieval.model import Features, Interaction, Retriever, assemble, build_retriever
from retrieval.model.architecture import resolve
from retrieval.model.clip import text_mask
from retrieval.model.pooling import MeanPooling, TransformerPooling
from retrieval.recipe import InteractionSpec, ModelSpec
from tests.support.tiny import TinyTowers

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 16, "width": 48, "heads": 2, "layers": 2},
}
QUICK = {**CONFIG, "quick_gelu": True}
INTERACTION = InteractionSpec(width=32, heads=2, layers=2, max_frames=8)
CAPTIONS = [
    "a dog runs",
    "!; cat",
    "two people are talking about a red car near the sea side today again and again",
]


def build(spec: ModelSpec | None = None, interaction: InteractionSpec = INTERACTION) -> Retriever:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        spec = spec or ModelSpec(config=copy.deepcopy(CONFIG), random_weights=True)
        return build_retriever(spec, interaction).eval()


def plain_clip(config: dict, seed: int = 1) -> open_clip.CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return open_clip.CLIP(**copy.deepcopy(config)).eval()


def frames(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, length, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def model() -> Retriever:
    return build()


# --- one pass, tokens in the shared space


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


# --- text masks, context length, tokenizers


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


@pytest.mark.parametrize("name", ["ViT-B-33", "vit-b-32", "local", ""])
def test_unknown_names_are_refused(name):
    expected = "give either name or" if not name else f"name = '{name}': must be a model of open_clip"
    with pytest.raises(ValueError, match=expected):
        resolve(ModelSpec(name=name, random_weights=True))


def test_too_small_a_vocabulary_is_refused():
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": 1000}}
    with pytest.raises(ValueError, match="vocab_size = 1000 is below the 49408 ids"):
        build(ModelSpec(config=config, random_weights=True))


# --- where weights come from


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


# --- pooling


@pytest.mark.parametrize(
    "pooling", [MeanPooling(), TransformerPooling(width=8, layers=2, heads=2, max_frames=6)]
)
def test_frames_outside_the_mask_change_nothing(pooling):
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in pooling.parameters():
            parameter.normal_(std=0.3)
        values = torch.randn(2, 5, 8)
        mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
        expected = pooling(values[:1, :3], mask[:1, :3])
        values[0, 3:] = torch.nan if isinstance(pooling, MeanPooling) else 1e4
        torch.testing.assert_close(pooling(values, mask)[:1], expected)


@torch.no_grad()
def test_the_temporal_transformer_starts_as_the_mean_and_then_sees_the_order():
    values, mask = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)), torch.ones(2, 4).bool()
    pooling = TransformerPooling(width=8, layers=2, heads=2, max_frames=6)
    torch.testing.assert_close(pooling(values, mask), MeanPooling()(values, mask))
    torch.nn.init.normal_(pooling.out.weight)
    assert not torch.allclose(pooling(values, mask), pooling(values.flip(1), mask), atol=1e-4)
    with pytest.raises(ValueError, match="7 frames: this model knows the places of 6"):
        pooling(torch.randn(1, 7, 8), torch.ones(1, 7).bool())


def test_mean_pooling_is_the_mean_of_unit_vectors():
    values = torch.tensor([[[3.0, 0.0], [0.0, 0.5]]])
    assert MeanPooling()(values, torch.ones(1, 2).bool()).tolist() == [[0.5, 0.5]]


def test_a_video_without_a_frame_is_refused(model):
    with pytest.raises(ValueError, match="every video needs at least one frame"):
        model.encode_video(frames(2, 3), torch.tensor([[True] * 3, [False] * 3]))


# --- interaction


def random_features(rows: int, length: int, width: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (rows, 1), generator=generator)
    return Features(
        pooled=torch.randn(rows, 4, generator=generator),
        tokens=torch.randn(rows, length, width, generator=generator),
        mask=torch.arange(length) < lengths,
    )


def interaction(head: str, tokens_per_frame: int = 1, width: int = 10) -> Interaction:
    """As it starts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Interaction(
            InteractionSpec(head=head, width=16, heads=2, layers=2, max_frames=8),
            text_width=width,
            frame_width=10,
            tokens_per_frame=tokens_per_frame,
            temperature=0.1,
        )


def learned(head: str, tokens_per_frame: int = 1) -> Interaction:
    """As if it had learned something."""
    made = interaction(head, tokens_per_frame)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.2)
    return made


def joint(module: Interaction, text: Features, video: Features) -> torch.Tensor:
    return module(module.read(text), module.watch(video))


FINE_HEADS = ["mean", "eot", "tokens", "cross"]


@pytest.mark.parametrize("head", FINE_HEADS)
@torch.no_grad()
def test_padding_and_company_change_no_score(head):
    module = learned(head)
    text, video = random_features(5, 7, 10, 0), random_features(5, 6, 10, 1)
    scores = joint(module, text, video)
    for row in range(5):
        alone_text = text[row : row + 1].trim(int(text.mask[row].sum()))
        alone_video = video[row : row + 1].trim(int(video.mask[row].sum()))
        alone = joint(module, alone_text, alone_video)
        torch.testing.assert_close(alone, scores[row : row + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["mean", "eot", "tokens"])
@torch.no_grad()
def test_scores_of_every_pair_are_those_of_the_pairs(head):
    module = learned(head)
    read, watched = module.read(random_features(4, 7, 10, 0)), module.watch(random_features(5, 6, 10, 1))
    every = module.every_pair(read, watched)
    for i in range(4):
        for j in range(5):
            one = torch.tensor([i]), torch.tensor([j])
            alone = module.late.pairs(read.take(one[0]), watched.take(one[1]))
            torch.testing.assert_close(alone[0], every[i, j], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["mean", "tokens"])
@torch.no_grad()
def test_it_starts_as_the_late_interaction_of_the_bought_tokens(head):
    """Exactly: mean over words of the best frame's cosine, mean over frames of the best word's, over 0.1."""
    text, video = random_features(5, 7, 10, 0), random_features(5, 6, 10, 1)
    found = joint(interaction(head), text, video)
    for row in range(5):
        words = functional.normalize(text.tokens[row][text.mask[row]], dim=-1)
        shown = functional.normalize(video.tokens[row][video.mask[row]], dim=-1)
        cosines = words @ shown.T
        expected = (cosines.max(dim=1).values.mean() + cosines.max(dim=0).values.mean()) / 2 / 0.1
        assert found[row].item() == pytest.approx(expected.item(), rel=1e-5)


@torch.no_grad()
def test_eot_starts_as_the_cosine_with_the_mean_of_the_frames():
    text, video = random_features(5, 7, 10, 0), random_features(5, 6, 10, 1)
    found = joint(interaction("eot"), text, video)
    for row in range(5):
        end = text.tokens[row][text.mask[row]][-1]
        mean = functional.normalize(video.tokens[row][video.mask[row]], dim=-1).mean(dim=0)
        expected = functional.cosine_similarity(end, mean, dim=0) / 0.1
        assert found[row].item() == pytest.approx(expected.item(), rel=1e-5)


@torch.no_grad()
def test_corrections_start_at_nothing_and_those_of_cross_from_noise():
    text, video = random_features(5, 7, 10, 0), random_features(5, 6, 10, 1)
    for head, zero in (("tokens", True), ("cross", False)):
        module = interaction(head)
        correction = module.correction(module.read(text), module.watch(video))
        assert (not correction.any()) == zero


def test_mean_has_nothing_to_learn_but_the_prior():
    assert [name for name, _ in interaction("mean").named_parameters()] == ["log_prior"]


@torch.no_grad()
def test_eot_reads_one_token_and_tokens_reads_all():
    video, text = random_features(3, 4, 10, 1), random_features(3, 5, 10, 0)
    full = Features(pooled=text.pooled, tokens=text.tokens, mask=torch.ones(3, 5).bool())
    changed = full.tokens.clone()
    changed[:, 1] = changed[:, 1].flip(-1)
    other = Features(pooled=full.pooled, tokens=changed, mask=full.mask)
    eot, tokens = learned("eot"), learned("tokens")
    assert torch.equal(joint(eot, full, video), joint(eot, other, video))
    assert not torch.allclose(joint(tokens, full, video), joint(tokens, other, video), atol=1e-4)


@torch.no_grad()
def test_only_heads_in_which_frames_see_each_other_or_have_places_tell_their_order():
    text, video = random_features(2, 5, 10, 0), random_features(2, 6, 10, 1)
    video = Features(pooled=video.pooled, tokens=video.tokens, mask=torch.ones(2, 6).bool())
    turned = Features(pooled=video.pooled, tokens=video.tokens.flip(1), mask=video.mask)
    for head in FINE_HEADS:
        same = torch.allclose(
            joint(learned(head), text, video), joint(learned(head), text, turned), atol=1e-4
        )
        assert same == (head in ("mean", "eot"))


@torch.no_grad()
@pytest.mark.parametrize("head", ["tokens", "cross"])
def test_time_has_places_and_the_tokens_of_one_frame_share_theirs(head):
    module = learned(head, tokens_per_frame=2)
    text, video = random_features(2, 5, 10, 0), random_features(2, 6, 10, 1)
    video = Features(pooled=video.pooled, tokens=video.tokens, mask=torch.ones(2, 6).bool())
    swapped = Features(pooled=video.pooled, tokens=video.tokens[:, [2, 3, 0, 1, 4, 5]], mask=video.mask)
    assert not torch.allclose(joint(module, text, video), joint(module, text, swapped), atol=1e-4)
    for part in (module.together, module.cross):
        if part is not None:
            part.time.zero_()
    torch.testing.assert_close(joint(module, text, video), joint(module, text, swapped))
    with pytest.raises(ValueError, match="9 frames: this model knows the places of 8"):
        module.watch(random_features(2, 18, 10, 1))


def test_tokens_of_two_widths_can_only_be_crossed():
    with pytest.raises(RecipeError, match=r"compares tokens .* but these are 6 and 10 wide"):
        interaction("tokens", width=6)
    interaction("cross", width=6)


def test_heads_of_the_pooling_must_divide_the_encoders_width():
    spec = ModelSpec(name="tiny", pooling="transformer", pooling_heads=3)
    with pytest.raises(RecipeError, match="pooling_heads = 3: must divide the encoders' width, 8"):
        assemble(TinyTowers(), spec, InteractionSpec(head="none"))


def test_a_tokenizer_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = {**CONFIG["text_cfg"], "hf_tokenizer_name": "./no/tokenizer"}
    with pytest.raises(RecipeError, match=r"its tokenizer '\./no/tokenizer' cannot be loaded"):
        build_retriever(
            ModelSpec(config={**CONFIG, "text_cfg": text}, random_weights=True), InteractionSpec(head="none")
        )


def test_features_are_cut_and_joined_without_loss():
    a, b = random_features(2, 3, 4, 0), random_features(3, 5, 4, 1)
    joined = Features.cat([a, b])
    assert joined.tokens.shape == (5, 5, 4)
    assert torch.equal(joined[:2].trim(3).tokens, a.tokens)
    assert not joined.mask[:2, 3:].any()
    assert torch.equal(joined.take(torch.tensor([4, 2])).pooled, b.pooled[[2, 0]])
    assert torch.equal(functional.normalize(joined[2:].pooled), functional.normalize(b.pooled))
