"""The Hugging Face data set: in and out of `datasets`, and as plain Parquet."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from animate.codec import decode_mp4
from animate.export import export_shards
from animate.exports.hf import schema
from tests.support.exporting import CLIPS, Source, hostile_set

SPLIT = (0.5, 0.5)


@pytest.fixture
def exported(source: Source, tmp_path):
    return tmp_path / "out", source.export(tmp_path / "out", "hf", split=SPLIT)


@pytest.mark.filterwarnings("ignore")
def test_datasets_loads_it_and_writes_it_again(source: Source, exported, tmp_path):
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    folder, report = exported
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {
        "train": report.clips["train"],
        "validation": report.clips["val"],
    }
    assert isinstance(loaded["train"].features["video"], datasets.Video)
    keys = []
    for part in loaded.values():
        for row in part.cast_column("video", datasets.Video(decode=False)):
            clip = source.clips[row["key"]]
            keys.append(row["key"])
            assert row["caption"] == clip["caption"] and row["captions"] == clip["captions"]
            assert (row["license"] or "") == clip["json"]["license"] and row["fps"] == clip["json"]["fps"]
            frames = decode_mp4(row["video"]["bytes"])
            np.testing.assert_array_equal(frames, clip["frames"].transpose(0, 2, 3, 1))
    assert sorted(keys) == sorted(source.clips) and len(keys) == CLIPS
    part = loaded["train"].cast_column("video", datasets.Video(decode=False))
    part.to_parquet(str(tmp_path / "again.parquet"))
    again = datasets.Dataset.from_parquet(str(tmp_path / "again.parquet"), cache_dir=str(tmp_path / "cache"))
    assert again["key"][:] == part["key"][:]
    assert again[0]["video"]["bytes"] == part[0]["video"]["bytes"]


@pytest.mark.filterwarnings("ignore")
def test_datasets_decodes_the_videos(source: Source, exported, tmp_path):
    datasets = pytest.importorskip("datasets", reason="pip install datasets")
    try:
        import torchcodec  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchcodec does not load: {str(error).splitlines()[0]}")
    loaded = datasets.load_dataset(str(exported[0]), cache_dir=str(tmp_path / "cache"))["train"]
    row = loaded[0]
    frames = row["video"].get_frames_in_range(0, 5).data.numpy()
    assert frames.shape == source.clips[row["key"]]["frames"].shape
    assert abs(frames.astype(int) - source.clips[row["key"]]["frames"]).mean() < 4


def test_it_is_plain_parquet_with_small_row_groups(source: Source, exported, monkeypatch):
    folder, _ = exported
    files = sorted((folder / "data").glob("*.parquet"))
    tables = [pq.read_table(path) for path in files]
    assert sum(table.num_rows for table in tables) == CLIPS
    for table in tables:
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["video"] == {"_type": "Video"} and list(features) == table.schema.names
        for video in table["video"].to_pylist():
            assert decode_mp4(video["bytes"]).shape == (5, 64, 80, 3) and video["path"].endswith(".mp4")


def test_row_groups_end_at_their_size(source: Source, tmp_path, monkeypatch):
    monkeypatch.setattr("animate.exports.hf._GROUP_BYTES", 1)
    source.export(tmp_path, "hf")
    assert pq.ParquetFile(tmp_path / "data" / "train-00000.parquet").num_row_groups == 4


def test_the_card_has_splits_source_licences_recipe_and_versions(exported):
    folder, report = exported
    _, head, card = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(head)["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*.parquet"},
                {"split": "validation", "path": "data/validation-*.parquet"},
            ],
        }
    ]
    assert f"Clips here: {report.clips['train']} train, {report.clips['val']} validation." in card
    for part in (
        "## Source",
        "| CC0 | 6 |",
        "| none stated | 4 |",
        '"num_frames": 5',
        "animate",
        "How to cite",
    ):
        assert part in card


def test_columns_of_a_corpus_that_have_names_of_ours_are_renamed():
    names = schema({"video": "string", "score": "double", "license": "string"}, whole_fps=True).names
    assert names.count("video") == 1 and {"source_video", "score", "license"} <= set(names)


def test_the_card_says_how_the_clips_are_stored_here(tmp_path):
    """It called those of a virtual set virtual, though they had become mp4."""
    shards = hostile_set(tmp_path / "set", "virtual")
    export_shards(shards, tmp_path / "out", to="hf")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "stored as mp4." in card and "stored as virtual" not in card
    assert "stored as virtual." in (shards / "_animate" / "card.md").read_text(encoding="utf-8")
