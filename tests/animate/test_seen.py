"""Keys that came before."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate import seen
from animate.seen import SeenKeys


@given(st.lists(st.lists(st.sampled_from([str(i) for i in range(40)]), max_size=30), max_size=8))
def test_seen_keys_agree_with_a_set(batches):
    index, known = SeenKeys(), set()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key in known)
            known.add(key)
        assert index.add(batch).tolist() == expected


@pytest.mark.parametrize("bits", [64, 1 << 20], ids=["a filter that lets all through", "a filter"])
@pytest.mark.parametrize("seed", range(3))
def test_runs_in_files_agree_with_a_set(monkeypatch, seed, bits):
    monkeypatch.setattr(seen, "IN_MEMORY", 2 * seen._BLOCK)
    monkeypatch.setattr(seen, "_FILTER_BITS", bits)
    rng, index, known = np.random.default_rng(seed), SeenKeys(), set[str]()
    for _ in range(60):
        batch = [str(number) for number in rng.integers(20_000, size=rng.integers(1, 400))]
        expected = []
        for key in batch:
            expected.append(key in known)
            known.add(key)
        assert index.add(batch).tolist() == expected
    assert any(run._file is not None for run in index._runs)
    assert sum(map(len, index._runs)) == len(known)
    for run in index._runs:
        hashes = np.concatenate(list(run.pieces()))
        assert (np.diff(hashes.astype(object)) > 0).all()


def test_memory_does_not_grow_with_the_keys(monkeypatch):
    monkeypatch.setattr(seen, "IN_MEMORY", 4096)
    monkeypatch.setattr(seen, "_FILTER_BITS", 1 << 20)
    index = SeenKeys()
    tracemalloc.start()
    for first in range(0, 400_000, 8192):
        index.add([str(number) for number in range(first, first + 8192)])
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 400_000  # a byte a key; 8 of each are in files
    assert peak < 1_500_000
