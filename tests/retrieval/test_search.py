"""A search ranks as an evaluation does, reads its candidates alone, and finds the moment."""

import pytest
import torch

from retrieval.checkpoint import load_checkpoint
from retrieval.compute import Compute
from retrieval.datasets import FrameReader, open_dataset
from retrieval.encode import encode_texts, encode_videos
from retrieval.gallery import Entry, Gallery
from retrieval.recipe import DataSpec
from retrieval.rerank import score_direction
from retrieval.search import search
from tests.support.evaluating import CPU
from tests.support.galleries import QUERY, write
from tests.support.judged import recipe_of, save_run

HERE = Compute(device=CPU)


def test_a_search_ranks_as_an_evaluation_of_the_same_videos_does(indexed, videos):
    checkpoint, gallery, _ = indexed
    split = open_dataset(DataSpec(name="table", held_out_table=str(videos / "clips" / "table.jsonl"))).test
    assert split is not None
    reader = FrameReader.of(checkpoint.recipe.frames)
    encoded = encode_videos(checkpoint.model, split.clips, reader, compute=HERE)
    texts = encode_texts(checkpoint.model, [QUERY], compute=HERE)
    wanted = score_direction(checkpoint.model, texts, encoded, 8, rows="text", top_k=None, compute=HERE)
    found = search(checkpoint.model, gallery, QUERY, top=11, candidates=11, device=CPU)
    scores = {hit.video_id: hit for hit in found.hits}
    for i, video in enumerate(split.video_ids):
        hit = scores[f"clips/{video}"]
        assert hit.coarse == pytest.approx(wanted.coarse[0, i], abs=0.02)
        # Tokens are kept in bf16.
        assert hit.score == pytest.approx(wanted.final[0, i], abs=0.1)
        assert (hit.fine is None) == (checkpoint.model.interaction is None)
    ordered = [hit.score for hit in found.hits]
    assert ordered == sorted(ordered, reverse=True)


def test_only_the_candidates_are_read(indexed, monkeypatch):
    checkpoint, gallery, _ = indexed
    asked = []
    read = Gallery.features

    def watched(self, rows):
        asked.append(len(rows))
        return read(self, rows)

    monkeypatch.setattr(Gallery, "features", watched)
    found = search(checkpoint.model, gallery, QUERY, top=2, candidates=4, device=CPU)
    assert len(found.hits) == 2
    fine = checkpoint.model.interaction is not None
    assert asked == ([4] if fine else [])
    assert found.num_read == (4 if fine else 0)
    assert set(found.milliseconds) == {"encode", "coarse", "fine", "moments", "all"}


def test_the_moment_is_the_frame_nearest_to_the_words(tmp_path):
    """The words' own vector stands in for what one frame shows."""
    checkpoint = load_checkpoint(save_run(tmp_path / "run", recipe_of({"name": "table"}, "none")))
    with torch.no_grad():
        words = checkpoint.model.encode_text(checkpoint.model.tokenize([QUERY])).pooled[0]
    other = torch.randn(len(words), generator=torch.Generator().manual_seed(1))
    frames = torch.stack([other, words + 0.1 * other, -words])
    entry = Entry(
        video_id="v",
        path="v.mp4",
        duration=9.0,
        seconds=[0.0, 3.0, 6.0],
        vector=frames.mean(0),
        tokens=torch.zeros(3, 64),
        frame_vectors=frames,
    )
    gallery = write(tmp_path / "gallery", [entry])
    (hit,) = search(checkpoint.model, gallery, QUERY, top=1, candidates=1, device=CPU).hits
    assert (hit.moment, hit.moment_end, hit.duration) == (3.0, 6.0, 9.0)
