"""Filters and cleaning: what is unwanted is a counted row, and a caption says what it said."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.recipe import FilterRecipe
from animate.sources import SourceError
from animate.sources.captions import clean
from animate.sources.listing import in_sample
from tests.animate.sources.test_sources import read, statuses, write_images, write_table, write_tar

DEMO = Path(__file__).parents[3] / "animate" / "demo"


@given(st.text(max_size=60))
def test_cleaning_again_changes_nothing_but_entities_and_leaves_one_line(text):
    once = clean(text)
    assert "&" in once or clean(once) == once
    assert once == once.strip()
    assert not any(unicodedata.category(character) == "Cc" for character in once)
    assert unicodedata.is_normalized("NFC", once)


def test_entities_controls_and_spaces():
    written = "cafe\u0301 &amp;quot;x&quot;\x00\t\u200b y\u2028z&nbsp;"
    assert clean(written) == 'caf\u00e9 "x" y z'


def test_the_raw_caption_is_kept(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = write_table(tmp_path / "t.csv", [{"image": "a.jpg", "caption": "a &amp; b"}])
    (row,) = read(path, tmp_path)
    assert row.captions == ("a & b",)
    assert row.meta == {"caption_raw": "a &amp; b"}


RECORDS = [
    {"image": "0.jpg", "captions": ["a small cat"], "similarity": 0.4, "NSFW": "UNLIKELY", "LICENSE": "CC0"},
    {
        "image": "1.jpg",
        "captions": ["маленький кот"],
        "similarity": 0.4,
        "NSFW": "UNLIKELY",
        "LICENSE": "CC0",
    },
    {
        "image": "2.jpg",
        "captions": ["a cat", "cat!"],
        "similarity": 0.2,
        "NSFW": "UNLIKELY",
        "LICENSE": "CC0",
    },
    {"image": "3.jpg", "captions": ["a big dog"], "similarity": None, "NSFW": "NSFW", "LICENSE": "CC0"},
    {"image": "4.jpg", "captions": ["x"], "similarity": 0.4, "NSFW": "UNLIKELY", "LICENSE": "?"},
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (FilterRecipe(scripts=("latin",)), {1: "filtered_script"}),
        (FilterRecipe(scripts=("latin", "cyrillic")), {}),
        (FilterRecipe(min_caption_length=5), {4: "filtered_caption_length"}),
        (FilterRecipe(max_caption_length=11), {1: "filtered_caption_length"}),
        (FilterRecipe(min_similarity=0.3), {2: "filtered_similarity", 3: "filtered_similarity"}),
        (FilterRecipe(nsfw=("unlikely",)), {3: "filtered_nsfw"}),
        (FilterRecipe(licences=("cc0",)), {4: "filtered_licence"}),
    ],
)
@pytest.mark.parametrize("form", ["table", "tar"])
def test_each_filter_rejects_its_rows_wherever_they_come_from(tmp_path, filters, expected, form):
    write_images(tmp_path, *(record["image"] for record in RECORDS))
    if form == "table":
        path = write_table(tmp_path / "t.jsonl", RECORDS)
    else:
        members = []
        for i, record in enumerate(RECORDS):
            members += [(f"{i}.jpg", b"x"), (f"{i}.json", json.dumps(record).encode())]
        path = write_tar(tmp_path / "t.tar", members)
    found = statuses(read(path, tmp_path, filters=filters))
    assert found == [expected.get(i, "ok") for i in range(len(RECORDS))]


def test_only_the_captions_that_pass_are_left(tmp_path):
    write_images(tmp_path, "2.jpg")
    path = write_table(tmp_path / "t.jsonl", [RECORDS[2]])
    (row,) = read(path, tmp_path, filters=FilterRecipe(min_caption_length=5))
    assert row.captions == ("a cat",)


def test_a_filter_on_a_column_that_is_not_there_is_an_error(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = write_table(tmp_path / "t.csv", [{"image": "a.jpg", "caption": "x", "n": 1}])
    with pytest.raises(SourceError, match=r"no similarity column.*'n'"):
        read(path, tmp_path, filters=FilterRecipe(min_similarity=0.3))


@given(key=st.text(max_size=20), shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)))
def test_a_larger_sample_holds_the_smaller_one(key, shares):
    small, large = sorted(shares)
    assert in_sample(key, large) or not in_sample(key, small)
    assert in_sample(key, 1.0)


def test_a_sample_is_about_as_large_as_asked():
    kept = sum(in_sample(f"{i:09d}", 0.25) for i in range(20_000))
    assert 4_600 < kept < 5_400


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_the_same_image_twice_is_refused_by_bytes_or_by_look(tmp_path, form):
    from animate.codec import decode_jpeg, encode_jpeg

    cat, dog = (DEMO / "cat.jpg").read_bytes(), (DEMO / "rocket.jpg").read_bytes()
    images = {"a": cat, "b": dog, "c": cat, "d": encode_jpeg(decode_jpeg(cat), 60)}
    if form == "tar":
        members = []
        for key, image in images.items():
            members += [(f"{key}.jpg", image), (f"{key}.txt", b"words")]
        corpus = write_tar(tmp_path / "t.tar", members)
    else:
        corpus = tmp_path / "corpus"
        corpus.mkdir()
        for key, image in images.items():
            (corpus / f"{key}.jpg").write_bytes(image)
            (corpus / f"{key}.txt").write_text("words")
    again = "duplicate_image"
    assert statuses(read(corpus, tmp_path, filters=FilterRecipe(duplicates="sha256"))) == [
        "ok",
        "ok",
        again,
        "ok",
    ]
    assert statuses(read(corpus, tmp_path, filters=FilterRecipe(duplicates="perceptual"))) == [
        "ok", "ok", again, again
    ]  # fmt: skip
