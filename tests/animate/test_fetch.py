"""`animate fetch`: only downloading."""

import pytest
import typer

from animate.data import Sample
from animate.fetch import fetch as run_fetch
from animate.recipe import SourceRecipe
from animate.sources import SourceError, open_source, read_part
from cli.animate.fetch import fetch as fetch_command
from tests.support.hostile_site import HostileSite


def test_fetching_alone_checks_goes_on_and_tries_again(server, fetch, tmp_path, monkeypatch):
    path, out = tmp_path / "list.csv", tmp_path / "images"
    names = ["1.jpg", "410", "noai", "2.jpg", "500"]
    path.write_text("caption,url\n" + "".join(f"c {name},{server}/{name}\n" for name in names))
    source = SourceRecipe(name="urls", path=str(path), fetch=fetch)
    monkeypatch.setattr("animate.fetch.KEYS_A_PART", 2)
    report = run_fetch(source, str(out))
    assert report.statuses == {"success": 2, "failed_to_download": 2, "opted_out": 1}
    assert report.parts == 3
    before = {file.name: file.read_bytes() for file in out.glob("0*")}
    (out / "00001_stats.json").unlink()
    assert run_fetch(source, str(out)).parts == 3
    monkeypatch.setattr(HostileSite, "mended", True)
    again = run_fetch(source, str(out), retry_failed=True)
    assert again.statuses == {"success": 4, "opted_out": 1}
    assert again.parts == 4
    kept = {name: content for name, content in before.items() if name.startswith(("00000", "00002"))}
    assert {name: (out / name).read_bytes() for name in kept} == kept
    built = SourceRecipe(name="webdataset", path=f"{out}/*.tar")
    frozen = open_source(built).freeze(tmp_path, 10)
    rows = list(read_part(frozen.parts[0], 0, None, built, tmp_path, frozen.columns))
    # Within a downloaded tar the order is the order of arrival.
    assert sorted(row.captions for row in rows) == [("c 1.jpg",), ("c 2.jpg",), ("c 410",), ("c 500",)]
    assert all(isinstance(row, Sample) and row.meta["url"] for row in rows)
    path.write_text(path.read_text() + f"more,{server}/3.jpg\n")
    with pytest.raises(SourceError, match="another list"):
        run_fetch(source, str(out))


def test_a_list_of_dead_links_is_told_of(server, fetch, tmp_path, monkeypatch, caplog, capsys):
    path = tmp_path / "list.csv"
    path.write_text("caption,url\n" + "".join(f"c {i},{server}/{404 + 6 * i}\n" for i in (0, 1, 16)))
    source = SourceRecipe(name="urls", path=str(path), fetch=fetch)
    monkeypatch.setattr("animate.fetch.KEYS_A_PART", 2)
    report = run_fetch(source, str(tmp_path / "dead"))
    assert report.statuses == {"failed_to_download": 3}
    assert caplog.text.count("none of the first 2 addresses gave an image; 1 times failed_to_download") == 1
    with pytest.raises(typer.Exit):
        fetch_command(src="urls", out=str(tmp_path / "dead"), urls=str(path), allow_private=True)
    assert "no address gave an image" in capsys.readouterr().err
