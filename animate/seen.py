"""Which of very many texts (keys, addresses, digests of images) came before."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np
from jaxtyping import Bool, UInt64

#: Hashes of a run that stays in memory; longer ones go to a temporary file.
IN_MEMORY = 1 << 20
#: Hashes of a file that are read together: 1 kB.
_BLOCK = 128
#: Bits of a Bloom filter before the files: 64 MB, which of 100 million new keys lets a tenth through to them.
_FILTER_BITS = 1 << 29

#: Sorted hashes, none twice.
Hashes = UInt64[np.ndarray, " n"]


class SeenKeys:
    """Which keys came before, at 8 bytes of disk for each and some 100 megabytes of memory for all.

    Kept are sorted runs of hashes. A new run is merged with the last one while that is at most twice as long,
    so that a look-up searches only a few: runs of 40, 8 and 3 and a new one of 2 become runs of 40 and 13.
    Among n different keys, two share a hash with probability n² / 2⁶⁵: 3 in a million for 10 million keys.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._filter: _Filter | None = None

    def add(self, keys: list[str]) -> Bool[np.ndarray, " k"]:
        """For each key in order, whether the same key came before it, in this call or in an earlier one."""
        hashes = np.fromiter(map(_hash, keys), np.uint64, len(keys))
        unique, first = np.unique(hashes, return_index=True)
        repeated = np.ones(len(keys), bool)
        repeated[first] = False
        known = np.zeros(len(unique), bool)
        maybe = np.ones(len(unique), bool) if self._filter is None else self._filter.may_hold(unique)
        for run in self._runs:
            asked = maybe if run.in_file else slice(None)
            known[asked] |= run.holds(unique[asked])
        repeated[first[known]] = True
        self._insert(_Run(iter([unique[~known]])))
        return repeated

    def _insert(self, run: "_Run") -> None:
        if self._filter is not None:
            self._filter.add(run)
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = _Run(_merged(self._runs.pop(), run))
        if len(run):
            self._runs.append(run)
        if run.in_file and self._filter is None:
            self._filter = _Filter(_FILTER_BITS)
            for one in self._runs:
                self._filter.add(one)


class _Filter:
    """A Bloom filter of two bits a hash: whether a hash may have been added, or surely was not."""

    def __init__(self, bits: int) -> None:
        self._bytes = np.zeros(bits // 8, np.uint8)
        self._bits = np.uint64(bits)

    def add(self, run: "_Run") -> None:
        for piece in run.pieces():
            for byte, bit in self._places(piece):
                np.bitwise_or.at(self._bytes, byte, bit)

    def may_hold(self, hashes: Hashes) -> Bool[np.ndarray, " n"]:
        (byte, bit), (other_byte, other_bit) = self._places(hashes)
        return (self._bytes[byte] & bit > 0) & (self._bytes[other_byte] & other_bit > 0)

    def _places(self, hashes: Hashes) -> list[tuple[np.ndarray, np.ndarray]]:
        """Byte and bit of each hash, twice, from its lower and its upper half."""
        halves = (hashes % self._bits, (hashes >> np.uint64(32)) % self._bits)
        return [(half // 8, np.left_shift(1, half % 8).astype(np.uint8)) for half in halves]


class _Run:
    """A sorted run of hashes, given piece by piece: in memory, or in a file of which the first hash of each
    block is in memory."""

    def __init__(self, pieces: Iterator[Hashes]) -> None:
        self._file: IO[bytes] | None = None
        self._length = 0
        waiting = []
        for piece in pieces:
            waiting.append(piece)
            self._length += len(piece)
            if self._file is None and self._length > IN_MEMORY:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            if self._file is not None:
                for part in waiting:
                    part.tofile(self._file)
                waiting = []
        self._hashes = np.concatenate([np.empty(0, np.uint64), *waiting])
        if self._file is not None:
            self._file.flush()
            self._firsts = np.concatenate([piece[::_BLOCK].copy() for piece in self.pieces()])

    def __len__(self) -> int:
        return self._length

    @property
    def in_file(self) -> bool:
        return self._file is not None

    def holds(self, wanted: Hashes) -> Bool[np.ndarray, " n"]:
        """Whether each of `wanted` is in the run."""
        if self._file is None or not len(wanted):
            return _found(self._hashes, wanted)
        # Block 2 holds what lies between the first hash of block 2 and that of block 3.
        blocks = np.searchsorted(self._firsts, wanted, side="right") - 1
        held = np.zeros(len(wanted), bool)
        starts = np.flatnonzero(np.diff(blocks, prepend=-2))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(wanted)], strict=True):
            if blocks[start] >= 0:
                block = self._read(int(blocks[start]) * _BLOCK, _BLOCK)
                held[start:end] = _found(block, wanted[start:end])
        return held

    def pieces(self) -> Iterator[Hashes]:
        """All of it, in pieces of whole blocks."""
        if self._file is None:
            yield self._hashes
            return
        for first in range(0, self._length, IN_MEMORY):
            yield self._read(first, IN_MEMORY)

    def _read(self, first: int, count: int) -> Hashes:
        assert self._file is not None
        return np.frombuffer(os.pread(self._file.fileno(), 8 * count, 8 * first), np.uint64)


def _merged(one: _Run, other: _Run) -> Iterator[Hashes]:
    """Both runs as one, piece by piece, given that they share no hash.

    Of the pieces at hand, what is not above the last hash of either is complete, and leaves:

        at hand    2 5 9 and 3 4 7    leave 2 3 4 5 7, 9 stays
    """
    left, right = one.pieces(), other.pieces()
    a, b = next(left, None), next(right, None)
    while a is not None and b is not None:
        if not len(a):
            a = next(left, None)
        elif not len(b):
            b = next(right, None)
        else:
            last = min(a[-1], b[-1])
            in_a, in_b = (int(np.searchsorted(piece, last, side="right")) for piece in (a, b))
            piece = np.concatenate([a[:in_a], b[:in_b]])
            piece.sort(kind="stable")
            yield piece
            a, b = a[in_a:], b[in_b:]
    for rest, pieces in ((a, left), (b, right)):
        if rest is not None:
            yield rest
            yield from pieces


def _found(run: Hashes, wanted: Hashes) -> Bool[np.ndarray, " n"]:
    """Whether each of `wanted` is in a sorted `run`."""
    if not len(run):
        return np.zeros(len(wanted), bool)
    # What is larger than the whole run is equal to none of it, so not to its last.
    places = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
    return run[places] == wanted


def _hash(key: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )
