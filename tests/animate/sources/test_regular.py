"""A fifo is never waited for, a device never read: each is a row, or the corpus is refused with a message."""

import os
from pathlib import Path

import pytest

from animate.recipe import FilterRecipe
from animate.sources import SourceError, regular
from animate.sources.regular import image_content
from tests.support.corpora import JPEG, read, statuses, write_images, write_members, write_rows

#: What never ends, or never begins.
SPECIAL = {"fifo": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero")}


@pytest.fixture(params=SPECIAL)
def special(request):
    """Makes a file that must not be opened."""
    return SPECIAL[request.param]


def corpus_of_one(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg")
    (corpus / "a.txt").write_text("words")
    return corpus


def test_an_image_that_a_table_names(tmp_path, special):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg")
    special(corpus / "b.jpg")
    write_rows(corpus / "t.csv", [{"image": f"{name}.jpg", "caption": "words"} for name in "ab"])
    for options in ({}, {"filters": FilterRecipe(duplicates="sha256")}):
        rows = read(corpus / "t.csv", tmp_path, **options)
        assert statuses(rows) == ["ok", "missing_file"]
        assert "which is never opened" in rows[1].fault.message


@pytest.mark.parametrize("name", ["captions.csv", "captions.json", "metadata.jsonl", "metadata.parquet"])
def test_a_table_in_a_folder_of_images(tmp_path, special, name):
    corpus = corpus_of_one(tmp_path)
    special(corpus / name)
    rows = read(corpus, tmp_path)
    assert statuses(rows) == ["ok", "bad_row"]
    assert rows[0].captions == ("words",)
    assert name in rows[1].fault.message


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl.gz", "parquet", "tsv.zip"])
def test_a_table_that_is_the_corpus_is_refused(tmp_path, special, suffix):
    special(tmp_path / f"t.{suffix}")
    with pytest.raises(SourceError, match="which is never opened"):
        read(tmp_path / f"t.{suffix}", tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_later_table_of_several_is_a_row(tmp_path, special, suffix):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_rows(corpus / f"a.{suffix}", [{"image": JPEG.decode("latin-1"), "caption": "words"}])
    special(corpus / f"b.{suffix}")
    assert statuses(read(corpus, tmp_path))[1:] == ["bad_row"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_later_list_of_addresses_is_a_row(tmp_path, special, suffix):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_rows(corpus / f"a.{suffix}", [{"url": "http://127.0.0.1:1/a.jpg", "caption": "words"}])
    special(corpus / f"b.{suffix}")
    assert statuses(read(corpus, tmp_path))[1:] == ["bad_row"]


@pytest.mark.parametrize("pattern", ["", "*.tar"])
def test_a_tar_among_others(tmp_path, special, pattern):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_members(corpus / "a.tar", [("a.jpg", JPEG), ("a.txt", b"words")])
    special(corpus / "b.tar")
    assert statuses(read(corpus / pattern, tmp_path)) == ["ok", "broken_archive"]


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz"])
def test_a_tar_alone(tmp_path, special, name):
    special(tmp_path / name)
    for src in (tmp_path / name, f"file://{tmp_path / name}"):
        assert statuses(read(src, tmp_path)) == ["broken_archive"]


def test_the_parquet_beside_a_tar(tmp_path, special):
    write_members(tmp_path / "a.tar", [("a.jpg", JPEG), ("a.txt", b"words")])
    special(tmp_path / "a.parquet")
    for src in (tmp_path / "a.tar", f"file://{tmp_path / 'a.tar'}"):
        assert statuses(read(src, tmp_path)) == ["ok"]


def test_files_that_are_too_large_are_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(regular, "MOST_BYTES", 100)
    (tmp_path / "a.jpg").write_bytes(bytes(100))
    (tmp_path / "b.jpg").write_bytes(bytes(101))
    assert image_content(str(tmp_path), "a.jpg") == bytes(100)
    assert image_content(str(tmp_path), "b.jpg").status == "too_large"
