"""Named corpora that are lists, or copies of them in tars."""

from pathlib import Path

import pytest

from animate.sources import SourceError
from tests.support.corpora import PHOTOGRAPH, put, write_members
from tests.support.named import listed_named, read_named

ANNOTATIONS = Path(__file__).parents[4].parent / "shared" / "data" / "annotations"
CC3M = ANNOTATIONS / "cc3m" / "Validation_GCC-1.1.0-Validation.tsv"
LAION = ANNOTATIONS / "laion" / "test_1000.parquet"


@pytest.mark.parametrize(
    ("name", "line"),
    [("cc3m", "a  caption\thttp://x.org/1.jpg"), ("cc12m", "http://x.org/1.jpg\ta  caption")],
)
def test_conceptual_captions_have_no_header(tmp_path, name, line):
    put(tmp_path / "list.tsv", f"{line}\nbroken line\n")
    first, second = listed_named(tmp_path / "list.tsv", name)
    assert (first.key, first.captions, first.file) == ("000000000", ("a  caption",), "http://x.org/1.jpg")
    assert second.fault.status == "bad_row"


def test_a_webdataset_copy_of_a_list_will_do(tmp_path):
    corpus = tmp_path / "cc3m"
    corpus.mkdir()
    for i in range(2):
        write_members(corpus / f"cc3m-train-{i:04d}.tar", [(f"{i}.jpg", PHOTOGRAPH), (f"{i}.txt", b"a cat")])
    write_members(corpus / "cc3m-validation-0000.tar", [("v.jpg", PHOTOGRAPH), ("v.txt", b"a cat")])
    assert [row.key for row in read_named(tmp_path, corpus, "cc3m")] == ["0", "1"]
    assert [row.key for row in read_named(tmp_path, corpus, "cc3m", split="val")] == ["v"]


def test_sbu_is_a_pair_of_texts_or_a_json(tmp_path):
    put(tmp_path / "t/SBU_captioned_photo_dataset_urls.txt", "http://x.org/1.jpg\nhttp://x.org/2.jpg\n")
    put(tmp_path / "t/SBU_captioned_photo_dataset_captions.txt", "one\ntwo\n")
    content = {"image_urls": ["http://x.org/1.jpg", "http://x.org/2.jpg"], "captions": ["one", "two"]}
    put(tmp_path / "j/sbu-captions-all.json", content)
    for folder in ("t", "j"):
        rows = listed_named(tmp_path / folder, "sbu")
        assert [(row.file, row.captions) for row in rows] == [
            ("http://x.org/1.jpg", ("one",)),
            ("http://x.org/2.jpg", ("two",)),
        ]


def test_a_line_of_sbu_ends_at_lf_alone(tmp_path):
    urls = "".join(f"http://x.org/{i}.jpg\r\n" for i in range(3))
    put(tmp_path / "SBU_captioned_photo_dataset_urls.txt", urls)
    put(tmp_path / "SBU_captioned_photo_dataset_captions.txt", "one\rof many\ntwo\x85\u2028!\nthree")
    rows = listed_named(tmp_path, "sbu")
    assert [row.captions for row in rows] == [("one\rof many",), ("two\x85\u2028!",), ("three",)]


@pytest.mark.parametrize(
    ("captions", "fits"), [("one\n", False), ("one\ntwo\nthree\n", False), ("one\ntwo\n\n", True)]
)
def test_a_pair_of_two_lengths_is_refused(tmp_path, captions, fits):
    put(tmp_path / "urls.txt", "http://x.org/1.jpg\nhttp://x.org/2.jpg\n")
    put(tmp_path / "captions.txt", captions)
    if fits:
        assert len(listed_named(tmp_path, "sbu")) == 2
        return
    with pytest.raises(SourceError, match=r"has 2 lines and .* [13]: whose caption"):
        listed_named(tmp_path, "sbu")


def test_redcaps_and_wit_have_their_columns(tmp_path):
    annotation = {
        "image_id": "x",
        "author": "u",
        "url": "http://r/1.jpg",
        "raw_caption": "A Cat!!",
        "caption": "a cat",
    }
    put(tmp_path / "redcaps/annotations/cats_2017.json", {"info": {}, "annotations": [annotation]})
    (row,) = listed_named(tmp_path / "redcaps", "redcaps")
    assert (row.file, row.captions) == ("http://r/1.jpg", ("a cat",))
    header = "language\tpage_url\timage_url\tpage_title\tcaption_reference_description"
    put(
        tmp_path / "wit/wit_v1.train.all-1percent_sample.tsv",
        f"{header}\nen\thttp://p\thttp://i/1.jpg\tt\ta cat\n",
    )
    (row,) = listed_named(tmp_path / "wit", "wit")
    assert (row.file, row.captions, row.meta["language"]) == ("http://i/1.jpg", ("a cat",), "en")


@pytest.mark.skipif(not CC3M.exists(), reason="the head of the official CC3M list is not here")
def test_the_official_cc3m_list(tmp_path):
    rows = listed_named(CC3M, "cc3m")
    assert len(rows) == 5000
    assert all(row.file.startswith("http") and row.captions and not row.fault for row in rows)


@pytest.mark.skipif(not LAION.exists(), reason="the LAION rows are not here")
def test_laion_columns_are_found_in_any_case(tmp_path):
    rows = listed_named(LAION, "laion400m")
    assert len(rows) == 1000
    assert sum(row.file.startswith("http") for row in rows) == 1000
