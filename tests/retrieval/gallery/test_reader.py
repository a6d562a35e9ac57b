"""The coarse stage of a gallery finds what brute force finds."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.support.galleries import entries, write


@pytest.mark.parametrize("exact_up_to", [10_000, 100])
def test_coarse_search_finds_what_brute_force_finds(tmp_path, exact_up_to):
    of = entries(3000, width=32)
    gallery = write(tmp_path / "gallery", of, exact_up_to=exact_up_to)
    vectors = torch.nn.functional.normalize(torch.stack([entry.vector for entry in of]), dim=1).numpy()
    rng = np.random.default_rng(1)
    agreed = []
    for _ in range(20):
        query = rng.standard_normal(32).astype(np.float32)
        cosines = vectors @ (query / np.linalg.norm(query))
        best = np.argsort(-cosines)[:10]
        rows, scores = gallery.coarse(query, 10)
        np.testing.assert_allclose(scores, cosines[rows], atol=1e-3)
        assert (np.diff(scores) <= 0).all()
        agreed.append(len(set(rows) & set(best)) / 10)
    assert np.mean(agreed) > (0.99 if exact_up_to > 3000 else 0.9)


def test_a_small_gallery_gives_all_it_has(tmp_path):
    gallery = write(tmp_path / "gallery", entries(3))
    rows, _ = gallery.coarse(np.ones(16, np.float32), 50)
    assert sorted(rows.tolist()) == [0, 1, 2]


def test_rows_are_found_across_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("retrieval.gallery.writer.ROWS_PER_GROUP", 4)
    gallery = write(tmp_path / "gallery", entries(10))
    assert [gallery.row(i).video_id for i in range(10)] == [f"v{i}" for i in range(10)]


def test_one_thread_at_a_time_reads_the_table(tmp_path, monkeypatch):
    """A page asks for many rows at once; pyarrow's file would end the process, now and then."""
    gallery = write(tmp_path / "gallery", entries(3))
    table, inside, most = gallery._table, [0], [0]

    class Slow:
        def read_row_group(self, *given, **options):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.02)
            inside[0] -= 1
            return table.read_row_group(*given, **options)

    monkeypatch.setattr(gallery, "_table", Slow())
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(gallery.row, [0, 1, 2] * 8))
    assert [row.video_id for row in found] == ["v0", "v1", "v2"] * 8
    assert most == [1]
