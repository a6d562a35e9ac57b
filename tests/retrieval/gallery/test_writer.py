"""What goes into a gallery comes out, and what is unfinished leaves nothing."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from retrieval.errors import DataError
from retrieval.gallery import Gallery, GalleryWriter
from tests.support.galleries import entries, write


def test_what_goes_in_comes_out(tmp_path):
    of = entries(9)
    gallery = write(tmp_path / "gallery", of)
    assert len(gallery) == 9
    rows = np.array([7, 0, 5])
    features = gallery.features(rows)
    for i, row in enumerate(rows):
        entry = of[row]
        assert gallery.row(int(row)).video_id == entry.video_id
        assert gallery.row(int(row)).seconds == tuple(entry.seconds)
        assert gallery.row(int(row)).duration == entry.duration
        # bf16 keeps 8 bits, f16 of a unit vector 11.
        torch.testing.assert_close(features.tokens[i][features.mask[i]], entry.tokens, rtol=2**-8, atol=0)
        unit = torch.nn.functional.normalize(entry.vector, dim=0)
        torch.testing.assert_close(features.pooled[i], unit, rtol=2**-10, atol=1e-4)
        frames = torch.nn.functional.normalize(entry.frame_vectors, dim=1)
        torch.testing.assert_close(gallery.frame_vectors(int(row)), frames, rtol=2**-8, atol=1e-6)


def test_embeddings_are_plain_parquet_and_bytes_per_video_are_stated(tmp_path):
    of = entries(5)
    facts = write(tmp_path / "gallery", of).facts
    table = pq.read_table(tmp_path / "gallery" / "videos.parquet")
    assert table["id"].to_pylist() == [entry.video_id for entry in of]
    embeddings = np.stack(table["embedding"].to_pylist())
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, rtol=1e-5)
    files = [path for path in (tmp_path / "gallery").iterdir() if path.name != "gallery.json"]
    stated = facts["bytes_per_video"]
    assert {path.name: path.stat().st_size for path in files} == {
        name: round(size * 5) for name, size in stated.items()
    }
    assert facts["total_bytes_per_video"] == pytest.approx(sum(stated.values()))


def test_an_unfinished_gallery_leaves_nothing(tmp_path):
    with GalleryWriter(tmp_path / "gallery", {}) as writer:
        writer.add(entries(1)[0])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="no gallery there"):
        Gallery(tmp_path / "gallery")


def test_entries_of_other_widths_and_other_formats_are_refused(tmp_path):
    with GalleryWriter(tmp_path / "gallery", {}) as writer:
        writer.add(entries(1, width=16)[0])
        with pytest.raises(ValueError, match=r"widths \(8, 6\), others have \(16, 6\)"):
            writer.add(entries(1, width=8)[0])
        writer.finish()
    file = tmp_path / "gallery" / "gallery.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(DataError, match="has format 99"):
        Gallery(tmp_path / "gallery")
