"""Rows of a list of addresses: each ends as a sample, or as a rejection that says why."""

import os
import platform
import subprocess

from animate.data import Rejected, Sample
from animate.recipe import FetchRecipe
from animate.sources.download.process import downloader
from animate.sources.download.rows import scratch_folder
from tests.support.address_lists import read_list
from tests.support.corpora import PHOTOGRAPH, statuses
from tests.support.hostile_site import OUTCOMES, HostileSite


def test_every_address_ends_in_one_row(server, fetch, tmp_path):
    lines = [f"caption {i},{server}/{name},CC0" for i, name in enumerate(OUTCOMES)]
    lines += [f"  ,{server}/ok,CC0", "blank,,CC0", "dead,http://127.0.0.1:9/x.jpg,CC0"]
    rows = read_list(tmp_path, lines, fetch)
    assert [row.key for row in rows] == [f"{i:09d}" for i in range(len(OUTCOMES) + 3)]
    assert statuses(rows) == [*OUTCOMES.values(), "missing_caption", "bad_row", "failed_to_download"]
    assert isinstance(rows[0], Sample)
    assert rows[0].image == PHOTOGRAPH
    assert rows[0].captions == ("caption 0",)
    assert rows[0].meta["license"] == "CC0"
    assert rows[0].meta["url"] == f"{server}/ok1.jpg"
    assert len(str(rows[0].meta["sha256"])) == 64
    assert {frozenset(row.meta) for row in rows} == {frozenset(rows[0].meta)}


def test_private_addresses_are_blocked_in_a_whole_list_too(server, tmp_path):
    strict = FetchRecipe(seconds=2, retries=0, threads=4)
    (row,) = read_list(tmp_path, [f"a,{server}/ok.jpg,CC0"], strict)
    downloader(strict).stop()
    assert isinstance(row, Rejected)
    assert row.fault.status == "blocked_address"


def test_only_what_a_dead_process_of_this_machine_left_is_deleted(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        dead = ended.pid
    here = platform.node()
    left = [f"animate-fetch-{dead}@{here}-a1", f"animate-fetch-{dead}@{here}-2-a1", "animate-fetch-notes"]
    left += [f"animate-fetch-{os.getpid()}@{here}-b2", f"animate-fetch-{dead}@elsewhere-c3"]
    for name in left:
        (tmp_path / name).mkdir()
    with scratch_folder(str(tmp_path)) as scratch:
        assert scratch.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == set(left[1:])


def test_parts_are_deleted_or_kept(server, fetch, tmp_path):
    kept = FetchRecipe(allow_private=True, seconds=1.5, retries=0, keep_images=str(tmp_path / "kept"))
    read_list(tmp_path, [f"c{i},{server}/{i}.jpg,CC0" for i in range(7)], kept)
    downloader(kept).stop()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        f"{number:09d}{suffix}" for number in (0, 5) for suffix in (".parquet", ".tar", "_stats.json")
    ]


def test_sites_are_told_who_asks_and_may_say_no_for_now(server, tmp_path, monkeypatch):
    asked, answer = [], HostileSite.do_GET

    def do_get(self: HostileSite) -> None:
        asked.append((self.path, self.headers["User-Agent"]))
        answer(self) if self.path != "/robots.txt" else self.answer(503, b"")

    monkeypatch.setattr(HostileSite, "do_GET", do_get)
    fresh = FetchRecipe(allow_private=True, seconds=2, retries=0, threads=2)
    rows = read_list(tmp_path, [f"c,{server}/{name},CC0" for name in ("1.jpg", "2.jpg")], fresh)
    downloader(fresh).stop()
    # Not `opted_out`: such rows are tried again.
    assert statuses(rows) == ["failed_to_download"] * 2
    assert asked == [("/robots.txt", FetchRecipe().user_agent)]
    assert "animate" in FetchRecipe().user_agent and "img2dataset" not in FetchRecipe().user_agent
