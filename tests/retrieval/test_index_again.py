"""A gallery goes on after any interruption, and takes videos in and out without encoding the others again."""

import filecmp
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import torch

from retrieval.checkpoint import Checkpoint, load_checkpoint
from retrieval.datasets import FrameReader
from retrieval.errors import DataError
from retrieval.gallery import Entry, Gallery, GalleryWriter
from retrieval.index import add_to_gallery, build_gallery, remove_from_gallery
from tests.support.clips import write_clip
from tests.support.judged import recipe_of, save_run, write_table

CPU = torch.device("cpu")


class Stopped(BaseException):
    """As if the process had been killed here."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Checkpoint:
    """Its batches are of three videos."""
    return load_checkpoint(save_run(tmp_path_factory.mktemp("run"), recipe_of({"name": "table"})))


@pytest.fixture
def videos(tmp_path) -> Path:
    """Ten videos, a broken one and a file that is none."""
    folder = tmp_path / "videos"
    write_table(folder, 10)
    (folder / "v20.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture
def reads(monkeypatch) -> Counter[str]:
    """How often each file was read."""
    counted: Counter[str] = Counter()
    read = FrameReader.read
    monkeypatch.setattr(
        FrameReader, "read", lambda self, path, rng: counted.update([path.name]) or read(self, path, rng)
    )
    return counted


def stopped(monkeypatch, where: str, call: int, run: Callable[[], object]) -> None:
    """Run something whose process ends in the `call`-th call of a function, before that does anything."""
    whole, calls = resolve_name(where), [0]

    def stopping(*args, **kwargs):
        calls[0] += 1
        if calls[0] == call:
            raise Stopped
        return whole(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(where, stopping)
        with pytest.raises(Stopped):
            run()


def same(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    match, _, _ = filecmp.cmpfiles(one, other, names, shallow=False)
    return names == sorted(path.name for path in other.iterdir()) == sorted(match)


def ids(gallery: Path) -> list[str]:
    return [row.video_id for row in Gallery(gallery).rows()]


ENCODING = "retrieval.intake._read_and_encode"
#: Where the process ends: in the n-th batch's reading, its commit, or one of the last steps.
MOMENTS = [
    (ENCODING, 1),
    (ENCODING, 3),
    ("retrieval.gallery.writer.GalleryWriter.commit", 2),
    ("retrieval.gallery.journal.os.fsync", 7),
    ("retrieval.gallery.writer.take_over", 2),
    ("retrieval.gallery.writer.build_codes", 1),
    ("retrieval.gallery.writer.move_in", 1),
    ("retrieval.gallery.place.shutil.rmtree", 2),
]


@pytest.mark.parametrize(("where", "call"), MOMENTS)
def test_stopped_anywhere_the_same_command_gives_the_same_gallery(
    checkpoint, videos, tmp_path, where, call, reads, monkeypatch
):
    whole = build_gallery(checkpoint, videos, tmp_path / "whole", device=CPU)
    out = tmp_path / "out"
    reads.clear()
    stopped(monkeypatch, where, call, lambda: build_gallery(checkpoint, videos, out, device=CPU))
    finished = out.exists()
    if not finished:
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")].count("out") == 0
        with pytest.raises(DataError, match="no gallery there"):
            Gallery(out)
    calls = []
    if finished or where.endswith("move_in"):
        # It was all there: the move is completed, and the gallery is not made a second time.
        with pytest.raises(DataError, match="is there already"):
            build_gallery(checkpoint, videos, out, device=CPU)
    else:
        again = build_gallery(
            checkpoint, videos, out, device=CPU, on_video=lambda done, total: calls.append((done, total))
        )
        assert again["videos_by_status"] == whole["videos_by_status"] == {"ok": 10, "broken": 1}
        assert again["unreadable"] == whole["unreadable"]
        assert calls[0] == (again["already"], 11)
        assert calls[-1] == (11, 11)
    assert same(out, tmp_path / "whole")
    # At most one batch was read twice.
    assert sum(reads.values()) <= 11 + 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_torn_journal_and_uncommitted_bytes_do_not_matter(checkpoint, videos, tmp_path, monkeypatch):
    build_gallery(checkpoint, videos, tmp_path / "whole", device=CPU)
    out, state = tmp_path / "out", tmp_path / ".out.indexing"
    stopped(
        monkeypatch,
        ENCODING,
        3,
        lambda: build_gallery(checkpoint, videos, out, device=CPU),
    )
    with (state / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"ends": {"tok')
    with (state / "tokens.bf16").open("ab") as tokens:
        tokens.write(b"uncommitted")
    assert build_gallery(checkpoint, videos, out, device=CPU)["already"] == 6
    assert same(out, tmp_path / "whole")


def test_a_file_that_changed_or_went_meanwhile_is_not_as_it_was(checkpoint, videos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    stopped(
        monkeypatch,
        ENCODING,
        3,
        lambda: build_gallery(checkpoint, videos, out, device=CPU),
    )
    (videos / "v0.mp4").unlink()
    write_clip(videos / "v1.mp4", range(9), Fraction(1, 2), offset=40)
    assert build_gallery(checkpoint, videos, out, device=CPU)["already"] == 4
    assert sorted(ids(out)) == [f"v{i}.mp4" for i in range(1, 10)]
    fresh = tmp_path / "fresh"
    build_gallery(checkpoint, videos, fresh, device=CPU)
    assert contents(out) == contents(fresh)


def contents(folder: Path) -> dict[str, tuple]:
    """What is kept of each video, to three decimals: a batch's company changes the last bits."""
    gallery = Gallery(folder)
    return {
        stored.row.video_id: (
            stored.row,
            stored.embedding.round(3).tolist(),
            stored.tokens.shape,
            gallery.frame_vectors(at).numpy().round(1).tolist(),
        )
        for at, stored in enumerate(gallery.stored(range(len(gallery))))
    }


def test_an_unfinished_gallery_of_something_else_is_refused_or_thrown_away(
    checkpoint, videos, tmp_path, monkeypatch, caplog
):
    out = tmp_path / "out"
    stopped(
        monkeypatch,
        ENCODING,
        2,
        lambda: build_gallery(checkpoint, videos, out, device=CPU),
    )
    other = tmp_path / "other"
    shutil.copytree(videos, other)
    with pytest.raises(DataError, match=r"made otherwise \(videos was .*videos', is .*other'"):
        build_gallery(checkpoint, other, out, device=CPU)
    build_gallery(checkpoint, other, out, device=CPU, overwrite=True)
    assert "is thrown away: videos was" in caplog.text
    assert Gallery(out).facts["videos"] == str(other)


def test_two_cannot_make_one_gallery_at_once(tmp_path):
    first = GalleryWriter(tmp_path / "out", {}, about={"a": 1})
    with first, pytest.raises(DataError, match="another process is making this gallery"):
        GalleryWriter(tmp_path / "out", {}, about={"a": 1})


def test_add_encodes_what_is_new_or_changed_and_nothing_else(checkpoint, videos, tmp_path, reads):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    before = contents(out)
    (videos / "new").mkdir()
    write_clip(videos / "new" / "w.mp4", range(6), Fraction(1, 2), offset=77)
    write_clip(videos / "v3.mp4", range(9), Fraction(1, 2), offset=40)
    reads.clear()
    facts = add_to_gallery(checkpoint, videos, out, device=CPU)
    # What cannot be read is tried again: it may have been mended.
    assert sorted(reads) == ["v20.mp4", "v3.mp4", "w.mp4"]
    assert (facts["already"], facts["num_videos"]) == (9, 11)
    after = contents(out)
    assert after.keys() - before.keys() == {"new/w.mp4"}
    assert {name for name in before if after[name] != before[name]} == {"v3.mp4"}
    fresh = tmp_path / "fresh"
    build_gallery(checkpoint, videos, fresh, device=CPU)
    assert contents(fresh) == after


def test_a_folder_that_moved_is_not_encoded_again(checkpoint, videos, tmp_path, reads):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    videos.rename(tmp_path / "moved")
    reads.clear()
    add_to_gallery(checkpoint, tmp_path / "moved", out, device=CPU)
    assert sorted(reads) == ["v20.mp4"]
    assert all(row.file.exists() for row in Gallery(out).rows())


def test_an_interrupted_add_leaves_the_old_gallery_and_goes_on(
    checkpoint, videos, tmp_path, reads, monkeypatch
):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    before = contents(out)
    for i in range(30, 36):
        shutil.copy(videos / "v5.mp4", videos / f"v{i}.mp4")
    stopped(
        monkeypatch,
        ENCODING,
        2,
        lambda: add_to_gallery(checkpoint, videos, out, device=CPU),
    )
    assert contents(out) == before
    reads.clear()
    facts = add_to_gallery(checkpoint, videos, out, device=CPU)
    assert (facts["num_videos"], sum(reads.values())) == (16, 4)


def test_a_gallery_of_other_weights_or_other_files_takes_nothing_in(checkpoint, videos, tmp_path):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    recipe = recipe_of({"name": "table"}, seed=5)
    other = load_checkpoint(save_run(tmp_path / "other", recipe))
    with pytest.raises(DataError, match="has model_digest"):
        add_to_gallery(other, videos, out, device=CPU)
    (tmp_path / "more").mkdir()
    write_clip(tmp_path / "more" / "v1.mp4", range(9), Fraction(1, 2))
    with pytest.raises(DataError, match=r"'v1.mp4' is another file than the one of that name"):
        add_to_gallery(checkpoint, tmp_path / "more", out, device=CPU)


def test_remove_takes_out_by_id_path_and_pattern_and_what_is_gone(checkpoint, videos, tmp_path, reads):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    before = contents(out)
    reads.clear()
    (videos / "v9.mp4").unlink()
    facts = remove_from_gallery(out, ["v1.mp4", str(videos / "v2.mp4"), "*[34].mp4"], gone=True)
    assert (facts["removed"], facts["num_videos"], reads) == (5, 5, Counter())
    left = [f"v{i}.mp4" for i in (0, 5, 6, 7, 8)]
    assert ids(out) == left
    assert contents(out) == {name: before[name] for name in left}
    with pytest.raises(DataError, match=r"remove = v1.mp4: no video of the gallery"):
        remove_from_gallery(out, ["v1.mp4", "v5.mp4"], gone=False)
    with pytest.raises(DataError, match="no video would be left"):
        remove_from_gallery(out, ["*"], gone=False)
    assert ids(out) == left


def test_what_is_removed_is_not_added_in_the_same_breath(checkpoint, videos, tmp_path):
    out = tmp_path / "out"
    build_gallery(checkpoint, videos, out, device=CPU)
    shutil.copy(videos / "v5.mp4", videos / "v50.mp4")
    facts = add_to_gallery(checkpoint, videos, out, device=CPU, remove=["v1.mp4"])
    assert (facts["removed"], facts["num_videos"]) == (1, 10)
    assert "v1.mp4" not in ids(out)
    assert "v50.mp4" in ids(out)


def test_features_that_are_not_finite_never_enter(checkpoint, videos, tmp_path, monkeypatch):
    pool = checkpoint.model.pool_frames

    def spoiled(single, mask):
        features = pool(single, mask)
        features.pooled[0, 0] = torch.nan
        return features

    monkeypatch.setattr(checkpoint.model, "pool_frames", spoiled)
    facts = build_gallery(checkpoint, videos, tmp_path / "out", device=CPU)
    # The first of each batch of three: v0, v20 is in the second (v2, v20, v3), and so on.
    assert facts["videos_by_status"] == {"ok": 6, "broken": 1, "not finite": 4}
    assert sum("features are not finite" in video["message"] for video in facts["unreadable"]) == 4
    assert len(Gallery(tmp_path / "out")) == 6


def test_the_writer_and_the_search_refuse_what_is_not_finite(tmp_path):
    entry = Entry(
        video_id="v",
        path="v.mp4",
        duration=1.0,
        seconds=[0.0],
        vector=torch.tensor([1.0, torch.inf]),
        tokens=torch.zeros(1, 2),
        frame_vectors=torch.ones(1, 2),
    )
    with GalleryWriter(tmp_path / "out", {}) as writer:
        with pytest.raises(ValueError, match="not finite"):
            writer.add(entry)
        writer.add(replace(entry, vector=torch.tensor([1.0, 2.0])))
        writer.finish()
    with pytest.raises(DataError, match="query: its features are not finite"):
        Gallery(tmp_path / "out").coarse(np.array([1.0, np.nan], np.float32), 5)


def test_a_file_of_a_name_that_is_no_text_can_be_opened_again(checkpoint, videos, tmp_path):
    raw = os.fsdecode(b"caf\xe9.mp4")
    (videos / "v0.mp4").rename(videos / raw)
    build_gallery(checkpoint, videos, tmp_path / "out", device=CPU)
    (row,) = [row for row in Gallery(tmp_path / "out").rows() if row.video_id == r"caf\xe9.mp4"]
    assert json.loads(json.dumps(row.path, ensure_ascii=False).encode()) == str(videos / r"caf\xe9.mp4")
    assert row.file.read_bytes() == (videos / raw).read_bytes()


def test_one_video_file_makes_a_gallery(checkpoint, videos, tmp_path):
    build_gallery(checkpoint, videos / "v4.mp4", tmp_path / "out", device=CPU)
    assert ids(tmp_path / "out") == ["v4.mp4"]
