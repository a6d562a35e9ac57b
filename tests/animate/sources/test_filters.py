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


#: Beside the word in NSFW, each has a number of how unsafe it is.
PUNSAFE = [0.0, "0.1", 0.7, None, 0.05]
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
for record, number in zip(RECORDS, PUNSAFE, strict=True):
    record["punsafe"] = number


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (FilterRecipe(scripts=("latin",)), {1: "filtered_script"}),
        (FilterRecipe(scripts=("latin", "cyrillic")), {}),
        (FilterRecipe(min_caption_length=5), {4: "filtered_caption_length"}),
        (FilterRecipe(max_caption_length=11), {1: "filtered_caption_length"}),
        (FilterRecipe(min_similarity=0.3), {2: "filtered_similarity", 3: "filtered_similarity"}),
        (FilterRecipe(max_similarity=0.3), {i: "filtered_similarity" for i in (0, 1, 3, 4)}),
        (FilterRecipe(min_similarity=0.2, max_similarity=0.4), {3: "filtered_similarity"}),
        (FilterRecipe(nsfw=("unlikely",)), {3: "filtered_nsfw"}),
        (FilterRecipe(max_nsfw=0.1), {2: "filtered_nsfw", 3: "filtered_nsfw"}),
        (FilterRecipe(min_nsfw=0.05), {0: "filtered_nsfw", 3: "filtered_nsfw"}),
        (FilterRecipe(max_nsfw=0.1, nsfw=("unlikely",)), {2: "filtered_nsfw", 3: "filtered_nsfw"}),
        (FilterRecipe(max_nsfw=0.0), {i: "filtered_nsfw" for i in (1, 2, 3, 4)}),
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


@pytest.mark.parametrize("column", ["punsafe", "nsfw_score", "NSFW", "nsfw_score_opennsfw2"])
def test_numbers_have_bounds_in_any_column_that_has_them(tmp_path, column):
    write_images(tmp_path, *(f"{i}.jpg" for i in range(4)))
    values = [0.04, 0.2, float("nan"), "UNLIKELY"]
    rows = [{"image": f"{i}.jpg", "caption": "a cat", column: value} for i, value in enumerate(values)]
    path = write_rows(tmp_path / "t.jsonl", rows)
    wanted = ["ok", *["filtered_nsfw"] * 3]
    assert statuses(read(path, tmp_path, filters=FilterRecipe(max_nsfw=0.1))) == wanted
    other = FilterRecipe(max_nsfw=0.1, nsfw_column="other")
    with pytest.raises(SourceError, match="no nsfw column"):
        read(path, tmp_path, filters=other)


def test_bounds_in_the_wrong_order_are_no_recipe():
    with pytest.raises(ValueError, match=r"min_nsfw = 0\.2: must be at most max_nsfw = 0\.1"):
        FilterRecipe(min_nsfw=0.2, max_nsfw=0.1)


@pytest.mark.parametrize(("last", "told"), [(0.9, True), (0.0, False)])
def test_filters_that_refuse_all_of_the_first_rows_are_told_of(tmp_path, caplog, last, told):
    write_images(tmp_path, "a.jpg")
    values = [0.9] * 999 + [last] + [0.0]
    rows = [{"image": "a.jpg", "key": i, "caption": "a cat", "punsafe": x} for i, x in enumerate(values)]
    path = write_rows(tmp_path / "t.csv", rows)
    found = read(path, tmp_path, 2000, filters=FilterRecipe(max_nsfw=0.1))
    assert statuses(found).count("filtered_nsfw") == (1000 if told else 999)
    message = "refuse all of the first 1,000 samples: filtered_nsfw 1,000; the first has nsfw '0.9'"
    assert (message in caplog.text) == told
