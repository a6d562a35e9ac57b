"""Ranks and recall under every tie rule, by brute force, published numbers, and faults seen in the field."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retrieval import metrics
from tests.support.problems import problems

SIMILARITY = Path(__file__).parents[2].parent / "shared" / "data" / "similarity"


def brute_force(scores, right, k):
    """Recall at k and mean rank of one query by trying every order of the gallery, or None past 7 items."""
    ranks = []
    for order in itertools.permutations(range(len(scores))):
        placed = sorted(order, key=lambda i: -scores[i])
        ranks.append(next(place for place, item in enumerate(placed, 1) if right[item]))
    return np.mean([r <= k for r in ranks]), np.mean(ranks), min(ranks), max(ranks)


@settings(max_examples=40, deadline=None)
@given(
    scores=hnp.arrays(np.float64, 6, elements=st.sampled_from([0.0, 1.0])),
    right=hnp.arrays(bool, 6).filter(np.any),
    k=st.integers(1, 6),
)
def test_expected_recall_and_rank_are_the_means_over_every_order_of_the_tied(scores, right, k):
    ranks = metrics.rank(scores[None], [1], right.astype(int))
    recall, mean, best, worst = brute_force(scores, right, k)
    assert ranks.hits(k)[0] == pytest.approx(recall)
    assert ranks.at()[0] == pytest.approx(mean)
    assert ranks.at("optimistic")[0] == best
    # With several tied right answers the worst *best* one still has only the wrong ones before it.
    assert ranks.at("pessimistic")[0] == worst


@given(problem=problems(), seed=st.integers(0, 1000))
def test_shuffling_gallery_and_queries_changes_nothing(problem, seed):
    scores, captions = problem
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(scores)), rng.permutation(scores.shape[1])
    shuffled, where = scores[rows][:, columns], np.argsort(columns)
    for rule in (metrics.text_to_video, *metrics.VIDEO_TO_TEXT_RULES.values()):
        plain = metrics.summarise_all_rules(rule(scores, captions))
        assert metrics.summarise_all_rules(rule(shuffled, where[captions[rows]])) == plain


@given(problem=problems())
def test_rules_are_ordered_and_recall_grows_with_k(problem):
    scores, captions = problem
    ranks = metrics.text_to_video(scores, captions)
    assert len(ranks) == len(scores)
    assert (ranks.at("optimistic") <= ranks.at()).all()
    assert (ranks.at() <= ranks.at("pessimistic")).all()
    for ties in metrics.TIE_RULES:
        recalls = [ranks.hits(k, ties).mean() for k in range(1, scores.shape[1] + 1)]
        assert recalls == sorted(recalls)
        assert recalls[-1] == 1.0


def test_constant_scores_give_chance():
    result = metrics.summarise_all_rules(metrics.rank(np.zeros((1000, 1000))))
    assert result["expected"].recall == pytest.approx({1: 0.1, 5: 0.5, 10: 1.0, 50: 5.0})
    assert result["expected"].median_rank == result["expected"].mean_rank == 500.5
    assert result["optimistic"].recall[1] == 100.0
    assert result["pessimistic"].recall[50] == 0.0


def test_constant_scores_give_chance_for_several_captions_a_video():
    captions = np.repeat(np.arange(10), 4)
    best_own = metrics.video_to_text_best_own(np.zeros((40, 10)), captions)
    # The first of 4 right ones among 40 in random order is at 41 / 5, and first of all 1 time in 10.
    assert best_own.at() == pytest.approx(np.full(10, 41 / 5))
    assert best_own.hits(1) == pytest.approx(np.full(10, 0.1))
    assert best_own.hits(37) == pytest.approx(np.ones(10))
    per_video = metrics.video_to_text_best_per_video(np.zeros((40, 10)), captions)
    assert per_video.at() == pytest.approx(np.full(10, 5.5))


def test_the_two_video_to_text_rules_differ_as_their_names_say():
    # Video 0's own caption is beaten by both captions of video 1: third caption, but second video.
    scores = np.array([[0.5, 0.0], [0.9, 0.1], [0.8, 0.9]])
    captions = np.array([0, 1, 1])
    assert metrics.video_to_text_best_own(scores, captions).at().tolist() == [3.0, 1.0]
    assert metrics.video_to_text_best_per_video(scores, captions).at().tolist() == [2.0, 1.0]


def test_an_unreadable_video_is_a_failed_query_and_never_in_the_way():
    scores = np.array([[-np.inf, 0.2, 0.1], [-np.inf, 0.9, 0.3], [-np.inf, 0.1, 0.0]])
    for rule in (metrics.text_to_video, *metrics.VIDEO_TO_TEXT_RULES.values()):
        ranks = rule(scores, np.arange(3))
        assert ranks.failed.tolist() == [True, False, False]
        for ties in metrics.TIE_RULES:
            assert ranks.at(ties)[0] == 3
            assert ranks.hits(3, ties)[0] == 0
            assert ranks.at(ties)[1] == 1
    summary = metrics.summarise(metrics.text_to_video(scores, np.arange(3)))
    assert (summary.num_failed, summary.num_queries) == (1, 3)


def test_a_gallery_larger_than_the_queries():
    scores = np.array([[0.1, 0.2, 0.9, 0.3]])
    assert metrics.text_to_video(scores, [3]).at().tolist() == [2.0]
    assert metrics.oracle_recall(scores, 2, [3], np.arange(4)) == 100.0
    assert metrics.oracle_recall(scores, 1, [3], np.arange(4)) == 0.0


@pytest.mark.parametrize(
    ("scores", "groups", "message"),
    [
        (np.array([[0.0, np.nan], [1.0, 0.0]]), (None, None), "NaN in 1 of 2 rows, first in row 0"),
        (np.array([[0.0, np.inf], [1.0, 0.0]]), (None, None), "plus infinity"),
        (np.zeros((2, 3)), (None, None), "not square"),
        (np.zeros(3), (None, None), "queries x gallery"),
        (np.zeros((2, 3)), ([0, 5], [0, 1, 2]), "query 1 has no right answer"),
        (np.zeros((2, 3)), ([0], [0, 1, 2]), "query_groups: must be 2 whole numbers"),
        (np.zeros((2, 3)), ([0, 1], None), "both or neither"),
    ],
)
def test_faulty_scores_are_refused(scores, groups, message):
    with pytest.raises(ValueError, match=message):
        metrics.rank(scores, *groups)


def test_faulty_settings_are_refused():
    ranks = metrics.rank(np.eye(2))
    with pytest.raises(ValueError, match="k = 0"):
        ranks.hits(0)
    with pytest.raises(ValueError, match="expected, optimistic, pessimistic"):
        ranks.at("lucky")
    with pytest.raises(ValueError, match="no query"):
        metrics.summarise(metrics.rank(np.zeros((0, 0))))


def similarity(name: str) -> np.ndarray:
    path = SIMILARITY / f"msrvtt_{name}_matrix.npy"
    if not path.exists():
        pytest.skip(f"{path} is not there: the shared similarity matrices are needed")
    return np.load(path)


@pytest.mark.parametrize(
    ("name", "recalls", "median", "mean"),
    [
        ("video", {1: 48.0, 5: 73.0, 10: 82.9}, 2.0, 13.129),
        ("titles", {1: 29.7, 5: 55.8, 10: 66.6}, 4.0, 26.743),
    ],
)
@pytest.mark.parametrize("ties", metrics.TIE_RULES)
def test_published_text_to_video_numbers_are_met_exactly(name, recalls, median, mean, ties):
    ranks = metrics.rank(similarity(name))
    result = metrics.summarise(ranks, ties, recall_at=(1, 5, 10))
    assert {k: round(value, 6) for k, value in result.recall.items()} == recalls
    assert result.median_rank == median
    assert round(result.mean_rank, 6) == mean


@pytest.mark.parametrize(
    ("name", "recalls", "mean"),
    [("video", {1: 46.0, 5: 74.1, 10: 82.8}, 8.674), ("titles", {1: 28.4, 5: 54.9, 10: 66.8}, 27.087)],
)
def test_video_to_text_numbers_with_optimistic_ranks(name, recalls, mean):
    ranks = metrics.video_to_text_best_own(similarity(name), np.arange(1000))
    result = metrics.summarise(ranks, "optimistic", recall_at=(1, 5, 10))
    assert {k: round(value, 6) for k, value in result.recall.items()} == recalls
    assert round(result.mean_rank, 6) == mean


def test_the_real_video_matrix_has_tied_queries_in_one_direction_only():
    assert int((metrics.rank(similarity("video")).tied_wrong > 0).sum()) == 0
    tied = metrics.rank(similarity("video").T).tied_wrong > 0
    assert int(tied.sum()) == 9


def ranks_by_searching_the_sorted_row(scores):
    """As several published evaluations do it: where the sorted row equals the diagonal's score."""
    ordered = np.sort(-scores, axis=1)
    return np.where(ordered - np.diag(-scores)[:, None] == 0)[1]


def ranks_by_counting_greater(scores):
    """As others do it: 1 + the number of strictly greater scores."""
    return 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)


def test_fault_constant_similarity_counts_as_perfect():
    scores = np.zeros((50, 50))
    assert (ranks_by_counting_greater(scores) == 1).mean() == 1.0
    assert metrics.rank(scores).hits(1).mean() == pytest.approx(1 / 50)


def test_fault_a_tie_gives_one_query_several_ranks():
    scores = np.eye(4)
    scores[2, 3] = 1.0
    assert len(ranks_by_searching_the_sorted_row(scores)) == 5
    ours = metrics.rank(scores)
    assert len(ours) == 4
    assert ours.at().tolist() == [1.0, 1.0, 1.5, 1.0]


def test_fault_nan_rows_are_dropped_in_silence():
    scores = np.zeros((4, 4)) - np.eye(4)
    scores[1] = np.nan
    assert len(set(np.where(np.sort(-scores, 1) - np.diag(-scores)[:, None] == 0)[0])) == 3
    with pytest.raises(ValueError, match="NaN"):
        metrics.rank(scores)
