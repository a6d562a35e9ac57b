"""A folder of videos to a gallery: all that can be read, and the others named."""

from fractions import Fraction

import pytest

from retrieval.ahead import check_same_model
from retrieval.checkpoint import load_checkpoint
from retrieval.errors import DataError
from retrieval.find import find_gallery_videos
from retrieval.gallery import Gallery
from retrieval.index import build_gallery
from retrieval.search import search
from tests.support.clips import write_clip
from tests.support.evaluating import CPU
from tests.support.galleries import QUERY
from tests.support.judged import recipe_of, save_run


def test_all_readable_videos_are_in_and_the_others_are_named(indexed):
    _, gallery, facts = indexed
    assert len(gallery) == 11
    assert facts["videos_by_status"] == {"ok": 11, "broken": 1}
    assert [video["path"].rpartition("/")[2] for video in facts["unreadable"]] == ["broken.mp4"]
    ids = {gallery.row(i).video_id for i in range(11)}
    assert {"clips/v0.mp4", "frames", "still0.png"} <= ids


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
    digest = checkpoint.info["digest"]
    check_same_model(gallery.facts, digest, "run")
    with pytest.raises(DataError, match="was made by other weights than run has") as refusal:
        check_same_model(gallery.facts, "0" * 64, "run")
    assert digest[:8] not in str(refusal.value)


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
