"""Filters: what is unwanted is a counted row."""

import json

import pytest

from animate.recipe import FilterRecipe
from animate.sources import SourceError
from tests.support.corpora import read, statuses, write_images, write_members, write_rows


def test_the_raw_caption_is_kept(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = write_rows(tmp_path / "t.csv", [{"image": "a.jpg", "caption": "a &amp; b"}])
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
        path = write_rows(tmp_path / "t.jsonl", RECORDS)
    else:
        members = []
        for i, record in enumerate(RECORDS):
            members += [(f"{i}.jpg", b"x"), (f"{i}.json", json.dumps(record).encode())]
        path = write_members(tmp_path / "t.tar", members)
    found = statuses(read(path, tmp_path, filters=filters))
    assert found == [expected.get(i, "ok") for i in range(len(RECORDS))]


def test_only_the_captions_that_pass_are_left(tmp_path):
    write_images(tmp_path, "2.jpg")
    path = write_rows(tmp_path / "t.jsonl", [RECORDS[2]])
    (row,) = read(path, tmp_path, filters=FilterRecipe(min_caption_length=5))
    assert row.captions == ("a cat",)


def test_a_filter_on_a_column_that_is_not_there_is_an_error(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = write_rows(tmp_path / "t.csv", [{"image": "a.jpg", "caption": "x", "n": 1}])
    with pytest.raises(SourceError, match=r"no similarity column.*'n'"):
        read(path, tmp_path, filters=FilterRecipe(min_similarity=0.3))
