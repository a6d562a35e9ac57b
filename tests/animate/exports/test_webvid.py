"""WebVid's files, read by Frozen-in-Time's rules (its `data_loader` and `base/base_dataset.py`)."""

import itertools
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from animate.codec import decode_mp4
from animate.exports.videos import write_csv
from animate.exports.webvid import CAPTION_CHARACTERS, SAMPLED_FRAMES, WEBVID
from animate.recipe import VideoRecipe
from tests.support.exporting import CLIPS, LONG_CAPTION, TAKES, Source


def frozen_in_time(folder: Path, split: str) -> pd.DataFrame:
    """Its `_load_metadata`, without the 1000 rows that it draws of `val`."""
    metadata = pd.read_csv(folder / "metadata" / f"results_animate_{split}.csv")
    metadata["caption"] = metadata["name"]
    del metadata["name"]
    whole = len(metadata)
    metadata.dropna(inplace=True)
    assert len(metadata) == whole, "it drops rows"
    metadata["caption"] = metadata["caption"].str[:CAPTION_CHARACTERS]
    return metadata


def video_of(folder: Path, row: pd.Series) -> bytes:
    return (folder / "videos" / row["page_dir"] / f"{row['videoid']}.mp4").read_bytes()


def sample_frames(num_frames: int, length: int) -> list[int]:
    """Its `sample_frames` with `sample = "rand"`."""
    borders = np.linspace(0, length, min(num_frames, length) + 1).astype(int)
    return [random.choice(range(a, b - 1)) for a, b in itertools.pairwise(borders)]


def test_frozen_in_time_reads_every_clip_with_its_caption(source: Source, tmp_path):
    report = source.export(tmp_path, "webvid", split=(0.5, 0.5))
    keys = []
    for split in ("train", "val"):
        rows = frozen_in_time(tmp_path, split)
        assert len(rows) == report.clips[split]
        for _, row in rows.iterrows():
            clip = source.clips[row["key"]]
            keys.append(row["key"])
            readable = [text for text in clip["captions"] if text not in ("NA", "null")]
            assert row["caption"] == readable[0][:CAPTION_CHARACTERS]
            np.testing.assert_array_equal(
                decode_mp4(video_of(tmp_path, row)), clip["frames"].transpose(0, 2, 3, 1)
            )
    unread = {key for key, clip in source.clips.items() if clip["captions"] == ["NA"]}
    assert len(unread) == TAKES and sorted(keys) == sorted(source.clips.keys() - unread)
    assert report.left_out == {"caption that pandas reads as missing": TAKES}
    assert len(keys) + TAKES == CLIPS


def test_what_it_stumbles_over_is_said(source: Source, tmp_path):
    warnings = source.export(tmp_path, "webvid", split=(0.5, 0.5)).warnings
    assert len(LONG_CAPTION) > CAPTION_CHARACTERS
    assert f"{TAKES} captions have more than 350 characters; Frozen-in-Time reads the first" in warnings
    assert any("val has" in warning and "1,000" in warning for warning in warnings)
    assert any("clips have 5 frames" in warning for warning in warnings)


def test_pandas_reads_every_cell_as_it_was_written(tmp_path):
    texts = [
        "plain",
        'a "b"',
        ",",
        "\n",
        "a\rb",
        "\r\n",
        "\u2028",
        "\x85",
        "\ufeff",
        " x ",
        "'",
        "\\",
        "tab\t",
        "#",
    ]
    write_csv(tmp_path / "x.csv", ("text", "number"), ((text, i) for i, text in enumerate(texts)))
    read = pd.read_csv(tmp_path / "x.csv")
    assert read["text"].tolist() == texts and read["number"].tolist() == list(range(len(texts)))


@pytest.mark.parametrize("num_frames", range(1, 20))
def test_twice_the_sampled_frames_are_what_it_needs(num_frames):
    warned = bool(list(WEBVID.warnings(VideoRecipe(num_frames=num_frames))))
    try:
        sample_frames(SAMPLED_FRAMES, num_frames)
    except IndexError:  # random.choice of nothing
        assert warned
    else:
        assert not warned
