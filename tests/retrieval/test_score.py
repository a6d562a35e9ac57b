"""Coarse, fine and fused scores: order below K, ties at K, and no dependence on company or order."""

import pytest
import torch
from torch.nn import functional

from retrieval import score
from retrieval.model import Features, Interaction
from retrieval.recipe import InteractionSpec

HEADS = ["none", "mean", "eot", "tokens", "cross"]


def features(rows: int, width: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    return Features(
        pooled=torch.randn(rows, 8, generator=generator),
        tokens=torch.randn(rows, 6, width, generator=generator),
        mask=torch.arange(6) < torch.randint(1, 7, (rows, 1), generator=generator),
    )


def module(head: str) -> Interaction | None:
    if head == "none":
        return None
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        made = Interaction(
            InteractionSpec(head=head, width=16, heads=2, layers=1, max_frames=6),
            text_width=6,
            frame_width=6,
            tokens_per_frame=1,
            temperature=0.2,
        )
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made


TEXT, VIDEO = features(7, 6, 0), features(11, 6, 1)


def retrieve(interaction, text, video, temperature, *, top_k, rows="text") -> score.Retrieved:
    """Both stages on features that lie at hand."""
    by_text = score.coarse(text, video, temperature)
    scores, queries, gallery = (by_text, text, video) if rows == "text" else (by_text.T, video, text)
    return score.rescore(interaction, queries, gallery.take, scores, top_k=top_k, rows=rows)


def test_coarse_is_cosine_over_temperature():
    found = score.coarse(TEXT, VIDEO, 0.05)
    expected = functional.cosine_similarity(TEXT.pooled[:, None], VIDEO.pooled[None], dim=-1) / 0.05
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rows", ["text", "video"])
@pytest.mark.parametrize("head", HEADS[1:])
def test_the_pairs_scored_are_the_pairs_asked_for(head, rows):
    interaction = module(head)
    found = retrieve(interaction, TEXT, VIDEO, 0.5, top_k=None, rows=rows)
    assert found.candidates.all()
    with torch.no_grad():
        for i in range(7):
            for j in range(11):
                joint = interaction(interaction.read(TEXT[i : i + 1]), interaction.watch(VIDEO[j : j + 1]))[0]
                place = (i, j) if rows == "text" else (j, i)
                coarse = found.coarse[place]
                assert found.joint[place].item() == pytest.approx(joint.item(), abs=1e-4)
                fused = joint + interaction.prior_weight() * coarse
                assert found.fused[place].item() == pytest.approx(fused.item(), abs=1e-4)


@pytest.mark.parametrize("top_k", [1, 3, 10])
def test_below_k_the_first_stage_keeps_its_order_and_above_it_the_second_rules(top_k):
    found = retrieve(module("tokens"), TEXT, VIDEO, 0.1, top_k=top_k)
    everything = retrieve(module("tokens"), TEXT, VIDEO, 0.1, top_k=None)
    for row in range(7):
        by_coarse = found.coarse[row].argsort(descending=True).tolist()
        by_fused = found.fused[row].argsort(descending=True).tolist()
        assert sorted(by_fused[:top_k]) == sorted(by_coarse[:top_k])
        assert by_fused[top_k:] == by_coarse[top_k:]
        top = torch.tensor(by_coarse[:top_k])
        expected = top[everything.fused[row][top].argsort(descending=True)]
        assert by_fused[:top_k] == expected.tolist()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("rows", ["text", "video"])
def test_shuffling_and_batching_change_nothing(head, rows):
    """A leak test: no score may know where its pair stood or what stood beside it."""
    interaction = module(head)
    plain = retrieve(interaction, TEXT, VIDEO, 0.1, top_k=4, rows=rows)
    text_order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    video_order = torch.randperm(11, generator=torch.Generator().manual_seed(2))
    shuffled = retrieve(interaction, TEXT.take(text_order), VIDEO.take(video_order), 0.1, top_k=4, rows=rows)
    orders = (text_order, video_order) if rows == "text" else (video_order, text_order)
    for name in ("coarse", "candidates", "joint", "fused"):
        before, after = getattr(plain, name), getattr(shuffled, name)
        if before is None:
            assert after is None and head == "none"
            continue
        torch.testing.assert_close(after, before[orders[0]][:, orders[1]], rtol=1e-4, atol=1e-4)


def test_a_query_alone_gets_the_scores_it_gets_in_company():
    plain = retrieve(module("tokens"), TEXT, VIDEO, 0.1, top_k=4)
    alone = retrieve(module("tokens"), TEXT[2:3], VIDEO, 0.1, top_k=4)
    torch.testing.assert_close(alone.fused, plain.fused[2:3], rtol=1e-4, atol=1e-4)


def test_ties_at_k_are_all_candidates():
    coarse = torch.tensor([[3.0, 2.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert score.candidates(coarse, 2).tolist() == [[True, True, True, False], [True] * 4]
    assert score.candidates(coarse, None).all()
    assert score.candidates(coarse, 9).all()
    with pytest.raises(ValueError, match="top_k = 0: must be at least 1"):
        score.candidates(coarse, 0)


def test_keeping_the_order_makes_and_breaks_no_tie():
    coarse = torch.tensor([[5.0, 4.0, 3.0, 3.0, 1.0]])
    mask = torch.tensor([[True, True, False, False, False]])
    close = torch.tensor([[-100.0, 0, 0, 0, 0]])
    close[0, 1] = torch.nextafter(close[0, 0], torch.tensor(0.0))
    found = score.keep_order_below(coarse, close, mask)[0]
    assert found[1] > found[0] > found[2] == found[3] > found[4]
    tied = score.keep_order_below(coarse, torch.full((1, 5), 7.0), mask)[0]
    assert tied[0] == tied[1] > tied[2]


def test_no_pairs_give_no_scores():
    assert score.fine(module("tokens"), TEXT, VIDEO, torch.zeros(0, 2, dtype=torch.long)).shape == (0,)
