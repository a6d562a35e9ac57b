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


def test_hard_negatives_are_negatives_drawn_once_and_short_rows_are_marked():
    noise = loss.gumbel_noise((5, 5), torch.Generator().manual_seed(0))
    columns, real = loss.draw_hard_negatives(scores(), negative(), 4, noise)
    for row in range(5):
        drawn = columns[row][real[row]].tolist()
        assert len(set(drawn)) == len(drawn) == min(4, int(negative()[row].sum()))
        assert all(negative()[row, column] for column in drawn)


def test_hard_negatives_follow_the_softmax_of_the_scores():
    """10,000 first draws from one row, against the probabilities they should have."""
    row = torch.tensor([9.0, 1.0, 0.0, 2.0, 1.5])
    allowed = torch.tensor([False, True, True, True, True])
    count = 10_000
    noise = loss.gumbel_noise((count, 5), torch.Generator().manual_seed(0))
    columns, _ = loss.draw_hard_negatives(row.expand(count, 5), allowed.expand(count, 5), 1, noise)
    found = torch.bincount(columns.flatten(), minlength=5) / count
    expected = row.masked_fill(~allowed, -torch.inf).softmax(0)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_the_same_generator_draws_the_same_negatives():
    draws = [loss.gumbel_noise((2, 4, 4), torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)
    assert draws[0].isfinite().all()
    assert not torch.equal(draws[0], loss.gumbel_noise((2, 4, 4), torch.Generator().manual_seed(8)))


def test_matching_is_the_cross_entropy_of_the_own_pair_and_ignores_what_is_not_real():
    own, others = torch.tensor([1.0, 2.0]), torch.tensor([[0.0, 3.0], [5.0, 9.0]])
    real = torch.tensor([[True, True], [True, False]])
    expected = math.log(1 + math.exp(-1) + math.exp(2)) + math.log(1 + math.exp(3))
    assert loss.matching(own, others, real).item() == pytest.approx(expected, rel=1e-5)
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert loss.matching(own, others, none).item() == 0
