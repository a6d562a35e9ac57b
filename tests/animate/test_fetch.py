"""`animate fetch`: only downloading."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from animate import build_shards, read_recipe
from animate.data import Sample
from animate.executor import HERE, Workforce
from animate.fetch import fetch as run_fetch
from animate.recipe import FetchRecipe, FilterRecipe, SourceRecipe
from animate.sources import SourceError, open_source, read_part
from animate.sources.download.process import downloader
from cli.animate.fetch import fetch as fetch_command
from tests.support.hostile_site import HostileSite
from tests.support.shard_sets import all_files


@pytest.fixture(autouse=True)
def small_parts(monkeypatch) -> None:
    monkeypatch.setattr("animate.fetch.ROWS_A_PART", 2)
    monkeypatch.setattr("animate.fetch.PARTS_A_FILE", 2)


def written(folder: Path, names: list[str], fetch: FetchRecipe, server: str, **options) -> SourceRecipe:
    """A list of these names on the server."""
    path = folder / "list.csv"
    path.write_text("caption,url\n" + "".join(f"c {name},{server}/{name}\n" for name in names))
    return SourceRecipe(name="urls", path=str(path), fetch=fetch, **options)


def last_answers(out: Path) -> dict[str, str]:
    rows = [row for path in sorted(out.glob("0*.parquet")) for row in pq.read_table(path).to_pylist()]
    return {row["key"]: row["status"] for row in rows}


def test_fetching_alone_checks_goes_on_and_tries_again(server, fetch, tmp_path, monkeypatch):
    out = tmp_path / "images"
    source = written(tmp_path, ["1.jpg", "410", "noai", "2.jpg", "500"], fetch, server)
    report = run_fetch(source, str(out), HERE)
    assert report.statuses == {"success": 2, "gone": 1, "failed_to_download": 1, "opted_out": 1}
    assert report.parts == 3
    before = {file.name: file.read_bytes() for file in out.glob("0*")}
    (out / "00001_stats.json").unlink()
    assert run_fetch(source, str(out), HERE).parts == 3
    monkeypatch.setattr(HostileSite, "mended", True)
    again = run_fetch(source, str(out), HERE, retry_failed=True)
    assert again.statuses == {"success": 3, "gone": 1, "opted_out": 1}
    assert again.parts == 4
    assert pq.read_table(out / "failed.parquet")["status"].to_pylist() == ["opted_out", "gone"]
    assert {name: (out / name).read_bytes() for name in before} == before
    built = SourceRecipe(name="webdataset", path=f"{out}/*.tar")
    frozen = open_source(built).freeze(tmp_path, 10)
    rows = list(read_part(frozen.parts[0], 0, None, built, tmp_path, frozen.columns))
    assert [row.captions for row in rows] == [("c 1.jpg",), ("c 2.jpg",), ("c 500",)]
    assert [row.key for row in rows] == ["000000000", "000000003", "000000004"]
    assert all(isinstance(row, Sample) and row.meta["url"] for row in rows)
    (tmp_path / "list.csv").write_text(f"caption,url\nanother,{server}/3.jpg\n")
    with pytest.raises(SourceError, match="another list"):
        run_fetch(source, str(out), HERE)


def test_every_row_of_the_list_ends_as_a_row(server, fetch, tmp_path):
    source = written(tmp_path, ["1.jpg", "404", "1.jpg", "2.jpg"], fetch, server)
    with open(source.path, "a") as file:
        file.write(f"no address,\n,{server}/3.jpg\n")
    unique = SourceRecipe(name="urls", path=source.path, fetch=fetch, filters=FilterRecipe(duplicates="url"))
    report = run_fetch(unique, str(tmp_path / "out"), HERE)
    assert report.statuses == {
        "success": 2, "gone": 1, "duplicate_image": 1, "bad_row": 1, "missing_caption": 1
    }  # fmt: skip
    assert list(last_answers(tmp_path / "out").values()) == [
        "success", "gone", "duplicate_image", "success", "bad_row", "missing_caption"
    ]  # fmt: skip
    failed = pq.read_table(tmp_path / "out" / "failed.parquet").to_pylist()
    assert sorted(row["status"] for row in failed) == sorted(
        ["gone", "duplicate_image", "bad_row", "missing_caption"]
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda out: (out / "00001.tar").write_bytes((out / "00001.tar").read_bytes()[:-512]),
        lambda out: (out / "00001.parquet").unlink(),
        lambda out: (out / "00001.parquet").write_bytes(b"PAR1"),
        lambda out: pq.write_table(pq.read_table(out / "00001.parquet").slice(0, 1), out / "00001.parquet"),
        lambda out: (out / "00001_stats.json").write_text("{}"),
        lambda out: (out / "00001_stats.json").write_text("{"),
    ],
    ids=["truncated tar", "no parquet", "no rows", "wrong count", "empty marker", "broken marker"],
)
def test_a_damaged_part_is_downloaded_again(server, fetch, tmp_path, damage):
    source, out = written(tmp_path, [f"{i}.jpg" for i in range(5)], fetch, server), tmp_path / "out"
    run_fetch(source, str(out), HERE)
    whole = all_files(out)
    damage(out)
    assert all_files(out) != whole
    assert run_fetch(source, str(out), HERE).statuses == {"success": 5}
    assert all_files(out) == whole


def test_workers_give_the_same_folder(server, fetch, tmp_path):
    source = written(tmp_path, [f"{i}.jpg" for i in range(9)], fetch, server)
    reported: list[tuple[int, int]] = []
    run_fetch(source, str(tmp_path / "here"), HERE)
    run_fetch(
        source,
        str(tmp_path / "ray"),
        Workforce(workers=2),
        on_rows=lambda *rows: reported.append(rows),
    )
    assert all_files(tmp_path / "here") == all_files(tmp_path / "ray")
    assert reported[-1][0] == 9


def test_what_was_fetched_has_the_keys_of_the_list(server, fetch, tmp_path):
    source = written(tmp_path, ["1.jpg", "404", "2.jpg"], fetch, server)
    run_fetch(source, str(tmp_path / "images"), HERE)
    made = []
    for name, path in (("urls", source.path), ("webdataset", f"{tmp_path}/images/*.tar")):
        recipe = read_recipe(
            None,
            [
                f"source.name={json.dumps(name)}",
                f"source.path={json.dumps(path)}",
                "source.fetch.allow_private=true",
                'video.format="virtual"',
            ],
        )
        build_shards(recipe, tmp_path / name, HERE)
        downloader(recipe.source.fetch).stop()
        [table] = [pq.read_table(file) for file in (tmp_path / name).glob("*.parquet")]
        kept = [row for row in table.to_pylist() if row["status"] == "success"]
        made.append([(row["key"], row["caption"], row["sha256"]) for row in kept])
    assert made[0] == made[1]
    assert len(made[0]) == 2


def test_a_folder_with_tars_of_others_is_left_alone(server, fetch, tmp_path):
    source = written(tmp_path, ["1.jpg"], fetch, server)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000.tar").write_bytes(b"mine")
    with pytest.raises(SourceError, match="not the list"):
        run_fetch(source, str(tmp_path / "out"), HERE)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00000.tar"]


def test_a_list_of_dead_links_is_told_of(server, fetch, tmp_path, monkeypatch, caplog, capsys):
    source = written(tmp_path, ["404", "410", "500"], fetch, server)
    monkeypatch.setattr("animate.fetch.FIRST_ROWS", 2)
    report = run_fetch(source, str(tmp_path / "dead"), HERE, on_rows=lambda done, of: None)
    assert report.statuses == {"gone": 2, "failed_to_download": 1}
    assert caplog.text.count("addresses gave an image") == 1
    with pytest.raises(typer.Exit):
        fetch_command(src="urls", out=str(tmp_path / "dead"), urls=source.path, allow_private=True, workers=0)
    assert "no address gave an image" in capsys.readouterr().err
    run_fetch(written(tmp_path, ["404", "1.jpg"], fetch, server), str(tmp_path / "alive"), HERE)
    assert caplog.text.count("addresses gave an image") == 1
