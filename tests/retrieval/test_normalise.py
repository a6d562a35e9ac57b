"""Normalisations that look beyond one query."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import normalise
from tests.support.problems import problems


@given(problem=problems(), seed=st.integers(0, 1000))
def test_normalisations_do_not_depend_on_the_order_of_queries(problem, seed):
    scores, _ = problem
    rows = np.random.default_rng(seed).permutation(len(scores))
    np.testing.assert_allclose(
        normalise.dual_softmax(scores[rows]), normalise.dual_softmax(scores)[rows], atol=1e-9
    )
    np.testing.assert_allclose(
        normalise.query_bank(scores[rows], scores), normalise.query_bank(scores, scores)[rows]
    )


def test_dual_softmax_takes_a_hub_from_queries_that_have_a_better_item():
    # Item 0 is everybody's first; the second query is better placed at item 1 once both are seen.
    scores = np.array([[0.9, 0.1], [0.6, 0.55]])
    assert scores.argmax(axis=1).tolist() == [0, 0]
    assert normalise.dual_softmax(scores, temperature=0.1).argmax(axis=1).tolist() == [0, 1]


def test_dual_softmax_of_shifted_scores_is_the_same_ranking():
    # The product of a raw score and a probability turns over where scores are below zero; ours does not.
    scores = np.random.default_rng(0).normal(size=(6, 6))
    orders = [normalise.dual_softmax(s, 0.5).argsort(axis=1).tolist() for s in (scores, scores - 10)]
    assert orders[0] == orders[1]


def test_query_bank_leaves_a_query_alone_whose_first_item_is_no_hub():
    bank = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]])
    scores = np.array([[0.1, 0.2, 0.9], [0.50, 0.49, 0.0]])
    normalised = normalise.query_bank(scores, bank)
    assert normalised[0].tolist() == scores[0].tolist()
    assert normalised[1].argmax() == 1


def test_normalisations_keep_an_unreadable_item_out():
    scores = np.array([[0.1, -np.inf], [0.2, -np.inf]])
    assert np.isneginf(normalise.dual_softmax(scores)[:, 1]).all()
    assert np.isneginf(normalise.query_bank(scores, scores)[:, 1]).all()


def test_normalisations_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="temperature = 0"):
        normalise.dual_softmax(np.eye(2), temperature=0)
    with pytest.raises(ValueError, match="bank: has 3"):
        normalise.query_bank(np.eye(2), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="activation = 3"):
        normalise.query_bank(np.eye(2), np.eye(2), activation=3)
