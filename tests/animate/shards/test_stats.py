"""What a shard set holds, as numbers and as plots."""

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from animate.build import build_shards
from animate.codec import decode_still
from animate.executor import HERE
from animate.recipe import SourceRecipe, read_recipe
from animate.shards.plots import plot_png, plot_svg
from animate.shards.read import NoShards
from animate.shards.stats import stats
from tests.animate.test_cli import run
from tests.support.corpora import put

SMALL = ["video.size=64", "video.num_frames=4", "takes=2", "source.name=demo"]


def test_stats_count_every_row_and_plot(tmp_path):
    report = build_shards(read_recipe(None, SMALL), tmp_path, workforce=HERE)
    found = stats(str(tmp_path))
    assert sum(found.statuses.values()) == report.inputs
    assert found.statuses["success"] == report.clips
    assert found.looked_at == report.clips
    assert {len(values) for values in found.measures.values()} == {report.clips}
    assert sum(found.components.values()) >= report.clips
    assert all(0 < area <= 1 for area in found.measures["smallest view, of the still"])
    assert decode_still(plot_png(found), SourceRecipe()).shape == (1500, 1280, 3)
    svg = ElementTree.fromstring(plot_svg(found))
    assert {"status", "success"} <= {element.text for element in svg.iter() if element.tag.endswith("text")}


def test_areas_that_have_a_bound_are_measured_as_the_recipe_does(tmp_path):
    """Of stills twice as wide as the frame, the widest view is half."""
    put(tmp_path / "corpus/a.png", cv2.imencode(".png", np.full((200, 400, 3), 99, np.uint8))[1].tobytes())
    put(tmp_path / "corpus/a.txt", "words")
    corpus = ["source.name=folder", f"source.path={tmp_path}/corpus"]
    build_shards(read_recipe(None, [*SMALL, *corpus]), tmp_path / "out", workforce=HERE)
    found = stats(str(tmp_path / "out"))
    assert found.least == {"smallest view, of the widest": 0.2, "shown in all, of the widest": 0.6}
    for measure, bound in found.least.items():
        values = found.measures[measure]
        assert values == [2 * area for area in found.measures[measure.replace("widest", "still")]]
        assert all(bound - 1e-3 <= value <= 1 + 1e-3 for value in values)


def test_files_are_written_where_asked_and_of_a_known_kind_alone(tmp_path, monkeypatch, capsys):
    build_shards(read_recipe(None, [*SMALL, "source.limit=1"]), tmp_path / "set", workforce=HERE)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, capsys, "stats", "set")[0] == 0
    assert os.listdir() == ["set"]
    for name in ("x.txt", "x", "no/x.png", "set"):
        code, out, _ = run(monkeypatch, capsys, "stats", "set", "--out", name)
        assert (code, out, os.listdir()) == (2, "", ["set"])
    for name, start in {"x.png": b"\x89PNG", "x.svg": b"<svg", "x.json": b"{"}.items():
        assert run(monkeypatch, capsys, "stats", "set", "--out", name)[0] == 0
        assert Path(name).read_bytes().startswith(start)
    assert json.loads(Path("x.json").read_text())["statuses"] == {"success": 2}


def test_stats_of_nothing_is_an_error(tmp_path):
    with pytest.raises(NoShards):
        stats(str(tmp_path))
