"""What is foretold of a build is what the build comes to; what is counted of it is what it holds."""

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.build import build_shards
from animate.estimate import Guess, estimate, mean, share
from animate.executor import HERE
from animate.recipe import read_recipe
from animate.sources.demo import DEMO_FOLDER
from animate.sources.download.process import downloader

SMALL = ["video.size=64", "video.num_frames=4", "takes=2", "source.name=demo"]


def test_a_corpus_smaller_than_the_probe_is_foretold_exactly(tmp_path):
    recipe = read_recipe(None, [*SMALL, "shards.clips_per_shard=16"])
    foretold, report = estimate(recipe), build_shards(recipe, tmp_path, workforce=HERE)
    assert foretold.inputs == report.inputs
    assert foretold.clips is not None
    assert foretold.clips.value == report.clips
    assert foretold.failed_downloads is None
    size = foretold.bytes_a_clip["mp4"].value * report.clips
    # Each tar ends with two empty blocks, 1,024 bytes, and is filled up to whole records of 10,240.
    assert size == pytest.approx(report.size_bytes, abs=2 * (1024 + 10240))
    assert foretold.shards == 2
    one, two, three = (foretold.hours(workers) for workers in (1, 2, 3))
    assert one is not None
    assert two is not None
    assert two.value == pytest.approx(one.value / 2)
    assert three == two  # a shard is one worker's


def test_each_status_of_the_probes_has_an_example(tmp_path):
    for name, data in {
        "a": b"",
        "b": b"no image",
        "c": (Path(DEMO_FOLDER) / "coins.jpg").read_bytes(),
    }.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
        (tmp_path / f"{name}.txt").write_text(f"the caption of {name}")
    (tmp_path / "c.txt").write_text("")
    found = estimate(read_recipe(None, [*SMALL, 'source.name="folder"', f'source.path="{tmp_path}"']))
    assert sum(found.rejected.values()) == 6
    assert found.examples.keys() == found.rejected.keys()
    keys = {key for key, _ in found.examples.values()}
    assert keys <= {"a", "b", "c"} and "c" in keys
    assert all(message for _, message in found.examples.values())


def test_an_estimate_of_a_list_keeps_no_image(server, tmp_path):
    (tmp_path / "list.csv").write_text(f"caption,url\na cat,{server}/1.jpg\na dog,{server}/404\n")
    settings = [
        "source.name=urls",
        f"source.path={tmp_path}/list.csv",
        f"source.fetch.keep_images={tmp_path}/k",
    ]
    quick = ["source.fetch.allow_private=true", "source.fetch.retries=0", "source.fetch.seconds=3"]
    recipe = read_recipe(None, [*SMALL, *settings, *quick])
    found = estimate(recipe)
    assert (found.share_made.value, found.rejected) == (0.5, {"gone": 2})
    assert not (tmp_path / "k").exists()
    downloader(dataclasses.replace(recipe.source.fetch, keep_images="")).stop()


@given(st.lists(st.booleans(), max_size=60))
def test_a_share_is_never_certain(found):
    guess = share(found)
    assert 0 <= guess.value <= 1
    assert guess.doubt > 0


def test_one_value_leaves_all_doubt():
    assert mean([2.0]) == Guess(value=2.0, doubt=math.inf)
    assert mean([1.0, 1.0]) == Guess(value=1.0, doubt=0.0)
