"""The order of an epoch: every clip once, takes of one still together in a batch."""

from collections import deque

import numpy as np
from jaxtyping import Int64


def epoch_order(
    stills: Int64[np.ndarray, "n"], rng: np.random.Generator, *, together: int, batch_size: int
) -> Int64[np.ndarray, "n"]:
    """The places 0 to n - 1 of an epoch in the order that `rng` draws; each `batch_size` of them are a batch.

    `stills` has equal numbers for takes of one still. They are drawn in runs of up to `together`, and a run
    lies in one batch, unless no run that is left fits into what a batch has room for: then one is cut.
    """
    shuffled = rng.permutation(len(stills))
    if together == 1 or not len(stills):
        return shuffled
    # Takes of one still side by side, those of each still in drawn order, then cut into runs:
    #
    #   grouped     a  a  a  a  a  b  b  c        together = 4
    #   rank        0  1  2  3  4  0  1  0        of a take among those of its still
    #   runs        a  a  a  a| a| b  b| c        they start where the rank is a multiple of 4: 0 4 5 7
    grouped = shuffled[np.argsort(stills[shuffled], kind="stable")]
    numbers = stills[grouped]
    first = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    rank = np.arange(len(grouped)) - np.repeat(first, np.diff(first, append=len(grouped)))
    starts = np.flatnonzero(rank % min(together, batch_size) == 0)
    lengths = np.diff(starts, append=len(grouped))
    drawn = rng.permutation(len(starts))
    pieces = pack(starts[drawn].tolist(), lengths[drawn].tolist(), batch_size)
    return np.concatenate([grouped[start : start + length] for start, length in pieces])


def pack(starts: list[int], lengths: list[int], batch_size: int) -> list[tuple[int, int]]:
    """Runs as (start, length), in an order in which batches end between them: the first that fits comes next.

    For batches of 4 and runs of these lengths:

        given     a: 3   b: 3   c: 2   d: 1   e: 3
        batches   a a a d | b b b c | c e e e       c is cut: nothing fits behind b
    """
    # By length, the places of runs in the given order: whatever fits first is the head of one of them.
    starts, longest = list(starts), max(lengths, default=0)
    waiting: dict[int, deque[int]] = {length: deque() for length in range(1, longest + 1)}
    for place, length in enumerate(lengths):
        waiting[length].append(place)
    packed: list[tuple[int, int]] = []
    room = batch_size
    while heads := [(waiting[length][0], length) for length in range(1, longest + 1) if waiting[length]]:
        place, length = min((head for head in heads if head[1] <= room), default=min(heads))
        waiting[length].popleft()
        taken = min(length, room)
        packed.append((starts[place], taken))
        if taken < length:
            # It is the first of all that wait, so it stays the first of those of its new length.
            starts[place] += taken
            waiting[length - taken].appendleft(place)
        room = (room - taken) or batch_size
    return packed
