"""Folders of images: with a text beside each, or with a table of captions."""

import os
from pathlib import Path

import pytest

from tests.support.corpora import JPEG, carried_by, read, statuses, write_images, write_rows

SHARED = Path(__file__).parents[3].parent / "shared" / "data"


def test_a_folder_takes_each_line_of_the_text_beside_an_image(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "deep/er/b c.PNG", "no.jpg", "bad.webp", "notes.md")
    (corpus / "a.txt").write_text("one\n\n  two \none\n")
    (corpus / "deep/er/b c.txt").write_bytes("\ufeffé".encode())
    (corpus / "bad.txt").write_bytes(b"caf\xe9")
    rows = {row.key: row for row in read(corpus, tmp_path)}
    assert list(rows) == ["a", "bad", "no", "deep%2Fer%2Fb%20c"]
    assert rows["a"].captions == ("one", "two")
    assert rows["a"].image == JPEG + b"a.jpg"
    assert rows["deep%2Fer%2Fb%20c"].captions == ("é",)
    assert rows["bad"].fault.status == "caption_not_utf8"
    assert rows["no"].fault.status == "missing_caption"


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_a_folder_follows_its_captions_table(tmp_path, suffix):
    corpus = tmp_path / "corpus"
    write_images(corpus, "images/a.jpg", "images/b.jpg", "images/extra.jpg")
    records = [
        {"file": "images/b.jpg", "caption": "bee", "licence": "CC0"},
        {"file": "a.jpg", "caption": "ay", "licence": "BY"},
        {"file": "gone.jpg", "caption": "nothing", "licence": "BY"},
    ]
    write_rows(corpus / f"captions.{suffix}", records)
    rows = read(corpus, tmp_path)
    assert [row.key for row in rows] == ["images%2Fb", "images%2Fa", "gone", "images%2Fextra"]
    assert statuses(rows) == ["ok", "ok", "missing_file", "missing_caption"]
    assert carried_by(rows[0]) == {"licence": "CC0"}


def test_names_that_are_not_text_are_found_again(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    Path(os.fsdecode(bytes(corpus) + b"/\xff.jpg")).write_bytes(JPEG)
    Path(os.fsdecode(bytes(corpus) + b"/\xff.txt")).write_text("ok")
    (row,) = read(corpus, tmp_path)
    assert (row.key, row.image) == ("%FF", JPEG)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared photographs are not here")
def test_real_photographs_with_five_captions_each(tmp_path):
    rows = read(SHARED / "flickr8k-native", tmp_path, rows_per_shard=64)
    assert statuses(rows) == ["ok"] * 200
    assert {len(row.captions) for row in rows} <= {3, 4, 5}
