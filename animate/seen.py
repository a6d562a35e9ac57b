"""Which of very many texts (keys, digests of images) came before."""

import hashlib

import numpy as np


class SeenKeys:
    """Which keys came before, at 8 bytes for each.

    Kept are sorted runs of hashes. A new run is merged with the last one while that is at most twice as long,
    so that a look-up searches only a few: runs of 40, 8 and 3 and a new one of 2 become runs of 40 and 13.
    Among n different keys, two share a hash with probability n² / 2⁶⁵: 3 in a million for 10 million keys.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def add(self, keys: list[str]) -> np.ndarray:
        """For each key in order, whether the same key came before it, in this call or in an earlier one."""
        hashes = np.fromiter(map(_hash, keys), np.uint64, len(keys))
        unique, first = np.unique(hashes, return_index=True)
        repeated = np.ones(len(keys), bool)
        repeated[first] = False
        known = np.zeros(len(unique), bool)
        for run in self._runs:
            found = np.searchsorted(run, unique)
            found[found == len(run)] = (
                0  # larger than the whole run: equal to none of it, so not to its first
            )
            known |= run[found] == unique
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
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )
