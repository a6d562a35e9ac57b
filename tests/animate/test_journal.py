"""The log and the metrics of a build, read as other programs read them."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from animate import journal, making
from animate.build import build_shards
from animate.data import ShardRecord
from animate.errors import UserError
from animate.executor import HERE, Workforce
from animate.journal import watched
from animate.recipe import BuildRecipe, read_recipe
from animate.shard import build_shard
from tests.animate.test_program import animate
from tests.support.corpora import PHOTOGRAPH


@pytest.fixture
def recipe(tmp_path) -> BuildRecipe:
    """Seven photographs, one of them none, in two shards."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i in range(7):
        (folder / f"{i}.jpg").write_bytes(PHOTOGRAPH if i else b"no image")
        (folder / f"{i}.txt").write_text(f"photograph {i}")
    source = ["source.name='folder'", f"source.path={json.dumps(str(folder))}"]
    small = ["video.format='frames'", "video.size=32", "video.num_frames=2", "shards.clips_per_shard=4"]
    return read_recipe(None, [*source, *small])


def events(path: Path) -> list[dict]:
    """The lines, without their times, which are in order."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    times = [datetime.fromisoformat(line.pop("time")) for line in lines]
    assert times == sorted(times) and all(time.tzinfo for time in times)
    return lines


def metrics(path: Path) -> dict[str, float]:
    """Values by name, with the status where there is one."""
    found = {}
    for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
        assert family.documentation and family.type in ("counter", "gauge")
        for sample in family.samples:
            assert sample.labels["out"] == "somewhere"
            found[" ".join(filter(None, (sample.name, sample.labels.get("status"))))] = sample.value
    return found


def test_a_log_has_a_line_for_all_that_happened(recipe, tmp_path):
    log = tmp_path / "build.jsonl"
    with watched(str(log)) as on_event:
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event)
    began, *shards, ended = events(log)
    assert began["event"] == "began" and began["digest"] == recipe.digest()
    assert began["versions"]["numpy"] and "python" in began["versions"]
    assert (began["planned_shards"], began["planned_inputs"], began["finished_shards"]) == (2, 7, 0)
    assert [line["event"] for line in shards] == ["shard_begun", "shard_finished"] * 2
    assert [line["shard"] for line in shards] == ["00000", "00000", "00001", "00001"]
    first = shards[1]
    assert (first["inputs"], first["clips"], first["rejected"], first["attempts"]) == (
        4,
        3,
        {"not_an_image": 1},
        1,
    )
    assert first["seconds"] > 0
    assert ended["event"] == "ended" and ended["complete"] is True
    assert (ended["shards"], ended["inputs"], ended["clips"], ended["retries"]) == (2, 7, 6, 0)
    assert ended["rejected"] == {"not_an_image": 1}
    with watched(str(log)) as on_event:  # appended to
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event)
    assert [line["event"] for line in events(log)][-2:] == ["began", "ended"]


def test_metrics_are_those_of_the_set(recipe, tmp_path):
    path = tmp_path / "build.prom"
    with watched(metrics_file=str(path), out="somewhere") as on_event:
        assert metrics(path)["animate_shards_total"] == 0  # there from the beginning
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event, on_progress=lambda state: None)
    expected = {
        "animate_clips_total": 6,
        "animate_rejected_total not_an_image": 1,
        "animate_shards_total": 2,
        "animate_retries_total": 0,
        "animate_clips_per_second": 0,
        "animate_planned_clips": 7,
        "animate_planned_shards": 2,
    }
    assert metrics(path) == expected
    with watched(metrics_file=str(path), out="somewhere") as on_event:
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event)
    assert metrics(path) == expected  # also where earlier runs made all of it
    assert [found.name for found in tmp_path.iterdir() if "prom" in found.name] == ["build.prom"]


def test_metrics_are_written_now_and_then_and_whole(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(journal.time, "monotonic", lambda: now[0])
    path = tmp_path / "build.prom"
    watcher = journal.Metrics(str(path), "somewhere")
    watcher.on_event("began", planned_inputs=None, planned_shards=9, finished_shards=1, clips=10, rejected={})
    assert "animate_planned_clips" not in metrics(path)
    watcher.on_event("progress", clips=10)
    for seconds, clips in ((5.0, 30), (9.0, 50)):
        now[0] = 100 + seconds
        watcher.on_event("progress", clips=clips)
        watcher.on_event("shard_finished", clips=20, rejected={"truncated": 2})
        assert metrics(path)["animate_clips_total"] == 10
    now[0] = 110.0
    replaced = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (replaced.append(paths), replace(*paths)))
    watcher.on_event("progress", clips=52)
    assert len(replaced) == 1
    found = metrics(path)
    assert (found["animate_clips_total"], found["animate_rejected_total truncated"]) == (50, 4)
    assert found["animate_clips_per_second"] == 2


def test_what_is_told_of_a_place_breaks_no_line(tmp_path):
    path = tmp_path / "x.prom"
    journal.Metrics(str(path), 'a"b\\c\nd')
    families = list(text_string_to_metric_families(path.read_text()))
    assert families[0].samples[0].labels["out"] == 'a"b\\c\nd'


def fails_once(begun: list[str]):
    def make(assignment, *report) -> ShardRecord:
        begun.append(assignment.shard.name)
        if begun == ["00000"]:
            raise RuntimeError("s3://me:secret@host said no")
        return build_shard(assignment, *report)

    return make


def test_a_shard_that_is_tried_again_is_told_of(recipe, tmp_path):
    log, path = tmp_path / "build.jsonl", tmp_path / "build.prom"
    with watched(str(log), str(path), out="somewhere") as on_event:
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event, make_shard=fails_once([]))
    failed = [line for line in events(log) if line["event"] == "attempt_failed"]
    assert failed == [
        {
            "event": "attempt_failed",
            "shard": "00000",
            "attempt": 1,
            "message": "RuntimeError: s3://host said no",
        }
    ]
    finished = {line["shard"]: line["attempts"] for line in events(log) if line["event"] == "shard_finished"}
    assert finished == {"00000": 2, "00001": 1}
    assert metrics(path)["animate_retries_total"] == 1 and events(log)[-1]["retries"] == 1


def test_a_lost_worker_is_told_of(recipe, tmp_path, monkeypatch):
    log, flag = tmp_path / "build.jsonl", tmp_path / "flag"

    def dies_once(assignment, *report) -> ShardRecord:
        if assignment.shard.name == "00001" and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return build_shard(assignment, *report)

    monkeypatch.setattr(making, "build_shard", dies_once)  # as what makes shards it is tried again carefully
    with watched(str(log)) as on_event:
        assert build_shards(
            recipe, tmp_path / "out", Workforce(workers=2), on_event=on_event, make_shard=dies_once
        ).complete
    assert [line["shard"] for line in events(log) if line["event"] == "worker_lost"] == ["00001"]


def test_a_build_that_is_stopped_says_so(recipe, tmp_path):
    log = tmp_path / "build.jsonl"

    def interrupted(assignment, *report) -> ShardRecord:
        raise KeyboardInterrupt

    with watched(str(log)) as on_event, pytest.raises(KeyboardInterrupt):
        build_shards(recipe, tmp_path / "out", HERE, on_event=on_event, make_shard=interrupted)
    assert [line["event"] for line in events(log)] == ["began", "shard_begun", "stopped"]
    assert events(log)[-1]["message"] == "KeyboardInterrupt"


@pytest.mark.parametrize("which", ["log", "metrics"])
def test_a_file_that_cannot_be_written_is_told_of_before_the_build(tmp_path, which):
    path = str(tmp_path / "no" / "folder")
    arguments = (path, "") if which == "log" else ("", path)
    with pytest.raises(UserError, match=rf"{which} = .*No such file"), watched(*arguments):
        pass


def test_a_disk_that_is_full_later_does_not_end_the_build(tmp_path, caplog):
    with watched("/dev/full") as on_event:
        on_event("ended")
        on_event("ended")
    (message,) = caplog.messages
    assert message == "/dev/full: No space left on device; nothing more is written there"


def test_the_command_writes_both(tmp_path):
    log, path, out = tmp_path / "build.jsonl", tmp_path / "build.prom", tmp_path / "out"
    options = ["--size", "64", "--frames", "2", "--limit", "2", "--workers", "0"]
    run = animate("build", "--src", "demo", "--out", out, *options, "--log", log, "--metrics", path)
    assert run.returncode == 0, run.stderr
    assert [line["event"] for line in events(log)] == ["began", "shard_begun", "shard_finished", "ended"]
    (family,) = [f for f in text_string_to_metric_families(path.read_text()) if f.name == "animate_clips"]
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"out": str(out)}, 2.0)]
    assert path.stat().st_mode & 0o777 == 0o644
