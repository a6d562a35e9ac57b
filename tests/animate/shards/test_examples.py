"""Why inputs gave no clip, by one example of each status."""

import cv2
import numpy as np

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
from animate.shards.examples import Example
from tests.support.corpora import put

SMALL = ["video.size=64", "video.num_frames=4", "source.name=folder", "shards.clips_per_shard=2"]


def test_each_status_has_an_example_in_the_first_run_and_in_later_ones(tmp_path):
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    for name, content in {"a.jpg": b"", "b.jpg": b"", "c.jpg": b"no image", "d.png": small()}.items():
        put(corpus / name, content)
        put((corpus / name).with_suffix(".txt"), "words")
    recipe = read_recipe(None, [*SMALL, f"source.path={corpus}"])
    for _ in range(2):
        report = build_shards(recipe, out, workforce=HERE)
        assert report.rejected == {"empty_file": 2, "not_an_image": 1, "too_small": 1}
        assert set(report.examples) == set(report.rejected)
        assert report.examples["empty_file"].key == "a"
        assert report.examples["too_small"] == Example(
            key="d",
            message=report.examples["too_small"].message,
            parquet="00001.parquet",
        )
        assert "8" in report.examples["too_small"].message


def test_a_table_that_cannot_be_read_gives_no_example(tmp_path):
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    put(corpus / "a.jpg", b"")
    recipe = read_recipe(None, [*SMALL, f"source.path={corpus}"])
    build_shards(recipe, out, workforce=HERE)
    parquet = out / "00000.parquet"
    parquet.write_bytes(bytes(parquet.stat().st_size))
    report = build_shards(recipe, out, workforce=HERE)
    assert (report.clips, report.examples) == (0, {})


def small() -> bytes:
    return cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
