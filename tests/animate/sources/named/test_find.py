"""Named corpora on this machine: where they are, and what to get if they are not."""

import pytest

from animate.recipe import SourceRecipe
from animate.sources import SourceError, open_source
from animate.sources.named.corpora import CORPORA
from animate.sources.named.find import ROOT_VARIABLE, explain, overview
from animate.sources.resolve import resolve_src
from tests.support.corpora import PHOTOGRAPH, put, read, write_members


@pytest.mark.parametrize("name", list(CORPORA))
def test_a_missing_corpus_says_what_to_get_and_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(SourceError) as error:
        open_source(SourceRecipe(**resolve_src(name)))
    text = str(error.value)
    assert CORPORA[name].page in text
    assert CORPORA[name].licence in text
    assert f"animate build --src {name}" in text
    assert str(tmp_path / name) in text


def test_what_is_here_is_listed(tmp_path):
    put(tmp_path / "cc12m/cc12m.tsv", "http://x.org/1.jpg\ta\n")
    rows = {row.name: row.where for row in overview(str(tmp_path))}
    assert set(rows) == set(CORPORA)
    assert rows["cc12m"] == f"in {tmp_path}/cc12m"
    assert rows["cc3m"] == "-"
    assert "found 1" in explain("cc12m", root=str(tmp_path))
    with pytest.raises(SourceError, match="known ones: cc3m"):
        explain("imagenet")


def test_a_tar_copy_is_found_through_the_environment(tmp_path, monkeypatch):
    (tmp_path / "data/cc12m").mkdir(parents=True)
    write_members(tmp_path / "data/cc12m/cc12m-train-0000.tar", [("a.jpg", PHOTOGRAPH), ("a.txt", b"a cat")])
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "data"))
    (row,) = read("cc12m", tmp_path)
    assert row.image == PHOTOGRAPH
