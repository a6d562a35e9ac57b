"""Laws of planning, running, resuming and refusing, with a shard function that films nothing."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from animate import sources
from animate.build import build_shards, open_shard_set
from animate.data import Frozen, Part, ShardPlan, ShardRecord
from animate.executor import HERE, CannotWrite
from animate.recipe import BuildRecipe, EditRecipe, ShardsRecipe, SourceRecipe, VideoRecipe
from animate.report import BuildReport
from animate.shard import Assignment
from animate.shards.finished import Miscounted
from animate.shards.place import BuildRefused, Place
from animate.shards.plan import Plan, cut, read_plan
from animate.shards.write import OnRow

RECIPE = BuildRecipe(
    source=SourceRecipe(name="numbers", path="here"), shards=ShardsRecipe(clips_per_shard=4), takes=2
)  # two samples, so four clips a shard


class Numbers:
    """A corpus of `rows` samples in one part and, where `tail` says so, one of unknown length behind it."""

    root = ""

    def __init__(self, rows: int = 7, tail: bool = False) -> None:
        self.rows, self.tail = rows, tail

    def fingerprint(self) -> dict[str, str | int]:
        return {"rows": self.rows}

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        (folder / "listing.parquet").write_bytes(b"listing")
        parts = [Part(reader="numbers", path="", rows=self.rows)] if self.rows else []
        if self.tail:
            parts.append(Part(reader="numbers", path="tail", rows=None))
        return Frozen(parts=tuple(parts), columns={"author": "string"})


@pytest.fixture(autouse=True)
def numbers(monkeypatch, tmp_path_factory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setitem(sources.SOURCES, "numbers", lambda recipe: Numbers())


def make(assignment: Assignment, on_row: OnRow | None = None) -> ShardRecord:
    """A shard whose every third row is rejected, for every take."""
    shard, recipe = assignment.shard, assignment.recipe
    assert (assignment.plan_folder() / "listing.parquet").read_bytes() == b"listing"
    assert assignment.columns == {"author": "string"}
    rows = range(shard.start, shard.stop if shard.stop is not None else shard.start + 3)
    rejected = sum(row % 3 == 2 for row in rows) * recipe.takes
    inputs = len(rows) * recipe.takes
    record = ShardRecord(
        name=shard.name,
        inputs=inputs,
        clips=inputs - rejected,
        rejected={"too_small": rejected} if rejected else {},
        bytes=10 * inputs,
        sha256=shard.name,
    )
    place = Place.at(assignment.out)
    place.write_text(f"{shard.name}.tar", "tar")
    place.write_text(f"{shard.name}.parquet", "parquet")
    place.write_json(f"{shard.name}_stats.json", dataclasses.asdict(record))
    return record


def run(out, recipe: BuildRecipe = RECIPE, **settings) -> BuildReport:
    return build_shards(recipe, out, **{"workforce": HERE, "make_shard": make, **settings})


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_shards_cover_every_row_once_and_never_two_parts():
    parts = [Part(reader="r", path="a", rows=5), Part(reader="r", path="b", rows=None)]
    cuts = [(shard.index, shard.part.path, shard.start, shard.stop) for shard in cut(parts, 2)]
    assert cuts == [(0, "a", 0, 2), (1, "a", 2, 4), (2, "a", 4, 5), (3, "b", 0, None)]


def test_a_build_leaves_shards_length_plan_and_manifest_and_nothing_else(tmp_path):
    report = run(tmp_path)
    assert report.complete
    assert (report.inputs, report.clips, report.rejected) == (14, 10, {"too_small": 4})
    assert (report.shards_planned, report.shards_made, report.size_bytes) == (4, 4, 140)
    shards = {f"{i:05d}{suffix}" for i in range(4) for suffix in (".tar", ".parquet", "_stats.json")}
    ours = {"__len__", "_animate/plan.json", "_animate/manifest.json", "_animate/listing.parquet"}
    ours.add("_animate/card.md")
    assert set(all_files(tmp_path)) == shards | ours
    assert not (tmp_path / "_tmp").exists()
    assert (tmp_path / "__len__").read_text() == "10"
    manifest = json.loads((tmp_path / "_animate" / "manifest.json").read_text())
    assert manifest["totals"] == {"inputs": 14, "clips": 10, "rejected": {"too_small": 4}, "bytes": 140}
    assert [shard["name"] for shard in manifest["shards"]] == ["00000", "00001", "00002", "00003"]
    assert manifest["recipe"] == json.loads(json.dumps(RECIPE.content()))
    assert manifest["source"] == {"rows": 7}


def test_the_plan_is_frozen_before_the_first_shard_starts(tmp_path):
    seen = []

    def look(assignment, on_row=None):
        seen.append(read_plan(Place.at(assignment.out)))
        return make(assignment)

    run(tmp_path, make_shard=look)
    assert [len(plan.shards) for plan in seen if plan is not None] == [4, 4, 4, 4]


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    run(tmp_path)
    plan = read_plan(Place.at(tmp_path))
    part = Part(reader="numbers", path="", rows=7)
    shards = [ShardPlan(index=i, part=part, start=2 * i, stop=min(2 * i + 2, 7)) for i in range(4)]
    columns = {"author": "string"}
    assert plan == Plan(recipe=plan.recipe, source={"rows": 7}, shards=tuple(shards), columns=columns)


def test_the_same_command_again_makes_nothing_and_changes_no_file(tmp_path):
    first = run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = run(tmp_path, make_shard=None)  # would raise if called
    assert (again.complete, again.shards_made, again.clips_made) == (True, 0, 0)
    assert (again.inputs, again.clips, again.rejected) == (first.inputs, first.clips, first.rejected)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_interrupted_build_goes_on_where_its_markers_end(tmp_path):
    def stop_at_two(assignment, on_row=None):
        if assignment.shard.index == 2:
            attempts = Path(assignment.out) / "_tmp"
            attempts.mkdir(exist_ok=True)
            (attempts / "00002.tar.part").touch()
            raise KeyboardInterrupt
        return make(assignment)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", make_shard=stop_at_two)
    assert not (tmp_path / "cut" / "_tmp").exists()
    assert not (tmp_path / "cut" / "_animate" / "manifest.json").exists()
    assert run(tmp_path / "cut").shards_made == 2
    run(tmp_path / "whole")
    assert all_files(tmp_path / "cut") == all_files(tmp_path / "whole")


@pytest.mark.parametrize("lost", ["00001.tar", "00001.parquet", "00001_stats.json"])
def test_a_shard_that_lost_a_file_is_made_again(tmp_path, lost):
    run(tmp_path)
    before = all_files(tmp_path)
    (tmp_path / lost).unlink()
    assert run(tmp_path).shards_made == 1
    assert all_files(tmp_path) == before


def test_a_crash_before_the_merge_is_mended_by_the_merge_alone(tmp_path):
    run(tmp_path)
    before = all_files(tmp_path)
    (tmp_path / "_animate" / "manifest.json").unlink()
    (tmp_path / "__len__").unlink()
    assert run(tmp_path).shards_made == 0
    assert all_files(tmp_path) == before


def test_no_manifest_is_left_while_a_shard_is_missing(tmp_path):
    run(tmp_path)
    (tmp_path / "00001_stats.json").unlink()
    report = run(tmp_path, workforce=dataclasses.replace(HERE, time_limit=0.0))
    assert (report.complete, report.shards_finished, report.failures) == (False, 3, ())
    assert not (tmp_path / "_animate" / "manifest.json").exists()
    assert not (tmp_path / "__len__").exists()


def test_a_shard_that_keeps_failing_is_listed_and_the_rest_is_made(tmp_path):
    def bug_in_one(assignment, on_row=None):
        if assignment.shard.index == 1:
            raise RuntimeError("a bug")
        return make(assignment)

    report = run(tmp_path, make_shard=bug_in_one)
    assert (report.complete, report.shards_finished) == (False, 3)
    assert [(f.name, f.attempts, f.message) for f in report.failures] == [("00001", 3, "RuntimeError: a bug")]
    assert not (tmp_path / "_animate" / "manifest.json").exists()
    assert run(tmp_path).complete


def test_another_recipe_is_refused_by_the_names_of_its_fields(tmp_path):
    run(tmp_path)
    before = all_files(tmp_path)
    other = dataclasses.replace(RECIPE, seed=5, video=VideoRecipe(size=128))
    with pytest.raises(BuildRefused) as refusal:
        run(tmp_path, other)
    assert "recipe.seed: 0 -> 5" in str(refusal.value)
    assert "recipe.video.size: 224 -> 128" in str(refusal.value)
    assert all_files(tmp_path) == before


def test_keys_that_an_earlier_release_did_not_know_are_at_their_defaults(tmp_path):
    run(tmp_path)
    path = tmp_path / "_animate" / "plan.json"
    plan = json.loads(path.read_text())
    del plan["recipe"]["source"]["columns"], plan["recipe"]["video"]["quality"]
    path.write_text(json.dumps(plan))
    assert run(tmp_path).complete
    other = dataclasses.replace(RECIPE, video=VideoRecipe(quality="best"))
    with pytest.raises(BuildRefused, match=r'recipe\.video\.quality: "default" -> "best"'):
        run(tmp_path, other)


def test_another_source_is_refused_by_the_fact_that_changed(tmp_path, monkeypatch):
    run(tmp_path)
    monkeypatch.setitem(sources.SOURCES, "numbers", lambda recipe: Numbers(rows=8))
    with pytest.raises(BuildRefused, match=r"source\.rows: 7 -> 8"):
        run(tmp_path)


def test_a_corpus_that_moved_is_the_same_corpus(tmp_path):
    run(tmp_path)
    moved = dataclasses.replace(RECIPE, source=SourceRecipe(name="numbers", path="elsewhere"))
    assert run(tmp_path, moved).shards_made == 0


def test_overwrite_starts_afresh_and_keeps_what_is_not_ours(tmp_path):
    run(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "holiday.tar").write_text("mine")
    other = dataclasses.replace(RECIPE, takes=4, shards=ShardsRecipe(clips_per_shard=100))
    report = run(tmp_path, other, overwrite=True)
    assert (report.shards_planned, report.shards_made) == (1, 1)
    names = set(all_files(tmp_path))
    assert {"notes.txt", "holiday.tar", "00000.tar"} <= names
    assert "00001.tar" not in names


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_other_things_is_never_touched(tmp_path, overwrite):
    (tmp_path / "00000.tar").write_text("someone else's")
    with pytest.raises(BuildRefused, match="holds no shard set"):
        run(tmp_path, overwrite=overwrite)
    assert all_files(tmp_path) == {"00000.tar": b"someone else's"}


def test_shards_without_a_plan_are_refused(tmp_path):
    run(tmp_path)
    (tmp_path / "_animate" / "plan.json").unlink()
    with pytest.raises(BuildRefused, match="holds shards but no"):
        run(tmp_path)
    assert run(tmp_path, overwrite=True).complete


@pytest.mark.parametrize("damage", ["{", "[]", '{"version": 2}', '{"version": 99}'])
def test_a_damaged_plan_is_refused(tmp_path, damage):
    run(tmp_path)
    (tmp_path / "_animate" / "plan.json").write_text(damage)
    with pytest.raises(BuildRefused, match=r"plan\.json"):
        run(tmp_path)


def test_planning_that_was_cut_off_is_done_again(tmp_path):
    (tmp_path / "_animate").mkdir()
    (tmp_path / "_animate" / "listing.parquet").write_bytes(b"half a list")
    assert run(tmp_path).complete
    assert (tmp_path / "_animate" / "listing.parquet").read_bytes() == b"listing"


def test_a_file_or_an_unknown_protocol_is_no_place_for_shards(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BuildRefused, match="is a file"):
        run(tmp_path / "file")
    with pytest.raises(BuildRefused, match="Protocol not known"):
        run("nonsense://bucket/shards")


def test_a_corpus_without_samples_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "numbers", lambda recipe: Numbers(rows=0))
    with pytest.raises(BuildRefused, match="holds no samples"):
        run(tmp_path)
    assert "_animate/plan.json" not in all_files(tmp_path)


def test_a_share_without_samples_is_named(tmp_path):
    """The corpus was said to hold none."""
    recipe = BuildRecipe(source=SourceRecipe(sample=1e-6))
    with pytest.raises(BuildRefused, match="or none of a share of 1e-06"):
        build_shards(recipe, tmp_path, workforce=HERE)


def test_two_builds_at_once_in_one_folder_are_refused(tmp_path):
    with open_shard_set(tmp_path), pytest.raises(BuildRefused, match="another build"):
        run(tmp_path)
    assert run(tmp_path).complete


def test_a_lost_input_stops_the_build(tmp_path):
    def lose_one(assignment, on_row=None):
        return dataclasses.replace(make(assignment), clips=0)

    with pytest.raises(Miscounted, match="neither clip nor rejected"):
        run(tmp_path, make_shard=lose_one)


def test_a_shard_with_fewer_rows_than_planned_stops_the_build(tmp_path):
    def skip_a_row(assignment, on_row=None):
        shorter = dataclasses.replace(assignment.shard, stop=assignment.shard.start + 1)
        return make(dataclasses.replace(assignment, shard=shorter))

    with pytest.raises(Miscounted, match="2 inputs of 4 planned"):
        run(tmp_path, make_shard=skip_a_row)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"name": "00001"}'], ids=["empty", "broken", "list", "bare", "short"]
)
def test_a_damaged_marker_is_named_with_its_remedy(tmp_path, content):
    run(tmp_path)
    (tmp_path / "00001_stats.json").write_text(content)
    with pytest.raises(BuildRefused, match=r"00001_stats.json .*verify --repair"):
        run(tmp_path)


def test_a_marker_that_counts_wrong_is_named_with_its_remedy(tmp_path):
    run(tmp_path)
    path = tmp_path / "00001_stats.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "clips": 0}))
    with pytest.raises(BuildRefused, match=r"00001.*neither clip nor rejected.*verify --repair"):
        run(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_disk_stops_the_build_at_once(tmp_path, code):
    tried = []

    def no_room(assignment, on_row=None):
        tried.append(assignment.shard.name)
        raise OSError(code, os.strerror(code), str(tmp_path / "00000.tar"))

    with pytest.raises(CannotWrite, match=r"00000.tar\): the same command goes on"):
        run(tmp_path, make_shard=no_room)
    assert tried == ["00000"]
    assert run(tmp_path).complete


def test_shards_hold_whole_montage_groups(tmp_path):
    montage = dataclasses.replace(RECIPE.shot, edit=EditRecipe(stills=3))
    recipe = dataclasses.replace(RECIPE, takes=1, shot=montage, shards=ShardsRecipe(clips_per_shard=5))
    run(tmp_path, recipe)
    plan = read_plan(Place.at(tmp_path))
    assert [(shard.start, shard.stop) for shard in plan.shards] == [(0, 3), (3, 6), (6, 7)]


def test_a_part_of_unknown_length_is_one_shard(tmp_path, monkeypatch):
    monkeypatch.setitem(sources.SOURCES, "numbers", lambda recipe: Numbers(rows=2, tail=True))
    report = run(tmp_path)
    assert (report.shards_planned, report.inputs) == (2, 10)


def test_progress_counts_what_earlier_runs_made(tmp_path):
    run(tmp_path)
    (tmp_path / "00003_stats.json").unlink()
    seen = []
    run(tmp_path, on_progress=seen.append)
    assert [(p.shards_finished, p.inputs, p.clips, p.rejected) for p in seen] == [
        (3, 12, 8, 4),
        (4, 14, 10, 4),
    ]
    assert {(p.shards_planned, p.inputs_planned) for p in seen} == {(4, 14)}


def test_a_build_into_an_object_store_is_the_same_build(tmp_path):
    import fsspec

    report = run("memory://bucket/shards")
    assert report.complete
    assert run("memory://bucket/shards").shards_made == 0
    with pytest.raises(BuildRefused, match="seed"):
        run("memory://bucket/shards", dataclasses.replace(RECIPE, seed=1))
    run(tmp_path)
    stored = fsspec.filesystem("memory")
    names = {name.removeprefix("/bucket/shards/") for name in stored.find("/bucket/shards")}
    assert {name: stored.cat(f"/bucket/shards/{name}") for name in names} == all_files(tmp_path)
    stored.rm("/bucket", recursive=True)
