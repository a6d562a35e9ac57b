"""Which of very many texts (keys, image hashes) have come already."""

import hashlib

import numpy as np


class SeenKeys:
    """Which keys have come already, at 8 bytes a key.

    Sorted runs of hashes, merged when they are of similar length, so that a lookup searches few of them.
    Two of n different keys share a hash with probability n² / 2⁶⁵: 3 in a million at 10 million keys.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def add(self, keys: list[str]) -> np.ndarray:
        """For each key in order, whether an earlier one (of this call, or of one before) was the same."""
        hashes = np.fromiter(map(_hash, keys), np.uint64, len(keys))
        unique, first = np.unique(hashes, return_index=True)
        repeated = np.ones(len(keys), bool)
        repeated[first] = False
        known = np.zeros(len(unique), bool)
        for run in self._runs:
            places = np.searchsorted(run, unique)
            places[places == len(run)] = 0
            known |= run[places] == unique
        repeated[first[known]] = True
        self._insert(unique[~known])
        return repeated

    def _insert(self, run: np.ndarray) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(run)


def _hash(key: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little"
    )
