"""Ranks of the right answers, and R@K, median and mean rank from them, with an explicit rule for ties.

Scores are `queries x gallery`, larger is better. Minus infinity means "cannot be retrieved":
a gallery item that could not be read has a column of them, and a query all of whose right answers are
such items has *failed*: it is never a hit, at any K and under any tie rule, and its rank is the size of
the gallery. NaN and plus infinity are refused: they are faults, not scores.

Ties. Let the best right answer of a query have `better` gallery items above it, and share its score with
`tied_wrong` wrong and `tied_right` - 1 other right ones. Its rank is then anything from `better + 1`
(optimistic) to `better + tied_wrong + 1` (pessimistic); under a random order of the tied items, the mean
is `better + (tied_wrong + tied_right + 1) / (tied_right + 1)`, and R@K is the probability of a rank of K
or less (both `expected`, the default). So constant scores give exactly chance.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

TieRule = Literal["expected", "optimistic", "pessimistic"]
TIE_RULES: tuple[TieRule, ...] = get_args(TieRule)
RECALL_AT = (1, 5, 10, 50)

_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Where each query's best right answer stands in a gallery of `gallery_size` items."""

    better: Int[np.ndarray, "q"]
    tied_wrong: Int[np.ndarray, "q"]
    tied_right: Int[np.ndarray, "q"]
    failed: Bool[np.ndarray, "q"]
    gallery_size: int

    def __len__(self) -> int:
        return len(self.better)

    def at(self, ties: str = "expected") -> Float[np.ndarray, "q"]:
        """One rank for each query, from 1 to `gallery_size`, under the given rule."""
        best = self.better + 1.0
        match _tie_rule(ties):
            case "optimistic":
                rank = best
            case "pessimistic":
                rank = best + self.tied_wrong
            case "expected":
                rank = self.better + (self.tied_wrong + self.tied_right + 1) / (self.tied_right + 1)
        return np.where(self.failed, float(self.gallery_size), rank)

    def hits(self, k: int, ties: str = "expected") -> Float[np.ndarray, "q"]:
        """For each query the probability, from 0 to 1, that a right answer is among the first `k`."""
        if k < 1:
            raise ValueError(f"k = {k}: must be 1 or more")
        match _tie_rule(ties):
            case "optimistic":
                hit = (self.better < k).astype(np.float64)
            case "pessimistic":
                hit = (self.better + self.tied_wrong < k).astype(np.float64)
            case "expected":
                hit = 1.0 - self._probability_of_none(k)
        return np.where(self.failed, 0.0, hit)

    def _probability_of_none(self, k: int) -> Float[np.ndarray, "q"]:
        """That none of the tied right answers is among the places of the tie that the first `k` reach."""
        tied = self.tied_wrong + self.tied_right
        places = np.clip(k - self.better, 0, tied)
        none = np.where(places > self.tied_wrong, 0.0, 1.0)
        # Draw without replacement, one right answer after the other rather than one place after the
        # other: mostly there is a single right answer and the tie may span the whole gallery.
        #   2 right and 3 wrong ones tie, 2 places are reached: (5 - 2) / 5 * (4 - 2) / 4 = 0.3
        for j in range(int(self.tied_right.max(initial=0))):
            live = (j < self.tied_right) & (none > 0)
            none = np.where(live, none * (tied - places - j) / np.where(live, tied - j, 1), none)
        return none


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line of a result table; recalls are per cent of all queries, failed ones included."""

    recall: dict[int, float]
    median_rank: float
    mean_rank: float
    num_queries: int
    num_gallery: int
    num_failed: int
    ties: TieRule

    def to_json(self) -> dict[str, object]:
        return {
            **{f"R@{k}": value for k, value in self.recall.items()},
            "MdR": self.median_rank,
            "MnR": self.mean_rank,
            **{key: value for key, value in asdict(self).items() if key.startswith("num_")},
            "ties": self.ties,
        }


def rank(
    scores: ArrayLike,
    query_groups: ArrayLike | None = None,
    gallery_groups: ArrayLike | None = None,
) -> Ranks:
    """The ranks of all queries, one for each row of `scores` (queries x gallery).

    A gallery item answers a query when their groups are equal. Left out, both groups are 0, 1, 2, … :
    row i is answered by column i alone, for a square matrix.
    Raises `ValueError` for NaN, plus infinity, a query without any right answer, and shapes that disagree.
    """
    scores = checked(scores)
    of_query, of_gallery = _groups(scores, query_groups, gallery_groups)
    counts = [
        _count(
            scores[start : start + _ROWS_AT_ONCE], of_query[start : start + _ROWS_AT_ONCE], of_gallery, start
        )
        for start in range(0, len(scores), _ROWS_AT_ONCE)
    ]
    better, tied_wrong, tied_right, failed = (
        np.concatenate([count[i] for count in counts]) if counts else np.zeros(0, int) for i in range(4)
    )
    assert len(better) == len(scores), "as many ranks as queries"
    return Ranks(
        better=better,
        tied_wrong=tied_wrong,
        tied_right=tied_right,
        failed=failed.astype(bool),
        gallery_size=scores.shape[1],
    )


def summarise(ranks: Ranks, ties: TieRule = "expected", recall_at: Sequence[int] = RECALL_AT) -> Summary:
    """R@K in per cent, median and mean rank of `ranks`; refuses an empty set of queries."""
    if not len(ranks):
        raise ValueError("ranks: no query to summarise")
    places = ranks.at(ties)
    return Summary(
        recall={k: 100.0 * _mean(ranks.hits(k, ties)) for k in recall_at},
        median_rank=float(np.median(places)),
        mean_rank=_mean(places),
        num_queries=len(ranks),
        num_gallery=ranks.gallery_size,
        num_failed=int(ranks.failed.sum()),
        ties=ties,
    )


def summarise_all_rules(ranks: Ranks, recall_at: Sequence[int] = RECALL_AT) -> dict[TieRule, Summary]:
    """`expected` first, with the optimistic and the pessimistic figures beside it."""
    return {ties: summarise(ranks, ties, recall_at) for ties in TIE_RULES}


def text_to_video(scores: Float[np.ndarray, "c v"], caption_videos: ArrayLike) -> Ranks:
    """Each caption is a query among the videos; `caption_videos` is the column of each caption's video."""
    return rank(scores, caption_videos, np.arange(np.shape(scores)[1]))


def video_to_text_best_own(scores: Float[np.ndarray, "c v"], caption_videos: ArrayLike) -> Ranks:
    """Each video is a query among *all captions*; its rank is that of the best of its own captions."""
    return rank(np.transpose(scores), np.arange(np.shape(scores)[1]), caption_videos)


def video_to_text_best_per_video(scores: Float[np.ndarray, "c v"], caption_videos: ArrayLike) -> Ranks:
    """Each video is a query among *videos*, each standing for its best-scoring caption.

    Videos without captions are no queries and no candidates. With one caption a video this is the same
    as `video_to_text_best_own`.
    """
    scores = checked(scores)
    columns = _group_array("caption_videos", caption_videos, len(scores))
    captioned, place = np.unique(columns, return_inverse=True)
    best = np.full((len(captioned), scores.shape[1]), -np.inf, dtype=scores.dtype)
    np.maximum.at(best, place, scores)
    return rank(best.T[captioned])


VIDEO_TO_TEXT_RULES = {
    "best own caption among all captions": video_to_text_best_own,
    "best caption per video among videos": video_to_text_best_per_video,
}


def oracle_recall(
    scores: Float[np.ndarray, "q g"],
    k: int,
    query_groups: ArrayLike | None = None,
    gallery_groups: ArrayLike | None = None,
) -> float:
    """Per cent of queries with a right answer among the first `k`: the ceiling of any re-ranking."""
    return 100.0 * _mean(rank(scores, query_groups, gallery_groups).hits(k))


def checked(scores: ArrayLike) -> Float[np.ndarray, "q g"]:
    """`scores` as a floating-point matrix; refuses other shapes, NaN and plus infinity."""
    array = np.asarray(scores)
    if array.ndim != 2:
        raise ValueError(f"scores: must be queries x gallery, got shape {array.shape}")
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float64)
    nan = np.isnan(array)
    if nan.any():
        rows = np.flatnonzero(nan.any(axis=1))
        raise ValueError(f"scores: NaN in {len(rows)} of {len(array)} rows, first in row {rows[0]}")
    if np.isposinf(array).any():
        raise ValueError("scores: plus infinity is not a score")
    return array


def _count(
    scores: Float[np.ndarray, "q g"],
    of_query: Int[np.ndarray, "q"],
    of_gallery: Int[np.ndarray, "g"],
    first_row: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    right = of_query[:, None] == of_gallery[None, :]
    if not (answered := right.any(axis=1)).all():
        row = int(np.flatnonzero(~answered)[0])
        raise ValueError(f"query_groups: query {first_row + row} has no right answer in the gallery")
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    tied = scores == best
    return (
        (scores > best).sum(axis=1),
        (tied & ~right).sum(axis=1),
        (tied & right).sum(axis=1),
        np.isneginf(best[:, 0]),
    )


def _mean(values: Float[np.ndarray, "q"]) -> float:
    """Rounded once at the end, so that it is the same in any order of the queries."""
    return math.fsum(values) / len(values)


def _groups(
    scores: np.ndarray, query_groups: ArrayLike | None, gallery_groups: ArrayLike | None
) -> tuple[Int[np.ndarray, "q"], Int[np.ndarray, "g"]]:
    rows, columns = scores.shape
    if query_groups is None and gallery_groups is None:
        if rows != columns:
            raise ValueError(
                f"scores: shape {scores.shape} is not square, so say which gallery items answer which query"
            )
        return np.arange(rows), np.arange(columns)
    if query_groups is None or gallery_groups is None:
        raise ValueError("query_groups and gallery_groups: give both or neither")
    return (
        _group_array("query_groups", query_groups, rows),
        _group_array("gallery_groups", gallery_groups, columns),
    )


def _group_array(field: str, groups: ArrayLike, length: int) -> Int[np.ndarray, "n"]:
    array = np.asarray(groups)
    if array.shape != (length,) or not (np.issubdtype(array.dtype, np.integer) or not length):
        raise ValueError(f"{field}: must be {length} whole numbers, got shape {array.shape} of {array.dtype}")
    return array.astype(np.int64)


def _tie_rule(ties: str) -> TieRule:
    if ties not in TIE_RULES:
        raise ValueError(f"ties = {ties!r}: must be one of {', '.join(TIE_RULES)}")
    return ties
