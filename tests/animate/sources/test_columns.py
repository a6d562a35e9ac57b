"""Columns that are looked for."""

import gzip

import pytest

from animate.recipe import SourceRecipe
from animate.sources import SourceError
from tests.support.corpora import put, read, statuses, write_images, write_rows


def test_wrong_columns_name_those_seen(tmp_path):
    path = write_rows(tmp_path / "t.csv", [{"photo": "a.jpg", "words": "x"}])
    with pytest.raises(SourceError, match=r"looks like the image.*'photo', 'words'"):
        read(path, tmp_path)
    with pytest.raises(SourceError, match=r"no column 'pic' \(source.image_column\).*'photo', 'words'"):
        read(path, tmp_path, image_column="pic", caption_column="words")
    write_images(tmp_path, "a.jpg")
    assert statuses(read(path, tmp_path, image_column="photo", caption_column="words")) == ["ok"]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_table_without_a_line_of_names_is_read_by_those_of_the_recipe(tmp_path, name):
    write_images(tmp_path, "a.jpg", "b.jpg")
    sign = "," if name == "t.csv" else "\t"
    (tmp_path / name).write_text(f"a cat{sign}a.jpg\na dog{sign}b.jpg\n")
    found = read(str(tmp_path / name), tmp_path, columns=("caption", "path"))
    assert statuses(found) == ["ok", "ok"]
    assert [sample.captions for sample in found] == [("a cat",), ("a dog",)]


def test_names_of_columns_are_for_tables_that_have_none(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"image": "a.jpg", "caption": "a cat"}\n')
    with pytest.raises(SourceError, match=r"names its columns itself: source\.columns"):
        read(str(path), tmp_path, columns=("caption", "path"))
    with pytest.raises(ValueError, match="once"):
        SourceRecipe(columns=("caption", "caption"))


@pytest.mark.parametrize("sign", ["|", ";", "\t"])
def test_other_separators_are_known_by_the_first_line(tmp_path, sign):
    write_images(tmp_path, "a.jpg", "b.jpg")
    lines = [
        ["image_name", "number", "comment"],
        ["a.jpg", "0", "A cat, asleep ."],
        ["b.jpg", "0", '"quoted"'],
    ]
    (tmp_path / "t.csv").write_text("".join(f"{sign} ".join(line) + "\n" for line in lines))
    found = read(str(tmp_path / "t.csv"), tmp_path, caption_column="comment")
    assert statuses(found) == ["ok", "ok"]
    assert [sample.captions for sample in found] == [("A cat, asleep .",), ("quoted",)]


def test_a_comma_in_the_first_line_is_the_separator(tmp_path):
    write_images(tmp_path, "a.jpg")
    (tmp_path / "t.csv").write_text("image,a|b,caption\na.jpg,1,one | two\n")
    [sample] = read(str(tmp_path / "t.csv"), tmp_path)
    assert sample.captions == ("one | two",)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz"])
def test_a_table_without_a_line_of_names_hears_of_the_key_for_them(tmp_path, name):
    content = b"words\t0.jpg\n"
    put(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(SourceError, match=r"set source.image_column, or source.columns where no line"):
        read(tmp_path / name, tmp_path)
