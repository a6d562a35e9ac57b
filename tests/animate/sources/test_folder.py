"""Folders of images: with a text beside each, or with a table of captions."""

import errno
import io
import os
from pathlib import Path

import pytest

from animate.data import Rejected
from animate.recipe import SourceRecipe
from animate.sources import SourceError, image_files, safe_key
from animate.sources.folder import Folder
from animate.sources.image_files import IMAGE_SUFFIXES
from tests.support.corpora import (
    JPEG,
    carried_by,
    put,
    read,
    refuse_folder,
    statuses,
    write_images,
    write_rows,
)

SHARED = Path(__file__).parents[3].parent / "shared" / "data"


def test_a_folder_takes_each_line_of_the_text_beside_an_image(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "deep/er/b c.PNG", "no.jpg", "bad.webp")
    put(corpus / "notes.md", "no image")
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


SIGNED = {
    "png": b"\x89PNG\r\n\x1a\n",
    "gif": b"GIF89a",
    "webp": b"RIFF\x10\0\0\0WEBPVP8 ",
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "avif": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
    "jxl": b"\xff\x0a\xfa",
    "psd": b"8BPS\0\1",
}


@pytest.mark.parametrize("content", SIGNED.values(), ids=SIGNED)
@pytest.mark.parametrize("name", ["x.weird", "x", "2022.05", "x.dat"])
def test_a_file_that_begins_like_an_image_is_an_input_whatever_it_is_called(tmp_path, name, content):
    put(tmp_path / "corpus" / name, content)
    put(tmp_path / "corpus" / f"{name}.txt", "words")
    (row,) = read(tmp_path / "corpus", tmp_path)
    assert (row.key, row.image, row.captions) == (safe_key(name), content, ("words",))


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_known_suffix_makes_an_input_of_any_bytes(tmp_path, suffix):
    put(tmp_path / "corpus" / f"a.b{suffix.upper()}", b"no image")
    put(tmp_path / "corpus" / "a.b.txt", "words")
    (row,) = read(tmp_path / "corpus", tmp_path)
    assert (row.key, row.image, row.captions) == ("a%2Eb", b"no image", ("words",))


def test_texts_tables_and_what_systems_leave_are_no_inputs(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", ".DS_Store", "._a.jpg", ".hidden/b.jpg", "Thumbs.db", "desktop.ini")
    write_images(corpus, "sub/a.txt", "sub/a.caption", "sub/rows.csv", "sub/rows.jsonl", "sub/rows.parquet")
    put(corpus / "notes.md", "words")
    put(corpus / "empty", b"")
    assert [row.key for row in read(corpus, tmp_path)] == ["a"]


def test_files_of_known_suffix_are_not_opened_while_planning(tmp_path, monkeypatch):
    corpus = tmp_path / "corpus"
    write_images(corpus, *(f"{i}{suffix}" for i, suffix in enumerate(IMAGE_SUFFIXES)), "odd", "odd.xyz")
    put(corpus / "0.txt", "words")
    put(corpus / "rows.json", "[]")
    source, opened = Folder(SourceRecipe(name="folder", path=str(corpus))), []
    monkeypatch.setattr(io, "open", watch := spy(io.open, opened))
    monkeypatch.setattr("builtins.open", watch)
    source.fingerprint()
    source.freeze(tmp_path, 3)
    assert {Path(path).name for path in opened if str(corpus) in str(path)} == {"odd", "odd.xyz", "0.txt"}


def spy(opens, opened: list):
    def watched(path, *arguments, **options):
        opened.append(path)
        return opens(path, *arguments, **options)

    return watched


def test_the_fingerprint_follows_every_input_and_text(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg")
    found = [fingerprint(corpus)]
    for name in ("b.heic", "c", "a.txt", "a.caption", "sub/metadata.csv"):
        put(corpus / name, JPEG)
        found.append(fingerprint(corpus))
    (corpus / "gone.jpg").symlink_to("/no/such/file")
    found.append(fingerprint(corpus))
    assert len({str(one) for one in found}) == len(found)
    put(corpus / "notes.md", "no part of the corpus")
    assert fingerprint(corpus) == found[-1]


def fingerprint(corpus: Path) -> dict:
    return Folder(SourceRecipe(name="folder", path=str(corpus))).fingerprint()


def test_a_caption_file_stands_in_for_a_text_and_the_text_goes_first(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "b.jpg", "c.jpg", "d.xyz")
    for name in ("a.caption", "b.caption", "b.txt", "c.caption", "d.caption"):
        put(corpus / name, f"from {name}")
    put(corpus / "c.txt", " \n")
    assert [row.captions for row in read(corpus, tmp_path)] == [
        ("from a.caption",), ("from b.txt",), ("from c.caption",), ("from d.caption",)
    ]  # fmt: skip


def test_what_cannot_be_opened_is_a_row_if_it_may_be_an_image(tmp_path, monkeypatch):
    corpus = tmp_path / "corpus"
    write_images(corpus, "ok.jpg", "locked/b.jpg", "secret", "cannot.jpg", "pipe/c.jpg", "link.jpg")
    for name, target in {
        "gone.jpg": "/no/such/file", "bare": "/no/such/photo.png", "sub": "/no/such/folder",
        "notes.md": "/no/such/notes.md", "words.txt": "/no/such/words.txt",
    }.items():  # fmt: skip
        (corpus / name).symlink_to(target)
    for name in ("ok.txt", "locked.txt", "secret.txt", "link.txt", "pipe/c.txt"):
        if name == "link.txt":
            (corpus / name).symlink_to("link.txt")
        elif name == "pipe/c.txt":
            os.mkfifo(corpus / name)
        else:
            put(corpus / name, "words")
    (corpus / "cannot.txt").mkdir()
    os.mkfifo(corpus / "fifo.jpg")
    os.mkfifo(corpus / "fifo.log")
    refuse_folder(monkeypatch, str(corpus / "locked"))
    monkeypatch.setattr(
        image_files, "first_bytes", refuse_file(image_files.first_bytes, str(corpus / "secret"))
    )
    rows = {row.key: row for row in read(corpus, tmp_path)}
    assert {key: row.fault.message for key, row in rows.items() if isinstance(row, Rejected)} == {
        "bare": "'bare': a link to '/no/such/photo.png': No such file or directory",
        "cannot": "'cannot.txt' is no file",
        "fifo": "'fifo.jpg': a fifo, which is never opened",
        "gone": "'gone.jpg': a link to '/no/such/file': No such file or directory",
        "link": "'link.txt': Too many levels of symbolic links",
        "locked%2F": "'locked/': a folder that cannot be read: Permission denied",
        "pipe%2Fc": "'pipe/c.txt' is no file",
        "secret": "'secret': Permission denied",
        "sub": "'sub': a link to '/no/such/folder': No such file or directory",
    }
    assert {row.fault.status for row in rows.values() if isinstance(row, Rejected)} == {
        "missing_file", "bad_row"
    }  # fmt: skip
    assert rows["ok"].captions == ("words",)


def refuse_file(reads, path: str):
    def checked(asked: str) -> bytes:
        if asked == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return reads(asked)

    return checked


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_metadata_of_an_imagefolder_is_read_in_every_folder(tmp_path, suffix):
    corpus = tmp_path / "corpus"
    write_images(corpus, "train/cat/0.png", "train/1.png", "train/extra.png", "test/0.png", "other/2.png")
    write_rows(
        corpus / f"train/metadata.{suffix}",
        [
            {"file_name": "1.png", "text": "one", "n": "1"},
            {"file_name": "cat/0.png", "text": "cat", "n": "2"},
        ],
    )
    write_rows(corpus / f"test/metadata.{suffix}", [{"file_name": "0.png", "text": "zero", "n": "3"}])
    put(corpus / "other/2.txt", "two")
    rows = read(corpus, tmp_path)
    assert [(row.key, row.captions) for row in rows] == [
        ("test%2F0", ("zero",)),
        ("train%2F1", ("one",)),
        ("train%2Fcat%2F0", ("cat",)),
        ("other%2F2", ("two",)),
        ("train%2Fextra", ()),
    ]
    assert carried_by(rows[1]) == {"n": "1"}


def test_metadata_that_names_no_captions_is_passed_over(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg")
    put(corpus / "a.txt", "words")
    for records in ([{"file_name": "a.jpg", "label": "1"}], [{"camera": "x", "caption": "y"}]):
        write_rows(corpus / "metadata.csv", records)
        assert [row.captions for row in read(corpus, tmp_path)] == [("words",)]
    write_rows(corpus / "metadata.csv", [{"file_name": "a.jpg", "text": "from metadata"}])
    assert [row.captions for row in read(corpus, tmp_path)] == [("from metadata",)]
    write_rows(corpus / "metadata.jsonl", [{"file_name": "a.jpg", "text": "twice"}])
    with pytest.raises(SourceError, match="several"):
        read(corpus, tmp_path)
    write_rows(corpus / "captions.csv", [{"file": "a.jpg", "text": "from captions"}])
    assert [row.captions for row in read(corpus, tmp_path)] == [("from captions",)]


def test_a_table_may_name_a_file_by_any_of_its_links(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "real/a.jpg", "real/b.jpg")
    (corpus / "album").symlink_to("real")
    (corpus / "z.jpg").symlink_to("real/b.jpg")
    write_rows(
        corpus / "captions.csv", [{"file": "album/a.jpg", "text": "ay"}, {"file": "z.jpg", "text": "b"}]
    )
    rows = read(corpus, tmp_path)
    assert [(row.key, row.captions) for row in rows] == [("real%2Fa", ("ay",)), ("real%2Fb", ("b",))]


def test_a_line_beside_an_image_ends_at_lf_alone(tmp_path):
    write_images(tmp_path / "corpus", "a.jpg")
    (tmp_path / "corpus/a.txt").write_bytes("one\x85of\u2028many\r\n\r\ntwo\rof many\r\n".encode())
    (row,) = read(tmp_path / "corpus", tmp_path)
    assert row.captions == ("one of many", "two of many")
