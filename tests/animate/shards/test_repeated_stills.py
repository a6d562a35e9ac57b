"""Duplicates that are known only when all shards are there."""

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.recipe import BuildRecipe, FilterRecipe, SourceRecipe, read_recipe
from animate.shards.place import Place
from animate.shards.plan import read_plan
from animate.shards.repeated_stills import repeated_stills, without_stills
from animate.shards.verify import verify
from animate.sources import SourceError, open_source
from tests.support.shard_sets import all_files

DEMO = Path(__file__).parents[3] / "animate" / "demo"
NAMES = ["cat", "coffee", "cat", "rocket", "coffee", "cat"]


@pytest.fixture
def stored(tmp_path) -> BuildRecipe:
    """Images in the cells of a parquet file, three of six there before: two takes, shards of two rows."""
    import pyarrow as pa

    path = tmp_path / "images.parquet"
    rows = [
        {"image": (DEMO / f"{name}.jpg").read_bytes(), "caption": f"{name} {i}", "licence": "CC0"}
        for i, name in enumerate(NAMES)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return read_recipe(
        None,
        [
            "source.name='table'",
            f"source.path={json.dumps(str(path))}",
            "source.filters.duplicates='sha256'",
            "takes=2",
            "shards.clips_per_shard=4",
            "video.format='virtual'",
        ],
    )


def rows_of(out: Path) -> list[dict]:
    return [row for path in sorted(out.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("fps", [4, 29.97])
def test_later_stills_with_the_same_image_are_rejected_rows(stored, tmp_path, fps):
    out = tmp_path / "out"
    stored = dataclasses.replace(stored, video=dataclasses.replace(stored.video, fps=fps))
    report = build_shards(stored, out, workforce=HERE)
    assert report.complete
    assert (report.inputs, report.clips, report.rejected) == (12, 6, {"duplicate_image": 6})
    assert verify(str(out)) == []
    rows = rows_of(out)
    assert [row["status"] for row in rows[::2]] == [
        "success", "success", "duplicate_image", "success", "duplicate_image", "duplicate_image"
    ]  # fmt: skip
    dropped = rows[4]
    assert (dropped["caption"], dropped["licence"]) == ("cat 2", "CC0")
    assert dropped["sha256"] == rows[0]["sha256"]
    assert dropped["sha256"] in dropped["error_message"]
    assert dropped["view_area_min"] is None
    assert dropped["camera"] is None


def test_what_is_left_is_what_a_build_that_keeps_all_would_hold(stored, tmp_path):
    keep = dataclasses.replace(stored, source=dataclasses.replace(stored.source, filters=FilterRecipe()))
    build_shards(keep, tmp_path / "all", workforce=HERE)
    build_shards(stored, tmp_path / "some", workforce=Workforce(workers=2))
    every = {row["key"]: row for row in rows_of(tmp_path / "all")}
    for row in rows_of(tmp_path / "some"):
        if row["status"] == "success":
            assert row == every[row["key"]]


def test_a_run_that_was_cut_off_while_it_dropped_comes_to_the_same_end(stored, tmp_path):
    whole, cut_off = tmp_path / "whole", tmp_path / "cut_off"
    for out in (whole, cut_off):
        build_shards(stored, out, workforce=HERE)
    (cut_off / "_animate" / "manifest.json").unlink()
    (cut_off / "__len__").unlink()
    (cut_off / "00001_stats.json").unlink()  # as if the second shard had been about to be written anew
    again = build_shards(stored, cut_off, workforce=HERE)
    assert again.complete
    assert again.rejected == {"duplicate_image": 6}
    assert all_files(cut_off) == all_files(whole)


def test_a_shard_without_duplicates_is_not_touched(stored, tmp_path):
    out = tmp_path / "out"
    build_shards(stored, out, workforce=HERE)
    place, plan = Place.at(out), read_plan(Place.at(out))
    assert plan is not None
    assert list(repeated_stills(plan, place)) == []
    before = all_files(out)
    without_stills(str(out), "00000", plan.columns, True, frozenset())  # written anew, it has the same bytes
    assert all_files(out) == before


def test_lists_and_streams_are_compared_by_sha256_alone(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("url,caption\nhttp://example.com/1.jpg,c\n")
    open_source(SourceRecipe(name="urls", path=str(path), filters=FilterRecipe(duplicates="sha256")))
    with pytest.raises(SourceError, match="sha256"):
        open_source(SourceRecipe(name="urls", path=str(path), filters=FilterRecipe(duplicates="perceptual")))
