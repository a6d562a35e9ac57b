"""The laws of every export: all clips, the same bytes, whatever the format and however often it is cut."""

import dataclasses
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from animate import export as driver
from animate.codec import decode_mp4
from animate.errors import UserError
from animate.executor import Workforce
from animate.export import ExportIncomplete, ExportRefused, export_shards
from animate.exports import EXPORTS, Exported, Note, Split, file_name
from animate.exports import shard as one_shard
from animate.exports.binary import SampleFiles
from animate.exports.shard import StoredNotes, split_of
from animate.load import load_clips
from animate.shards.place import Place
from cli.animate.export import TARGETS
from tests.support.exporting import CLIPS, STILLS, TAKES, Source, hostile_set
from tests.support.shard_sets import all_files, build_set

every = pytest.mark.parametrize("to", EXPORTS)


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    return {format: hostile_set(folder / format, format) for format in ("mp4", "frames", "virtual")}


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch, number: int) -> None:
    """The `number`-th renaming of a file does not happen any more."""
    rename, calls = os.replace, []

    def replace(*arguments):
        calls.append(1)
        if len(calls) == number:
            raise Killed
        rename(*arguments)

    monkeypatch.setattr(os, "replace", replace)


@every
@pytest.mark.parametrize("format", ["mp4", "frames", "virtual"])
def test_twice_the_same_bytes_and_killed_again_and_again_too(sets, tmp_path, monkeypatch, to, format):
    whole = tmp_path / "whole"
    first = export_shards(sets[format], whole, to=to, split=(0.6, 0.4))
    assert sum(first.clips.values()) + sum(first.left_out.values()) == CLIPS
    assert first.made == sum(first.clips.values())
    cut = tmp_path / "elsewhere" / "cut"
    for step in range(200):
        kill_at(monkeypatch, 7 + step % 9)
        try:
            export_shards(sets[format], cut, to=to, split=(0.6, 0.4))
        except Killed:
            monkeypatch.undo()
            continue
        break
    monkeypatch.undo()
    assert step > 1
    files = all_files(whole)
    assert all_files(cut) == files
    assert not any(name.startswith("_export/") for name in files.keys() - {"_export/export.json"})
    again = export_shards(sets[format], cut, to=to, split=(0.6, 0.4))
    assert (again.made, again.clips, again.warnings) == (0, first.clips, first.warnings)
    assert all_files(cut) == files


@every
def test_virtual_clips_are_exported_as_a_set_of_mp4_is(sets, tmp_path, to):
    """Frames are rendered bit for bit, and the encoder is the same; what names the format is another."""
    for format in ("mp4", "virtual"):
        export_shards(sets[format], tmp_path / format, to=to)
    first, second = (all_files(tmp_path / format) for format in ("mp4", "virtual"))
    assert first.keys() == second.keys()
    named = {name for name in first if first[name] != second[name]}
    assert named <= {"_export/export.json", "README.md"}


def test_frames_are_encoded_as_their_recipe_says(sets, tmp_path):
    export_shards(sets["frames"], tmp_path / "out", to="umt")
    clips = Source.of(sets["frames"]).clips
    [entry] = [e for e in json.loads((tmp_path / "out" / "train.json").read_text()) if e["key"] == "-rf_0"]
    frames = decode_mp4((tmp_path / "out" / "videos" / entry["video"]).read_bytes())
    stored = clips["-rf_0"]["frames"].transpose(0, 2, 3, 1)
    assert frames.shape == stored.shape
    assert abs(frames.astype(int) - stored).mean() < 6


@every
def test_exported_and_left_out_are_all_clips(sets, tmp_path, to):
    report = export_shards(sets["mp4"], tmp_path / "out", to=to, licences=["cc-by", "CC0"])
    by_reason = dict(report.left_out)
    assert by_reason.pop("no licence stated") == 2 * TAKES
    assert by_reason.pop("another licence") == 2 * TAKES
    unread = TAKES if to in ("webvid", "clip4clip") else 0
    assert by_reason == ({"caption that pandas reads as missing": unread} if unread else {})
    assert report.clips == {"train": 6 * TAKES - unread}


@every
def test_nothing_lies_outside_and_every_name_is_safe(sets, tmp_path, to):
    export_shards(sets["mp4"], tmp_path / "a" / "b" / "out", to=to)
    assert {path.name for path in tmp_path.rglob("*")} >= {"a", "b", "out"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["out"]
    for path in (tmp_path / "a" / "b" / "out").rglob("*"):
        assert path.name.isascii() and not path.name.startswith((".", "-")) and " " not in path.name
        assert len(path.name) < 100


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("plain_0", "plain_0"),
        ("~a-B_9_1", "~a-B_9_1"),
        ("a%2Fb_0", "a_2Fb_0-6d1ef936188b3601"),
        ("-rf_0", "_rf_0-"),
        ("木_0", "__0-"),
        ("a-0123456789abcdef", "a-0123456789abcdef-"),
        ("x" * 90, "x" * 70 + "-"),
    ],
)
def test_names_of_files(key, name):
    found = file_name(key)
    assert found == name or (found.startswith(name) and len(found) == len(name) + 16)


def test_different_keys_have_different_names():
    keys = ["a%2Fb", "a_2Fb", "a/b", "a b", "é", "e", "木", "本", "x" * 99, "x" * 98, "-a", "_a"]
    keys += [file_name(key) for key in ("a%2Fb", "é")]
    assert len({file_name(key) for key in keys}) == len(keys)


def test_takes_of_a_still_are_in_one_split(sets, tmp_path):
    export_shards(sets["mp4"], tmp_path / "out", to="lavis", split=(0.4, 0.3, 0.3))
    found: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        for entry in json.loads((tmp_path / "out" / "annotations" / f"{split}.json").read_text()):
            found.setdefault(entry["key"].rpartition("_")[0], set()).add(split)
    assert len(found) == len(STILLS)
    assert all(len(splits) == 1 for splits in found.values())
    assert len(set.union(*found.values())) == 3


def test_a_share_is_about_that_share_and_a_larger_one_holds_the_smaller():
    small, large = (
        {key for key in map(str, range(4000)) if split_of(key, (share, 1 - share)) == "train"}
        for share in (0.3, 0.9)
    )
    assert 0.27 < len(small) / 4000 < 0.33 and 0.88 < len(large) / 4000 < 0.92
    assert small < large
    assert split_of("a", ()) == "train"


def test_an_unfinished_set_is_refused_or_its_finished_shards_are_taken(tmp_path):
    shards = hostile_set(tmp_path / "set", "mp4")
    for name in ("_animate/manifest.json", "00002_stats.json"):
        (shards / name).unlink()
    with pytest.raises(ExportRefused, match="--finished-only"):
        export_shards(shards, tmp_path / "out", to="umt")
    assert not (tmp_path / "out").exists()
    report = export_shards(shards, tmp_path / "out", to="hf", finished_only=True)
    assert report.clips == {"train": CLIPS - 4}
    assert "these are 4 of 5 shards, finished when this began" in report.warnings
    assert "Not recorded" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_of_finished_shards_goes_on_with_them_while_the_build_does(tmp_path, monkeypatch):
    shards = hostile_set(tmp_path / "set", "mp4")
    marker, manifest = shards / "00002_stats.json", shards / "_animate" / "manifest.json"
    later = {path: path.read_bytes() for path in (marker, manifest)}
    for path in later:
        path.unlink()
    export_shards(shards, tmp_path / "whole", to="umt", finished_only=True)
    kill_at(monkeypatch, 12)
    with pytest.raises(Killed):
        export_shards(shards, tmp_path / "cut", to="umt", finished_only=True)
    monkeypatch.undo()
    for path, content in later.items():
        path.write_bytes(content)
    report = export_shards(shards, tmp_path / "cut", to="umt", finished_only=True)
    assert report.clips == {"train": CLIPS - 4}
    assert all_files(tmp_path / "cut") == all_files(tmp_path / "whole")
    with pytest.raises(ExportRefused, match="holds another export"):
        export_shards(shards, tmp_path / "cut", to="umt")
    everything = export_shards(shards, tmp_path / "all", to="umt", finished_only=True)
    assert everything.clips == {"train": CLIPS} and not everything.warnings


def test_another_export_in_the_same_place_is_refused_in_one_line(sets, tmp_path):
    out = tmp_path / "out"
    export_shards(sets["mp4"], out, to="umt")
    before = all_files(out)
    for settings in (
        {"to": "lavis"},
        {"to": "umt", "split": (0.5, 0.5)},
        {"to": "umt", "licences": ("cc0",)},
    ):
        with pytest.raises(ExportRefused, match="holds another export") as refused:
            export_shards(sets["mp4"], out, **settings)
        assert "\n" not in str(refused.value)
    with pytest.raises(ExportRefused, match="holds another export"):
        export_shards(sets["frames"], out, to="umt")
    assert all_files(out) == before


def test_what_cannot_be_meant_is_refused(sets, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    plain = build_set(tmp_path / "plain", "mp4")
    for message, shards, out, settings in (
        ("did you mean 'webvid'", sets["mp4"], "out", {"to": "webwid"}),
        ("holds no shard set", tmp_path / "none", "out", {"to": "umt"}),
        ("is a file", sets["mp4"], "file", {"to": "umt"}),
        ("is not empty and holds no export", sets["mp4"], "full", {"to": "umt"}),
        ("is the shard set that is read", plain, "plain", {"to": "umt"}),
        ("sums to 0.9", sets["mp4"], "out", {"to": "umt", "split": (0.5, 0.4)}),
        ("two or three shares", sets["mp4"], "out", {"to": "umt", "split": (1.0,)}),
        ("carries no column of licences", plain, "out", {"to": "umt", "licences": ["cc0"]}),
    ):
        with pytest.raises(ExportRefused, match=message):
            export_shards(shards, tmp_path / out, **settings)
    with pytest.raises(ExportRefused, match="is a URL"):
        export_shards(sets["mp4"], "memory://out", to="umt")
    assert not (tmp_path / "out").exists()


def test_a_damaged_shard_is_named_and_the_others_are_exported(tmp_path, caplog):
    shards = hostile_set(tmp_path / "set", "mp4")
    whole = (shards / "00001.tar").read_bytes()
    (shards / "00001.tar").write_bytes((shards / "00000.tar").read_bytes())
    with pytest.raises(ExportIncomplete, match=r"first 00001: .*animate verify"):
        export_shards(shards, tmp_path / "out", to="umt")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["shard 00001, attempt 1"]
    (shards / "00001.tar").write_bytes(whole)
    report = export_shards(shards, tmp_path / "out", to="umt")
    assert (report.made, report.clips) == (4, {"train": CLIPS})


@every
def test_the_address_of_the_set_does_not_matter(sets, tmp_path, to):
    store = Place.at("memory://exported").filesystem
    try:
        store.put(f"{sets['frames']}/", "/exported/set/", recursive=True)
        export_shards("memory://exported/set", tmp_path / "a", to=to)
    finally:
        store.rm("/exported", recursive=True)
    export_shards(sets["frames"], tmp_path / "b", to=to)
    assert all_files(tmp_path / "a") == all_files(tmp_path / "b")


class ManyNotes:
    """The notes of 4,000 shards, each the first one's."""

    def __init__(self, notes: list[Note]) -> None:
        self.notes = notes

    def of(self, split: Split) -> Iterator[Any]:
        for number in range(4_000):
            for note in self.notes:
                text = json.dumps(note.value).replace("00000", f"{number:05d}")
                if note.split == split:
                    yield json.loads(text)


@every
def test_memory_does_not_grow_with_the_set(sets, tmp_path, to, monkeypatch):
    """The notes of 4,000 clips take ten times as much as is allowed here."""
    kept: list[Note] = []
    monkeypatch.setattr(StoredNotes, "of", lambda self, split: iter(()))
    exporter = EXPORTS[to]

    def write(folder, clips):
        for note in exporter.write(folder, clips):
            kept.append(note)
            yield note

    for module in (driver, one_shard):
        monkeypatch.setattr(module, "EXPORTS", {to: dataclasses.replace(exporter, write=write)})
    export_shards(sets["mp4"], tmp_path / "out", to=to)
    exported = Exported(
        splits=("train",),
        counts={"train": 1},
        licences={},
        manifest=json.loads((sets["mp4"] / "_animate" / "manifest.json").read_text()),
    )
    tracemalloc.start()
    try:
        exporter.finish(tmp_path / "many", ManyNotes(kept[:1]), exported)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 400_000
    written = sum(path.stat().st_size for path in (tmp_path / "many").rglob("*") if path.is_file())
    assert not kept or written > 200_000


def test_workers_on_ray_write_the_same(sets, tmp_path):
    for out, workers in (("a", 0), ("b", 2)):
        export_shards(sets["virtual"], tmp_path / out, to="mds", workforce=Workforce(workers=workers))
    assert all_files(tmp_path / "a") == all_files(tmp_path / "b")


def test_the_command_lists_every_target_and_says_what_it_did(sets, tmp_path):
    assert tuple(EXPORTS) == TARGETS
    command = [sys.executable, "-c", "from cli.animate.main import main; main()", "export", str(sets["mp4"])]
    out = ["--out", str(tmp_path / "out")]

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *out, *options], capture_output=True, text=True)

    done = run("--to", "webvid", "--license", "cc-by, cc0", "--split", "0.5,0.5")
    assert done.returncode == 0, done.stderr
    assert (
        "left out  10 (4 another licence, 2 caption that pandas reads as missing, 4 no licence" in done.stdout
    )
    assert "exported  10 of 20 clips" in done.stdout
    assert "note: clips have 5 frames" in done.stderr and "Traceback" not in done.stderr
    assert "Nothing to do" in run("--to", "webvid", "--license", "cc-by, cc0", "--split", "0.5,0.5").stdout
    assert run("--to", "wevid").stderr.count("did you mean 'webvid'") == 1
    assert run("--to", "umt", "--split", "half").returncode == 2
    none = run("--to", "umt", "--license", "mit", "--out", str(tmp_path / "none"))
    assert none.returncode == 1 and "no clip was exported" in none.stderr and "card.md" in none.stderr
    assert issubclass(ExportIncomplete, UserError) and ExportIncomplete.exit_code == 1


def test_files_of_samples_end_at_their_size(sets, tmp_path, monkeypatch):
    monkeypatch.setattr("animate.exports.binary.FILE_BYTES", 1)
    export_shards(sets["mp4"], tmp_path / "out", to="mds")
    assert len(list((tmp_path / "out" / "train").glob("*.mds"))) == CLIPS
    assert SampleFiles(tmp_path, "bin").write([], lambda clip: b"") is not None


@pytest.fixture(scope="module")
def montages(tmp_path_factory) -> Path:
    """Montages of two stills, of which one in two may not be used for money; at 29.97 frames a second."""
    root = tmp_path_factory.mktemp("montages")
    settings = ["shot.preset=montage", "shot.edit.stills=2", "video.fps=29.97"]
    return hostile_set(root / "set", "frames", *settings)


def test_a_montage_is_left_out_where_licences_are_asked_for(montages, tmp_path):
    report = export_shards(montages, tmp_path / "out", to="umt", licences=["cc-by", "cc0"])
    assert report.clips["train"] == 0
    assert report.left_out["of several stills, whose licences are not all known"] > 0
    assert sum(report.left_out.values()) == CLIPS


def test_montages_of_the_same_stills_are_in_one_split(montages, tmp_path):
    export_shards(montages, tmp_path / "out", to="umt", split=(0.5, 0.5))
    stills = {clip["key"]: set(clip["json"]["source_keys"]) for clip in load_clips(montages)}
    seen = [
        set().union(*(stills[row["key"]] for row in json.loads((tmp_path / "out" / name).read_text())))
        for name in ("train.json", "val.json")
    ]
    assert all(seen) and not seen[0] & seen[1]


def test_a_fractional_rate_is_exported_as_it_is(montages, tmp_path):
    export_shards(montages, tmp_path / "out", to="hf")
    [path, *_] = sorted((tmp_path / "out" / "data").glob("*.parquet"))
    assert set(pq.read_table(path, columns=["fps"])["fps"].to_pylist()) == {30000 / 1001}
    report = export_shards(montages, tmp_path / "clip4clip", to="clip4clip")
    assert any("--feature_framerate 30 " in warning for warning in report.warnings)


def test_an_export_that_was_cut_off_in_its_first_moment_goes_on(montages, tmp_path):
    (tmp_path / "out" / "_export").mkdir(parents=True)
    assert export_shards(montages, tmp_path / "out", to="umt").clips["train"] == CLIPS


def test_what_is_rendered_on_a_gpu_does_not_go_on_without(sets, tmp_path, monkeypatch):
    begun = tmp_path / "out"
    export_shards(sets["virtual"], begun, to="umt")
    with pytest.raises(ExportRefused, match='device: "cpu" -> "cuda"'):
        export_shards(sets["virtual"], begun, to="umt", workforce=Workforce(workers=0, device="cuda:1"))
