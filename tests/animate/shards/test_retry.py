"""`animate build --retry-failed`, on a server whose images come back."""

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq
import pytest

from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.inspect import catalogue
from animate.inspect.catalogue import read_catalogue
from animate.inspect.opened import open_set
from animate.recipe import BuildRecipe, FetchRecipe, VideoRecipe, read_recipe
from animate.shard import build_shard
from animate.shards.place import BuildRefused
from animate.shards.stats import stats
from animate.shards.verify import verify
from animate.sources.download.process import downloader
from animate.ustar import read_samples
from tests.support.serving import Quiet, served
from tests.support.shard_sets import all_files

DEMO = Path(__file__).parents[3] / "animate" / "demo"
IMAGES = [(DEMO / f"{name}.jpg").read_bytes() for name in ("cat", "coffee", "rocket")]
ROWS = 11


class Handler(Quiet):
    """`/7.jpg` is an image, or 503 while 7 is down; `/gone` is 404 for ever."""

    down: ClassVar[set[int]] = set()
    #: How long each answer takes.
    seconds: ClassVar[float] = 0

    def do_GET(self) -> None:
        time.sleep(self.seconds)
        name = self.path.strip("/").removesuffix(".jpg")
        if not name.isdecimal():
            self.send_error(404)
        elif int(name) in self.down:
            self.send_error(503)
        else:
            image = IMAGES[int(name) % len(IMAGES)]
            self.send_response(200)
            self.send_header("Content-Length", str(len(image)))
            self.end_headers()
            self.wfile.write(image)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(Handler) as address:
        yield address


@pytest.fixture(scope="module")
def recipe(server, tmp_path_factory) -> Iterator[BuildRecipe]:
    """Eleven good rows in shards of four rows, two takes each, and one address that stays dead."""
    path = tmp_path_factory.mktemp("list") / "list.csv"
    lines = [f"photo {i},{server}/{i}.jpg" for i in range(ROWS)] + [f"dead,{server}/gone"]
    path.write_text("caption,url\n" + "".join(f"{line}\n" for line in lines))
    recipe = read_recipe(
        None,
        [
            "source.name='urls'",
            f"source.path={json.dumps(str(path))}",
            "takes=2",
            "shards.clips_per_shard=8",
            "video.format='virtual'",
        ],
    )
    fetch = FetchRecipe(allow_private=True, seconds=5, retries=0, threads=4)
    yield dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, fetch=fetch))
    downloader(fetch).stop()


def down(monkeypatch, *rows: int) -> None:
    monkeypatch.setattr(Handler, "down", set(rows))


def clips(out: Path) -> dict[str, dict[str, bytes]]:
    found = {}
    for tar in sorted(out.glob("*.tar")):
        with open(tar, "rb") as file:
            found.update(read_samples(file))
    return found


def last_rows(out: Path) -> dict[str, str]:
    """Status of each take: of its row in the last shard that has one."""
    tables = [pq.read_table(path).to_pylist() for path in sorted(out.glob("*.parquet"))]
    return {row["key"]: row["status"] for rows in tables for row in rows}


def test_failed_addresses_are_tried_again_in_further_shards(recipe, tmp_path, monkeypatch):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    down(monkeypatch)
    build_shards(recipe, undisturbed, workforce=HERE)

    down(monkeypatch, 1, 2, 5, 9)
    first = build_shards(recipe, out, workforce=HERE)
    assert (first.inputs, first.clips, first.rejected) == (24, 14, {"failed_to_download": 8, "gone": 2})
    before = {path.name: path.read_bytes() for path in out.glob("0*")}

    down(monkeypatch, 5)
    second = build_shards(recipe, out, workforce=HERE, retry_failed=True)
    assert second.complete
    assert (second.inputs, second.clips, second.rejected) == (24, 20, {"failed_to_download": 2, "gone": 2})
    assert second.shards_made == 1  # four rows; what is gone is not asked for again
    assert {name: (out / name).read_bytes() for name in before} == before
    assert verify(str(out)) == []
    assert stats(str(out)).statuses == {"success": 20, "failed_to_download": 2, "gone": 2}
    listed = read_catalogue(open_set(str(out))).rejected
    assert Counter(entry.status for entry in listed) == {"failed_to_download": 2, "gone": 2}
    # What was mended does not take the places of what is left, of which so many are listed.
    monkeypatch.setattr(catalogue, "MOST_REJECTED", 2)
    some = read_catalogue(open_set(str(out))).rejected
    assert Counter(entry.status for entry in some) == {"failed_to_download": 2, "gone": 2}

    down(monkeypatch)
    third = build_shards(recipe, out, workforce=HERE, retry_failed=True)
    assert (third.inputs, third.clips, third.rejected) == (24, 22, {"gone": 2})
    assert third.shards_made == 1
    assert verify(str(out)) == []
    assert clips(out) == clips(undisturbed)
    assert last_rows(out) == last_rows(undisturbed)
    assert json.loads((out / "_animate" / "manifest.json").read_text())["totals"]["inputs"] == 24
    assert (out / "__len__").read_text() == "22"
    # Without the option the set stays as it is.
    assert build_shards(recipe, out, workforce=HERE).shards_made == 0


def test_a_list_in_several_files_is_tried_again_as_a_whole(recipe, tmp_path, monkeypatch):
    down(monkeypatch, 1, 5, 9)
    build_shards(recipe, tmp_path / "one file", workforce=HERE)
    monkeypatch.setattr("animate.sources.listing.GROUPS_A_FILE", 1)
    build_shards(recipe, tmp_path / "many files", workforce=HERE)
    down(monkeypatch)
    for name in ("one file", "many files"):
        report = build_shards(recipe, tmp_path / name, workforce=HERE, retry_failed=True)
        assert (report.inputs, report.clips, report.shards_made) == (24, 22, 1)
    assert clips(tmp_path / "one file") == clips(tmp_path / "many files")
    assert len(list((tmp_path / "many files" / "_animate").glob("listing*"))) == 3


def test_a_retry_that_was_cut_off_goes_on(recipe, tmp_path, monkeypatch):
    quiet, cut_off = tmp_path / "quiet", tmp_path / "cut_off"
    for out in (quiet, cut_off):
        down(monkeypatch, 0, 1, 4, 5, 8, 9)
        build_shards(recipe, out, workforce=HERE)
    down(monkeypatch)
    build_shards(recipe, quiet, workforce=HERE, retry_failed=True)

    def only_the_fourth(assignment):
        if assignment.shard.index > 3:
            raise KeyboardInterrupt
        return build_shard(assignment)

    with pytest.raises(KeyboardInterrupt):
        build_shards(recipe, cut_off, workforce=HERE, retry_failed=True, make_shard=only_the_fourth)
    assert not (cut_off / "__len__").exists()
    # Ends the try, and begins no other.
    report = build_shards(recipe, cut_off, workforce=HERE, retry_failed=True)
    assert report.complete
    assert report.shards_made == 1
    assert all_files(cut_off) == all_files(quiet)


@pytest.mark.parametrize("lost", ["00000", "00003"])
def test_a_shard_that_is_made_again_takes_the_later_tries_with_it(recipe, tmp_path, monkeypatch, lost):
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    down(monkeypatch)
    build_shards(recipe, undisturbed, workforce=HERE)
    for rows in ((0, 1, 4, 5, 9, 10), (5, 9)):  # shards 0 to 2, then 3 and 4
        down(monkeypatch, *rows)
        build_shards(recipe, out, workforce=HERE, retry_failed=True)
    down(monkeypatch)
    build_shards(recipe, out, workforce=HERE, retry_failed=True)  # shard 5
    assert clips(out) == clips(undisturbed)
    (out / f"{lost}_stats.json").unlink()  # as `verify --repair` would
    report = build_shards(recipe, out, workforce=HERE)
    assert report.complete
    assert (report.inputs, sum(report.rejected.values()) + report.clips) == (24, 24)
    assert verify(str(out)) == []
    report = build_shards(recipe, out, workforce=HERE, retry_failed=True)
    assert (report.inputs, report.clips, report.rejected) == (24, 22, {"gone": 2})
    assert verify(str(out)) == []
    assert clips(out) == clips(undisturbed)


def test_a_retry_on_ray_is_the_same(recipe, tmp_path, monkeypatch):
    outs = [tmp_path / "here", tmp_path / "ray"]
    for workers, out in zip((0, 2), outs, strict=True):
        down(monkeypatch, 3, 6)
        build_shards(recipe, out, workforce=Workforce(workers=workers))
        down(monkeypatch)
        build_shards(recipe, out, workforce=Workforce(workers=workers), retry_failed=True)
    assert all_files(outs[0]) == all_files(outs[1])


def test_the_report_says_how_much_of_the_time_went_into_filming(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "seconds", 0.3)
    down(monkeypatch)
    waits = build_shards(recipe, tmp_path / "slow site", workforce=HERE)
    assert waits.filming_share is not None
    assert waits.filming_share < 0.5
    monkeypatch.setattr(Handler, "seconds", 0)
    long = dataclasses.replace(recipe, takes=400, video=VideoRecipe(size=32, num_frames=2, format="frames"))
    films = build_shards(long, tmp_path / "much to film", workforce=HERE)
    assert films.filming_share is not None
    assert films.filming_share > 0.5
    demo = read_recipe(None, ["source.name='demo'", "source.limit=2", "video.format='virtual'"])
    assert build_shards(demo, tmp_path / "demo", workforce=HERE).filming_share is None


def test_only_downloads_can_be_tried_again(tmp_path):
    recipe = read_recipe(None, ["source.name='demo'", "source.limit=2", "video.format='virtual'"])
    build_shards(recipe, tmp_path / "out", workforce=HERE)
    with pytest.raises(BuildRefused, match="downloaded"):
        build_shards(recipe, tmp_path / "out", workforce=HERE, retry_failed=True)


def test_nothing_left_to_try_is_nothing_to_do(recipe, tmp_path, monkeypatch):
    down(monkeypatch)
    limited = dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, limit=3))
    build_shards(limited, tmp_path / "out", workforce=HERE)
    report = build_shards(limited, tmp_path / "out", workforce=HERE, retry_failed=True)
    assert report.complete
    assert report.shards_made == 0
