"""Score normalisations that look beyond the one query: reported as separate, labelled columns only.

Both work on any `queries x gallery` scores, larger is better; minus infinity (a gallery item that cannot
be retrieved) stays what it is.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from retrieval.metrics import checked

#: Not comparable with the plain columns: the first one reads all test queries at once, the second one
#: training queries, and a deployed search has neither the one nor always the other.
DUAL_SOFTMAX_LABEL = "transductive (dual softmax)"
QUERY_BANK_LABEL = "query-bank (dynamic inverted softmax)"
#: What asks for them.
POST_PROCESSING = ("dual-softmax", "query-bank")


def dual_softmax(scores: Float[np.ndarray, "q g"], temperature: float = 0.01) -> Float[np.ndarray, "q g"]:
    """Log of softmax over the gallery times softmax over the queries, up to a constant for each query.

    The product of two probabilities, not of a raw score and a probability as in some implementations:
    there a negative score is pushed *down* by a high probability.
    """
    scaled = checked(scores).astype(np.float64) / _positive("temperature", temperature)
    return scaled + (scaled - _log_sum_exp(scaled))


def query_bank(
    scores: Float[np.ndarray, "q g"],
    bank: ArrayLike,
    temperature: float = 0.05,
    activation: int = 1,
) -> Float[np.ndarray, "q g"]:
    """Dynamic inverted softmax of QB-Norm (Bogolin et al., CVPR 2022), in logs, ranks only.

    `bank` (queries x gallery) holds the scores of training queries with the same gallery. Gallery items
    among the first `activation` of any bank query are hubs; only queries whose first item is a hub are
    normalised.
    """
    scores, known = checked(scores).astype(np.float64), checked(bank).astype(np.float64)
    if known.shape[1] != scores.shape[1]:
        raise ValueError(f"bank: has {known.shape[1]} gallery items, the scores have {scores.shape[1]}")
    if not 1 <= activation <= known.shape[1]:
        raise ValueError(f"activation = {activation}: must be from 1 to {known.shape[1]}")
    scaled = known / _positive("temperature", temperature)
    hubs = np.zeros(known.shape[1], dtype=bool)
    hubs[np.argpartition(-known, activation - 1, axis=1)[:, :activation]] = True
    normalised = scores / temperature - _log_sum_exp(scaled)
    touched = hubs[scores.argmax(axis=1)]
    return np.where(touched[:, None], normalised, scores)


def _log_sum_exp(scaled: Float[np.ndarray, "q g"]) -> Float[np.ndarray, "1 g"]:
    """Over the queries; 0 for a column of minus infinities, which then stays at minus infinity."""
    top = scaled.max(axis=0, keepdims=True)
    dead = np.isneginf(top)
    top = np.where(dead, 0.0, top)
    total = np.exp(scaled - top).sum(axis=0, keepdims=True)
    return top + np.log(np.where(dead, 1.0, total))


def _positive(field: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{field} = {value}: must be above 0")
    return value
