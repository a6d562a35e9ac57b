"""`animate fetch`: only downloading."""

import pytest

from animate.data import Sample
from animate.fetch import fetch as run_fetch
from animate.recipe import SourceRecipe
from animate.sources import SourceError, open_source, read_part
from tests.support.hostile_site import HostileSite


def test_fetching_alone_checks_goes_on_and_tries_again(server, fetch, tmp_path, monkeypatch):
    path, out = tmp_path / "list.csv", tmp_path / "images"
    names = ["1.jpg", "410", "noai", "2.jpg", "500"]
    path.write_text("caption,url\n" + "".join(f"c {name},{server}/{name}\n" for name in names))
    source = SourceRecipe(name="urls", path=str(path), fetch=fetch)
    monkeypatch.setattr("animate.fetch.ROWS_A_PART", 2)
    report = run_fetch(source, str(out))
    assert report.statuses == {"success": 2, "gone": 1, "failed_to_download": 1, "opted_out": 1}
    assert report.parts == 3
    before = {file.name: file.read_bytes() for file in out.glob("0*")}
    (out / "00001_stats.json").unlink()
    assert run_fetch(source, str(out)).parts == 3
    monkeypatch.setattr(HostileSite, "mended", True)
    again = run_fetch(source, str(out), retry_failed=True)
    assert again.statuses == {"success": 3, "gone": 1, "opted_out": 1}
    assert again.parts == 4
    kept = {name: content for name, content in before.items() if name.startswith(("00000", "00002"))}
    assert {name: (out / name).read_bytes() for name in kept} == kept
    built = SourceRecipe(name="webdataset", path=f"{out}/*.tar")
    frozen = open_source(built).freeze(tmp_path, 10)
    rows = list(read_part(frozen.parts[0], 0, None, built, tmp_path, frozen.columns))
    assert [row.captions for row in rows] == [("c 1.jpg",), ("c 2.jpg",), ("c 500",)]
    assert [row.key for row in rows] == ["000000000", "000000003", "000000004"]
    assert all(isinstance(row, Sample) and row.meta["url"] for row in rows)
    path.write_text(path.read_text() + f"more,{server}/3.jpg\n")
    with pytest.raises(SourceError, match="another list"):
        run_fetch(source, str(out))
