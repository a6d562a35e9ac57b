"""A gallery gives back what went into it, finds what brute force finds, and reads only its candidates."""

import io
import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from cli.retrieval.progress import VideoProgress
from cli.retrieval.search import clock
from retrieval.checkpoint import load_checkpoint
from retrieval.compute import Compute
from retrieval.datasets import Fitted, FrameReader, open_dataset
from retrieval.encode import encode_texts, encode_videos, pad_clips
from retrieval.errors import DataError
from retrieval.find import find_gallery_videos
from retrieval.gallery import Entry, Gallery, GalleryWriter
from retrieval.index import build_gallery
from retrieval.intake import encode_with_frames
from retrieval.recipe import DataSpec
from retrieval.rerank import score_direction
from retrieval.search import check_same_model, search
from tests.support.clips import numbered, write_clip
from tests.support.judged import build, recipe_of, save_run, write_table

CPU = torch.device("cpu")
HERE = Compute(device=CPU)
QUERY = "a dog and a cat"


def entries(count: int, width: int = 16, seed: int = 0) -> list[Entry]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Entry(
            video_id=f"v{i}",
            path=f"/videos/v{i}.mp4",
            duration=float(i + 1),
            seconds=[0.0, 0.5][: 1 + i % 2],
            vector=torch.randn(width, generator=generator) * 3,
            tokens=torch.randn(1 + i % 3, 6, generator=generator),
            frame_vectors=torch.randn(1 + i % 2, width, generator=generator),
        )
        for i in range(count)
    ]


def write(folder: Path, of: list[Entry], **settings) -> Gallery:
    with GalleryWriter(folder, {"model_digest": "x"}, **settings) as writer:
        for entry in of:
            writer.add(entry)
        writer.finish()
    return Gallery(folder)


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


# --- With a model -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Eight videos, a folder of frames, two stills and a broken file."""
    folder = tmp_path_factory.mktemp("videos")
    write_table(folder / "clips", 8)
    (folder / "frames").mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / "frames" / f"{i}.png"), numbered(900 + i))
    for i in range(2):
        cv2.imwrite(str(folder / f"still{i}.png"), numbered(5000 + i))
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module", params=["none", "tokens"])
def indexed(request, videos, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    checkpoint = load_checkpoint(save_run(place / "run", recipe_of({"name": "table"}, request.param)))
    facts = build_gallery(checkpoint, videos, place / "gallery", device=CPU)
    return checkpoint, Gallery(place / "gallery"), facts


def test_all_readable_videos_are_in_and_the_others_are_named(indexed):
    _, gallery, facts = indexed
    assert len(gallery) == 11
    assert facts["videos_by_status"] == {"ok": 11, "broken": 1}
    assert [video["path"].rpartition("/")[2] for video in facts["unreadable"]] == ["broken.mp4"]
    ids = {gallery.row(i).video_id for i in range(11)}
    assert {"clips/v0.mp4", "frames", "still0.png"} <= ids


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


@torch.no_grad()
def test_one_pass_gives_the_videos_features_and_each_frames(videos):
    model = build(recipe_of({"name": "table"}))
    reader = FrameReader.of(recipe_of({"name": "table"}).frames)
    clips = [reader.read(videos / name, None) for name in ("clips/v0.mp4", "still0.png")]
    frames, mask = pad_clips([clip for clip in clips if isinstance(clip, Fitted)])
    ran = []
    encode = model.towers.encode_frames
    model.towers.encode_frames = lambda frames: ran.append(len(frames)) or encode(frames)
    features, vectors = encode_with_frames(model, frames, mask)
    assert ran == [int(mask.sum())] and ran[0] < mask.numel(), "padding is no work for the towers"
    whole = model.encode_video(frames, mask)
    for name in ("pooled", "tokens", "mask"):
        torch.testing.assert_close(getattr(features, name), getattr(whole, name))
    for i, length in enumerate(mask.sum(1).tolist()):
        for t in range(length):
            alone = model.encode_video(frames[i : i + 1, t : t + 1], mask[i : i + 1, t : t + 1]).pooled[0]
            cosine = torch.nn.functional.cosine_similarity(vectors[i, t], alone, dim=0)
            assert float(cosine) == pytest.approx(1.0, abs=1e-5)


def test_refusals(indexed, videos, tmp_path):
    checkpoint, gallery, _ = indexed
    (tmp_path / "precious").mkdir()
    for overwrite in (False, True):
        with pytest.raises(DataError, match="--overwrite replaces a gallery, and nothing else"):
            build_gallery(checkpoint, videos, tmp_path / "precious", device=CPU, overwrite=overwrite)
    with pytest.raises(DataError, match="no such folder"):
        find_gallery_videos(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no video or image in it"):
        find_gallery_videos(tmp_path / "precious")
    with pytest.raises(DataError, match="top = 0"):
        search(checkpoint.model, gallery, QUERY, top=0, candidates=1, device=CPU)
    with pytest.raises(DataError, match="there is nothing to search for"):
        search(checkpoint.model, gallery, "  ", top=1, candidates=1, device=CPU)
    check_same_model(gallery, checkpoint)
    gallery.facts["model_digest"] = "0" * 64
    with pytest.raises(DataError, match="was made by a model with digest 000000000000"):
        check_same_model(gallery, checkpoint)


def test_nothing_readable_makes_no_gallery(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"no video")
    checkpoint = load_checkpoint(save_run(tmp_path / "run", recipe_of({"name": "table"})))
    with pytest.raises(DataError, match="none of 1 can be read"):
        build_gallery(checkpoint, tmp_path / "videos", tmp_path / "gallery", device=CPU)
    assert not (tmp_path / "gallery").exists()


def test_overwriting_a_gallery(tmp_path):
    write_clip(tmp_path / "videos_a.mp4", range(3), Fraction(1, 3))
    folder = tmp_path / "videos"
    folder.mkdir()
    (tmp_path / "videos_a.mp4").rename(folder / "a.mp4")
    checkpoint = load_checkpoint(save_run(tmp_path / "run", recipe_of({"name": "table"})))
    build_gallery(checkpoint, folder, tmp_path / "gallery", device=CPU)
    write_clip(folder / "b.mp4", range(3), Fraction(1, 3))
    build_gallery(checkpoint, folder, tmp_path / "gallery", device=CPU, overwrite=True)
    assert len(Gallery(tmp_path / "gallery")) == 2


def test_progress_is_lines_in_a_log():
    now, log = [0.0], io.StringIO()
    progress = VideoProgress(Console(file=log), clock=lambda: now[0])
    for second, done in ((0, 24), (10, 334), (31, 1024), (40, 1100), (62, 20_000)):
        now[0] = second
        progress.show(done, 20_000)
    assert log.getvalue().splitlines() == [
        "24 of 20,000 videos are there already",
        "1,024 of 20,000 videos, 32.3 a second",
        "20,000 of 20,000 videos, 322.2 a second",
    ]


def test_moments_are_shown_in_minutes_and_seconds():
    assert [clock(second) for second in (0.0, 9.96, 62.5, 3599.99)] == [
        "0:00.0",
        "0:10.0",
        "1:02.5",
        "60:00.0",
    ]
