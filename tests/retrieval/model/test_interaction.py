"""The fine stage: what each head knows at the start, what it can learn, and what changes no score."""

import pytest
import torch
from torch.nn import functional

from animate.strict_toml import RecipeError
from retrieval.model import Features, Interaction
from retrieval.recipe import InteractionSpec
from tests.support.encoders import random_features


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
