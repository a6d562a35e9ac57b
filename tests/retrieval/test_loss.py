"""The losses as laws: what counts as a negative, what sampling draws, and how shares add up."""

import math

import pytest
import torch

from retrieval import loss

VIDEOS = ["a", "a", "b", "c", "d"]
CAPTIONS = ["x", "y", "z", "z", "w"]


def negative() -> torch.Tensor:
    return loss.negatives(loss.groups(VIDEOS), loss.groups(CAPTIONS))


def scores(size: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, size, generator=torch.Generator().manual_seed(seed)) * 3


def test_neither_the_same_video_nor_the_same_caption_is_a_negative():
    expected = [[VIDEOS[i] != VIDEOS[j] and CAPTIONS[i] != CAPTIONS[j] for j in range(5)] for i in range(5)]
    assert negative().tolist() == expected


def test_a_text_and_a_video_with_a_fact_in_common_are_no_negatives():
    """Two takes of still s and one of still t. Texts: of s, of the first take's motion, of t."""
    said = [["s", "a dog"], ["left", "pans left"], ["t", "a cat"]]
    shown = [["s", "left", "a dog"], ["s", "right", "a dog"], ["t", "left", "a cat"]]
    found = loss.negatives_by_facts(
        torch.stack([loss.groups(names) for names in said]),
        torch.stack([loss.groups(names) for names in shown]),
    )
    assert found.tolist() == [[False, False, True], [False, True, False], [True, True, False]]


def test_groups_tell_names_apart_and_are_stable():
    numbers = loss.groups(["a", "b", "a", ""])
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3


def test_contrastive_is_symmetric_and_chance_for_constant_scores():
    everyone = loss.negatives(loss.groups(list("abcde")), loss.groups(list("vwxyz")))
    constant = loss.contrastive(torch.zeros(5, 5), everyone)
    assert constant.item() == pytest.approx(math.log(5))
    assert loss.contrastive(scores(), negative()).item() == pytest.approx(
        loss.contrastive(scores().T, negative().T).item()
    )


def test_masked_pairs_take_no_part():
    changed = scores()
    changed[0, 1], changed[2, 3], changed[3, 2] = 50.0, -50.0, 50.0
    assert torch.equal(loss.contrastive(scores(), negative()), loss.contrastive(changed, negative()))


def test_shares_of_rows_add_up_to_the_whole():
    whole = loss.contrastive(scores(), negative())
    parts = [loss.contrastive(scores(), negative(), rows) for rows in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(parts), whole)


def test_what_is_not_counted_has_no_row_and_its_text_is_no_negative():
    """Against the mean over the pairs that are left, of which each video is a negative still."""
    counted = torch.tensor([True, False, True, True, False])
    own = counted.nonzero()[:, 0]
    total = 0.0
    for row in own.tolist():
        others = negative()[row].nonzero()[:, 0]
        by_text = torch.cat([scores()[row, row, None], scores()[row, others]])
        texts = (negative()[:, row] & counted).nonzero()[:, 0]
        by_video = torch.cat([scores()[row, row, None], scores()[texts, row]])
        total -= (by_text.log_softmax(0)[0] + by_video.log_softmax(0)[0]).item() / 2
    found = loss.contrastive(scores(), negative(), counted=counted)
    assert found.item() == pytest.approx(total / len(own))
    parts = [loss.contrastive(scores(), negative(), rows, counted) for rows in (slice(0, 2), slice(2, 5))]
    torch.testing.assert_close(sum(parts), found)
    assert loss.contrastive(scores(), negative(), counted=torch.zeros(5, dtype=torch.bool)) == 0


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_what_is_drawn_are_negatives_and_rows_without_any_are_told():
    allowed = negative()
    allowed[3] = False
    drawn = loss.draw_negatives(scores(), allowed, 50, seeded())
    assert drawn.there.tolist() == [True, True, True, False, True]
    for row in (0, 1, 2, 4):
        assert set(drawn.columns[row].tolist()) == set(allowed[row].nonzero().flatten().tolist())


def test_half_is_drawn_by_the_scores_and_half_evenly():
    """10,000 draws from one row, against the probabilities they should have and are said to have."""
    row = torch.tensor([[9.0, 1.0, 0.0, 2.0, 1.5]])
    allowed = torch.tensor([[False, True, True, True, True]])
    drawn = loss.draw_negatives(row, allowed, 10_000, seeded())
    expected = 0.5 * row.masked_fill(~allowed, -torch.inf).softmax(1)[0] + 0.5 * allowed[0] / 4
    found = torch.bincount(drawn.columns.flatten(), minlength=5) / 10_000
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)
    said = torch.log(10_000 * expected[drawn.columns])
    torch.testing.assert_close(drawn.log_odds, said, atol=1e-4, rtol=1e-4)


def test_the_same_generator_draws_the_same_negatives():
    one, other = (loss.draw_negatives(scores(), negative(), 4, seeded(7)) for _ in range(2))
    assert torch.equal(one.columns, other.columns)
    assert not torch.equal(one.columns, loss.draw_negatives(scores(), negative(), 4, seeded(8)).columns)


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_sampled_softmax_estimates_the_softmax_over_all_negatives(spread):
    """Whatever the negatives were drawn by: taking their odds off leaves what the scores themselves say."""
    proposal = scores(seed=1) * spread
    everyone = ~torch.eye(5, dtype=torch.bool)
    asked = scores(seed=2) / 3
    drawn = loss.draw_negatives(proposal, everyone, 20_000, seeded())
    found = loss.sampled_softmax(asked.diagonal(), asked.gather(1, drawn.columns), drawn)
    whole = torch.nn.functional.cross_entropy(asked, torch.arange(5), reduction="sum")
    assert found.item() == pytest.approx(whole.item(), rel=0.01)


def test_a_row_without_negatives_costs_nothing():
    nobody = torch.zeros(2, 2, dtype=torch.bool)
    drawn = loss.draw_negatives(scores(2), nobody, 3, seeded())
    assert loss.sampled_softmax(torch.tensor([1.0, 2.0]), torch.zeros(2, 3), drawn).item() == 0
