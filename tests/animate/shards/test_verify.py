"""The laws of verification: a sound set has no fault, each damage is named, repair lets a build undo it."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animate import ustar
from animate.build import build_shards
from animate.codec import decode_mp4, encode_jpeg, encode_mp4
from animate.executor import HERE
from animate.materialize import materialize
from animate.shards.place import BuildRefused, Place
from animate.shards.verify import Damage, repair, verify
from tests.support.shard_sets import all_files, build_set, recipe_of

FORMATS = ("mp4", "frames", "virtual")
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    return {format: build_set(root / format, format) for format in FORMATS}


def copied(sets, format: str, folder: Path) -> Path:
    return Path(shutil.copytree(sets[format], folder / "shards"))


def read(folder: Path, name: str) -> list[tuple[str, Members]]:
    with open(folder / f"{name}.tar", "rb") as file:
        return list(ustar.read_samples(file))


def write(folder: Path, name: str, samples: list[tuple[str, Members]]) -> None:
    """The shard's tar anew, with a marker and a manifest that vouch for it."""
    pieces = [
        b"".join(ustar.member(f"{key}.{suffix}", content))
        for key, members in samples
        for suffix, content in members.items()
    ]
    tar = b"".join(pieces)
    tar += ustar.end(len(tar))
    (folder / f"{name}.tar").write_bytes(tar)
    change_json(folder / f"{name}_stats.json", sha256=hashlib.sha256(tar).hexdigest(), bytes=len(tar))
    trust_markers(folder)


def trust_markers(folder: Path) -> None:
    manifest = json.loads((folder / "_animate" / "manifest.json").read_text())
    markers = [json.loads((folder / f"{row['name']}_stats.json").read_text()) for row in manifest["shards"]]
    for row, marker in zip(manifest["shards"], markers, strict=True):
        row["sha256"] = marker["sha256"]
    manifest["totals"]["bytes"] = sum(marker["bytes"] for marker in markers)
    (folder / "_animate" / "manifest.json").write_text(json.dumps(manifest))


def change_json(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def with_record(**values) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        return {**members, "json": json.dumps({**json.loads(members["json"]), **values}).encode()}

    return change


def without_key(name: str) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        record = json.loads(members["json"])
        del record[name]
        return {**members, "json": json.dumps(record).encode()}

    return change


def shorter_film(members: Members) -> Members:
    return {**members, "mp4": encode_mp4(decode_mp4(members["mp4"])[:4], fps=4, crf=23, preset="veryfast")}


SMALL = encode_jpeg(np.zeros((32, 32, 3), np.uint8), 90)

#: Format, what is done to the members of a clip, and what verification says of it.
CLIP_DAMAGE = {
    "film cut": ("mp4", lambda m: {**m, "mp4": m["mp4"][:-300]}, "does not decode|frames are"),
    "film gone": ("mp4", lambda m: {**m, "mp4": b""}, "does not decode"),
    "film shorter": ("mp4", shorter_film, r"frames are \(4, 64, 80, 3\)"),
    "poster cut": ("mp4", lambda m: {**m, "jpg": m["jpg"][:-300]}, "does not decode"),
    "poster of another size": ("mp4", lambda m: {**m, "jpg": SMALL}, r"the poster is \(32, 32, 3\)"),
    "member lost": ("mp4", lambda m: {k: v for k, v in m.items() if k != "mp4"}, "members are"),
    "member too many": ("mp4", lambda m: {**m, "wav": b""}, "members are"),
    "frame cut": ("frames", lambda m: {**m, "03.jpg": m["03.jpg"][:-300]}, "does not decode"),
    "frame lost": ("frames", lambda m: {k: v for k, v in m.items() if k != "03.jpg"}, "members are"),
    "frame of another size": ("frames", lambda m: {**m, "03.jpg": SMALL}, "does not decode|frames are"),
    "still cut": ("virtual", lambda m: {**m, "jpg": m["jpg"][: len(m["jpg"]) // 2]}, "does not decode"),
    "still exchanged": ("virtual", lambda m: {**m, "jpg": SMALL}, "the still is 32x32"),
    "shot damaged": ("virtual", with_record(shot='{"shots": []}'), "does not decode"),
    "background lost": ("virtual", without_key("background"), "does not decode|other keys"),
    "json damaged": ("mp4", lambda m: {**m, "json": m["json"][:-3]}, "cannot be read"),
    "json a list": ("mp4", lambda m: {**m, "json": b"[]"}, "no table"),
    "json nested": ("mp4", with_record(camera={"pan": 1}), "json 'camera' is dict"),
    "json null": ("mp4", with_record(camera=None), "json 'camera' is NoneType"),
    "json of another type": ("mp4", with_record(union_area="all"), "'union_area' is str"),
    "json key lost": ("mp4", without_key("union_area"), "other keys than planned: union_area"),
    "json key too many": ("mp4", with_record(more=1), "other keys than planned: more"),
    "json of another clip": ("mp4", with_record(key="other_0"), "json 'key' is 'other_0'"),
    "caption exchanged": ("mp4", lambda m: {**m, "txt": b"something else"}, "'caption' is"),
    "captions exchanged": ("mp4", with_record(captions=["something else"]), "not the first of 'captions'$"),
    "captions of another type": ("mp4", with_record(captions=[1]), "'captions' is not a list"),
    "camera caption lost": ("mp4", with_record(camera_caption=""), "'camera_caption' is ''"),
    "caption not utf-8": ("mp4", lambda m: {**m, "txt": b"\xff"}, "cannot be read"),
    "homographies lost": ("mp4", with_record(homographies=[[1.0] * 9]), "'homographies'"),
    "homographies odd": ("mp4", with_record(homographies=[1.0] * 5), "'homographies'"),
    "row and json differ": ("mp4", with_record(original_width=7), "differ in original_width"),
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_sound_set_has_no_fault_wherever_it_lies(sets, format):
    assert verify(str(sets[format])) == []
    store = fsspec.filesystem("memory")
    try:
        store.put(f"{sets[format]}/", "/verified/", recursive=True)
        assert verify("memory://verified") == []
    finally:
        store.rm("/verified", recursive=True)


@pytest.mark.parametrize("damage", CLIP_DAMAGE)
def test_a_damaged_clip_is_named_even_where_every_sum_is_right(sets, tmp_path, damage):
    format, change, what = CLIP_DAMAGE[damage]
    folder = copied(sets, format, tmp_path)
    samples = read(folder, "00001")
    key, members = samples[2]
    samples[2] = (key, dict(sorted(change(members).items())))
    write(folder, "00001", samples)
    faults = verify(str(folder))
    assert {fault.shard for fault in faults} == {"00001"}
    assert key in {fault.key for fault in faults} <= {key, ""}
    assert any(re.search(what, fault.what) for fault in faults), faults


def flip_a_byte(folder: Path) -> None:
    tar = bytearray((folder / "00001.tar").read_bytes())
    tar[-1] ^= 1
    (folder / "00001.tar").write_bytes(tar)


def repeat_a_clip(folder: Path) -> None:
    samples = read(folder, "00001")
    write(folder, "00001", [*samples, samples[0]])


def drop_a_row(folder: Path) -> None:
    table = pq.read_table(folder / "00001.parquet")
    pq.write_table(table.slice(1), folder / "00001.parquet")


def retype_a_column(folder: Path) -> None:
    table = pq.read_table(folder / "00001.parquet")
    at = table.column_names.index("take")
    pq.write_table(table.set_column(at, "take", table["take"].cast(pa.string())), folder / "00001.parquet")


def copy_a_shard(folder: Path) -> None:
    for suffix in (".tar", ".parquet", "_stats.json"):
        shutil.copy(folder / f"00000{suffix}", folder / f"00001{suffix}")
    change_json(folder / "00001_stats.json", name="00001")
    trust_markers(folder)


#: What is done to a set, the shard at fault ("" for the set), and what verification says.
SET_DAMAGE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "tar lost": (lambda f: (f / "00001.tar").unlink(), "00001", "00001.tar is missing"),
    "parquet lost": (lambda f: (f / "00001.parquet").unlink(), "00001", "00001.parquet is missing"),
    "marker lost": (lambda f: (f / "00001_stats.json").unlink(), "00001", "00001_stats.json is missing"),
    "a byte flipped behind the end": (flip_a_byte, "00001", "another sha256"),
    "tar cut": (lambda f: (f / "00001.tar").write_bytes(b"x" * 700), "00001", "tar"),
    "tar empty": (lambda f: (f / "00001.tar").write_bytes(b""), "00001", "00001.tar"),
    "a clip twice": (repeat_a_clip, "00001", "the key is there twice"),
    "marker no json": (lambda f: (f / "00001_stats.json").write_text("{"), "00001", "cannot be read"),
    "marker empty": (lambda f: (f / "00001_stats.json").write_text("{}"), "00001", "cannot be read"),
    "marker miscounts clips": (
        lambda f: change_json(f / "00001_stats.json", clips=3),
        "00001",
        "1 of 4 inputs are neither",
    ),
    "marker miscounts inputs": (
        lambda f: change_json(f / "00001_stats.json", inputs=3, clips=3),
        "00001",
        "3 inputs of 4 planned",
    ),
    "marker of another shard": (
        lambda f: change_json(f / "00001_stats.json", name="00000"),
        "00001",
        "that of 00000",
    ),
    "marker miscounts shots": (
        lambda f: change_json(f / "00001_stats.json", shots=99),
        "00001",
        "and 99 and",
    ),
    "marker of another tar": (
        lambda f: change_json(f / "00001_stats.json", sha256="0"),
        "00001",
        "another sha256",
    ),
    "parquet no parquet": (lambda f: (f / "00001.parquet").write_bytes(b"PAR1"), "00001", "cannot be read"),
    "a row lost": (drop_a_row, "00001", "its keys are not those of the tar"),
    "a column of another type": (retype_a_column, "00001", "other types"),
    "a shard twice": (copy_a_shard, "00001", "the key is in shard 00000 too"),
    "length wrong": (
        lambda f: (f / "__len__").write_text("11"),
        "",
        "__len__ is '11', and there are 12 clips",
    ),
    "length lost": (lambda f: (f / "__len__").unlink(), "", "__len__ is missing"),
    "card lost": (lambda f: (f / "_animate/card.md").unlink(), "", "card.md is missing"),
    "card changed": (
        lambda f: (f / "_animate/card.md").write_text("# all rights granted\n"),
        "",
        "card.md is not as the build wrote it",
    ),
    "manifest lost": (lambda f: (f / "_animate/manifest.json").unlink(), "", "manifest.json is missing"),
    "manifest damaged": (
        lambda f: (f / "_animate/manifest.json").write_text("{"),
        "",
        "manifest.json cannot be read",
    ),
    "manifest of another build": (
        lambda f: change_json(f / "_animate/manifest.json", digest=""),
        "",
        "is of another plan",
    ),
    "attempt left": (
        lambda f: ((f / "_tmp").mkdir(), (f / "_tmp" / "00001-abcd").mkdir()),
        "",
        "leftover: _tmp/00001-abcd",
    ),
    "shard left": (lambda f: shutil.copy(f / "00001.tar", f / "00099.tar"), "00099", "not in the plan"),
}


@pytest.mark.parametrize("damage", SET_DAMAGE)
def test_damage_is_named_and_repair_and_rebuild_undo_it(sets, tmp_path, damage):
    do, shard, what = SET_DAMAGE[damage]
    folder = copied(sets, "frames", tmp_path)
    do(folder)
    faults = verify(str(folder))
    assert any(fault.shard == shard and what in fault.what for fault in faults), faults
    assert repair(str(folder)) == faults
    assert build_shards(recipe_of("frames"), folder, workforce=HERE).complete
    assert all_files(folder) == all_files(sets["frames"])
    assert verify(str(folder)) == []


#: What a quick look does not see: it neither opens clips nor compares columns.
UNSEEN_AT_A_GLANCE = {
    "a clip twice",
    "marker miscounts shots",
    "a column of another type",
}


@pytest.mark.parametrize("damage", SET_DAMAGE)
def test_a_quick_look_finds_what_checksums_and_counts_tell(sets, tmp_path, damage):
    do, shard, _ = SET_DAMAGE[damage]
    folder = copied(sets, "frames", tmp_path)
    assert verify(str(folder), quick=True) == []
    do(folder)
    faults = verify(str(folder), quick=True)
    assert (shard in {fault.shard for fault in faults}) == (damage not in UNSEEN_AT_A_GLANCE), faults
    if faults:
        assert repair(str(folder), quick=True) == faults
        assert build_shards(recipe_of("frames"), folder, workforce=HERE).complete
        assert verify(str(folder)) == []


def test_a_quick_look_decodes_nothing(sets, monkeypatch):
    monkeypatch.setattr("animate.shards.check.read_samples", None)
    assert verify(str(sets["frames"]), quick=True) == []


def test_the_folder_is_not_listed_for_every_shard(tmp_path, monkeypatch):
    """That took 111 hours of a set of 100,000 shards."""
    listed = []
    names = Place.names
    monkeypatch.setattr(Place, "names", lambda place, *folder: listed.append(folder) or names(place, *folder))
    counts = []
    for size in (1, 4):
        recipe = recipe_of("virtual", f"shards.clips_per_shard={size}")
        before = len(listed)
        assert build_shards(recipe, tmp_path / str(size), workforce=HERE).complete
        assert verify(str(tmp_path / str(size))) == []
        counts.append(len(listed) - before)
    assert counts[0] == counts[1]


def test_repair_leaves_a_sound_set_alone(sets, tmp_path):
    folder = copied(sets, "virtual", tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert repair(str(folder)) == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_set_of_a_release_that_did_not_count_shots_is_sound(sets, tmp_path):
    """It is verified, gone on with and materialized as any other; what it does not say counts as 0."""
    folder = copied(sets, "virtual", tmp_path)
    counts = ("shots", "shots_held_back")
    for path in folder.glob("*_stats.json"):
        table = json.loads(path.read_text())
        path.write_text(json.dumps({name: table[name] for name in table if name not in counts}))
    manifest = folder / "_animate" / "manifest.json"
    table = json.loads(manifest.read_text())
    table["shards"] = [{name: row[name] for name in row if name not in counts} for row in table["shards"]]
    manifest.write_text(json.dumps(table))
    assert verify(str(folder)) == []
    report = build_shards(recipe_of("virtual"), folder, workforce=HERE)
    assert (report.complete, report.shards_made, report.shots) == (True, 0, 0)
    report = materialize(folder, tmp_path / "frames", HERE, format="frames")
    assert report.shots >= report.clips == 12


def test_rejected_inputs_are_no_fault(tmp_path):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(4):
        (photographs / f"{number}.jpg").write_bytes(b"" if number % 2 else encode_jpeg(NOISE, 80))
        (photographs / f"{number}.txt").write_text(f"number {number}")
    recipe = recipe_of("mp4", "source.name=folder", f"source.path={photographs}")
    assert dict(build_shards(recipe, tmp_path / "shards", workforce=HERE).rejected) == {"empty_file": 4}
    assert verify(str(tmp_path / "shards")) == []


NOISE = np.random.default_rng(0).integers(0, 256, (20, 26, 3), np.uint8).repeat(12, 0).repeat(12, 1)


def test_a_set_that_is_not_finished_is_told_in_one_line(sets, tmp_path):
    folder = copied(sets, "frames", tmp_path)
    for name in ("_animate/manifest.json", "__len__", "00001.tar", "00001.parquet", "00001_stats.json"):
        (folder / name).unlink()
    before = all_files(folder)
    for found in (verify(str(folder)), verify(str(folder), quick=True), repair(str(folder))):
        assert [str(damage) for damage in found] == [
            "not finished: 2 of 3 shards; the same command goes on",
        ]
        assert found[0].unfinished
    assert all_files(folder) == before
    (folder / "00002.parquet").unlink()
    told, unfinished = verify(str(folder))
    assert (str(told), unfinished.unfinished) == ("00002: 00002.parquet is missing", True)
    assert repair(str(folder)) == [told, unfinished]
    assert build_shards(recipe_of("frames"), folder, workforce=HERE).complete
    assert all_files(folder) == all_files(sets["frames"])


def test_progress_counts_the_shards(sets):
    seen = []
    verify(str(sets["virtual"]), on_shard=lambda done, planned: seen.append((done, planned)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_without_a_plan_is_refused(tmp_path):
    with pytest.raises(BuildRefused, match="holds no shard set"):
        verify(str(tmp_path))


def test_a_fault_reads_as_a_line():
    assert str(Damage(shard="00001", key="a_0", what="broken")) == "00001: a_0: broken"
    assert str(Damage(shard="", key="", what="__len__ is missing")) == "__len__ is missing"
