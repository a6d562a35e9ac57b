"""The law of materializing: what comes out is what a direct build would have made, byte for byte."""

import json

import pytest

from animate import materialize as module
from animate.build import build_shards
from animate.codec import encode_jpeg
from animate.executor import HERE
from animate.inspect.again import StillGone, film_again
from animate.inspect.catalogue import read_catalogue
from animate.inspect.opened import open_set
from animate.inspect.originals import find_originals
from animate.load import load_clips
from animate.materialize import materialize
from animate.sentences import as_sentence
from animate.shards.origin import source_faults
from animate.shards.place import BuildRefused, Place
from animate.shards.verify import verify
from animate.sources import SourceError
from tests.support.shard_sets import all_files, build_set, recipe_of


@pytest.fixture(scope="module")
def virtual(tmp_path_factory):
    return build_set(tmp_path_factory.mktemp("virtual") / "shards", "virtual")


def shards_of(folder) -> dict[str, bytes]:
    return {name: content for name, content in all_files(folder).items() if name[:5].isdecimal()}


@pytest.mark.parametrize("format", ["mp4", "frames"])
def test_the_shards_are_those_of_a_direct_build(virtual, tmp_path, format):
    direct = build_set(tmp_path / "direct", format)
    report = materialize(virtual, tmp_path / "made", format=format, workforce=HERE)
    assert report.complete and report.clips == 12
    assert len(shards_of(direct)) == 9
    assert shards_of(tmp_path / "made") == shards_of(direct)
    assert (tmp_path / "made" / "__len__").read_text() == "12"
    assert verify(str(tmp_path / "made")) == []


@pytest.mark.parametrize("camera", ["none", "appended"])
def test_camera_captions_go_where_the_recipe_puts_them(tmp_path, camera):
    how = f"captions.camera={camera}"
    build_set(tmp_path / "virtual", "virtual", how)
    direct = build_set(tmp_path / "direct", "frames", how)
    materialize(tmp_path / "virtual", tmp_path / "made", format="frames", workforce=HERE)
    assert shards_of(tmp_path / "made") == shards_of(direct)
    assert verify(str(direct)) == []
    for clip in load_clips(direct):
        record = clip["json"]
        whole = " ".join(filter(None, (as_sentence(record["captions"][0]), record["camera_caption"])))
        assert clip["caption"] == (whole if camera == "appended" else record["captions"][0])
        assert bool(record["camera_caption"]) == (camera == "appended")


def test_rejections_and_missing_values_are_passed_on(tmp_path):
    import numpy as np

    photographs = tmp_path / "photographs"
    photographs.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    whole = encode_jpeg(pixels, 90)
    images = {"a.jpg": whole, "b.jpg": whole[:900], "c.jpg": whole, "d.jpg": b"", "e.jpg": b"no image"}
    for name, image in images.items():
        (photographs / name).write_bytes(image)
    # "score" is missing once, "note" a text that is missing in the first row.
    rows = [
        {
            "file_name": name,
            "caption": f"picture {name}",
            "score": None if name == "c.jpg" else 0.5,
            "note": note,
        }
        for name, note in zip(images, [None, "x", "y", None, None], strict=True)
    ]
    (photographs / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = ("source.name=folder", f"source.path={photographs}")
    build_shards(recipe_of("virtual", *source), tmp_path / "virtual", workforce=HERE)
    direct = build_shards(recipe_of("frames", *source), tmp_path / "direct", workforce=HERE)
    assert dict(direct.rejected) == {"empty_file": 2, "not_an_image": 2, "truncated": 2}
    made = materialize(tmp_path / "virtual", tmp_path / "made", format="frames", workforce=HERE)
    assert dict(made.rejected) == dict(direct.rejected)
    assert shards_of(tmp_path / "made") == shards_of(tmp_path / "direct")


def test_it_goes_on_where_it_stopped(virtual, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    materialize(virtual, whole, format="frames", workforce=HERE)
    render = module.replay_record
    clips = []

    def stop_in_the_second_shard(*arguments):
        clips.append(1)
        if len(clips) == 7:
            raise KeyboardInterrupt
        return render(*arguments)

    monkeypatch.setattr(module, "replay_record", stop_in_the_second_shard)
    with pytest.raises(KeyboardInterrupt):
        materialize(virtual, cut, format="frames", workforce=HERE)
    assert [path.name for path in cut.glob("*_stats.json")] == ["00000_stats.json"]
    monkeypatch.undo()
    assert materialize(virtual, cut, format="frames", workforce=HERE).shards_made == 2
    assert all_files(cut) == all_files(whole)
    assert materialize(virtual, cut, format="frames", workforce=HERE).shards_made == 0


def test_the_address_of_the_virtual_set_does_not_matter(virtual, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    materialize(virtual, tmp_path / "a", format="frames", workforce=HERE)
    monkeypatch.chdir(virtual.parent)
    materialize("shards", tmp_path / "b", format="frames", workforce=HERE)
    store = Place.at("memory://materialized").filesystem
    try:
        store.put(f"{virtual}/", "/materialized/virtual/", recursive=True)
        materialize("memory://materialized/virtual", tmp_path / "c", format="frames", workforce=HERE)
    finally:
        store.rm("/materialized", recursive=True)
    assert all_files(tmp_path / "a") == all_files(tmp_path / "b") == all_files(tmp_path / "c")


def test_what_cannot_be_meant_is_refused_and_touches_nothing(virtual, tmp_path):
    frames = build_set(tmp_path / "frames", "frames")
    before = all_files(virtual), all_files(frames)
    out = tmp_path / "out"
    for shards, target, format, message in (
        (frames, out, "mp4", "holds frames clips"),
        (tmp_path / "none", out, "mp4", "holds no shard set"),
        (virtual, out, "virtual", "must be one of mp4, frames"),
        (virtual, out, "gif", "must be one of mp4, frames"),
        (virtual, virtual, "mp4", "is the shard set that is read"),
        (virtual, frames, "mp4", "another recipe or source"),
    ):
        with pytest.raises(BuildRefused, match=message):
            materialize(shards, target, format=format, workforce=HERE, overwrite=target is virtual)
    assert (all_files(virtual), all_files(frames)) == before
    assert not out.exists()


def test_an_unfinished_set_is_refused(tmp_path):
    virtual = build_set(tmp_path / "virtual", "virtual")
    (virtual / "_animate" / "manifest.json").unlink()
    with pytest.raises(BuildRefused, match="is not finished"):
        materialize(virtual, tmp_path / "out", format="mp4", workforce=HERE)


def test_a_damaged_virtual_shard_stops_with_its_name(tmp_path):
    virtual = build_set(tmp_path / "virtual", "virtual")
    tar = virtual / "00001.tar"
    tar.write_bytes((virtual / "00000.tar").read_bytes())
    report = materialize(virtual, tmp_path / "out", format="frames", workforce=HERE)
    assert not report.complete
    assert [failure.name for failure in report.failures] == ["00001"]
    assert "animate verify" in report.failures[0].message


def test_where_a_corpus_is_asked_for_a_made_set_says_that_the_virtual_one_has_the_stills(virtual, tmp_path):
    """`verify --source` found its true corpus at fault, and `preview` asked for one that it then denied."""
    materialize(virtual, tmp_path / "made", format="mp4", workforce=HERE)
    made = open_set(str(tmp_path / "made"))
    for corpus in (str(virtual), "demo"):
        with pytest.raises(BuildRefused, match="was made of virtual clips"):
            source_faults(str(tmp_path / "made"), corpus)
        with pytest.raises(SourceError, match="the virtual set has the stills"):
            find_originals(made, corpus)
    with pytest.raises(StillGone, match="the virtual set has the stills"):
        film_again(made, read_catalogue(made).clips[0].key)
    assert not source_faults(str(virtual), "demo")
