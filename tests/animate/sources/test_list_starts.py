"""Lists that are not what they are taken for: noticed within their first rows, with the way to read them."""

import gzip

import pytest

from animate.recipe import SourceRecipe
from animate.sources import SourceError, open_source
from animate.sources.resolve import resolve_src
from tests.support.address_lists import listed
from tests.support.corpora import write_rows
from tests.support.named import listed_named

CC3M = [b"a dog\thttp://x.org/1.jpg", b"a cat\thttp://x.org/2.jpg"]
#: Captions may be addresses, too.
CC12M = [b"http://x.org/1.jpg\ta dog"] * 200 + [b"http://x.org/2.jpg\thttp://a.caption/"]


@pytest.mark.parametrize(
    ("name", "lines", "remedy"),
    [
        ("cc3m", CC12M, r"--src cc12m --urls \S*list.tsv"),
        ("cc12m", CC3M, r"--src cc3m --urls \S*list.tsv"),
        ("cc3m", [b"caption\turl", *CC3M], r"has a header.*--src urls --urls \S*list.tsv"),
        ("cc12m", [b"URL\tTEXT", *CC12M], r"has a header.*--src urls --urls \S*list.tsv"),
        ("cc3m", [b"1\ta dog\thttp://x.org/1.jpg"] * 3, r"3 of the first 3 rows.*3 cells.*caption and url"),
        ("urls", CC3M, r"no header.*--src cc3m --urls \S*list.tsv"),
        ("urls", CC12M, r"no header.*--src cc12m --urls \S*list.tsv"),
        ("urls", [b"url\ttext"] + [b"photo\ta dog"] * 2000, r"1,000 of the first 1,000.*source.url_column"),
    ],
)
def test_a_list_that_is_none_is_refused_with_the_remedy(tmp_path, name, lines, remedy):
    with pytest.raises(SourceError, match=remedy):
        listed(tmp_path, lines, name, "list.tsv")


@pytest.mark.parametrize(("lines", "remedy"), [(CC3M, "--src cc3m --urls"), (CC12M, "--src cc12m --urls")])
def test_a_path_without_a_header_says_how_to_read_it(tmp_path, lines, remedy):
    (tmp_path / "list.tsv").write_bytes(b"\n".join(lines))
    with pytest.raises(SourceError, match=remedy):
        open_source(SourceRecipe(**resolve_src(str(tmp_path / "list.tsv"))))
    (tmp_path / "list.csv").write_text("a dog,http://x.org/1.jpg\n")
    with pytest.raises(SourceError, match="write a line above all others"):
        open_source(SourceRecipe(**resolve_src(str(tmp_path / "list.csv"))))


def test_a_list_with_some_bad_rows_is_read(tmp_path):
    rows = listed(tmp_path, [b"broken", *CC3M, b"a cow\tcow.jpg"], "cc3m", "list.tsv")
    assert [row.fault.status if row.fault else "" for row in rows] == ["bad_row", "", "", "bad_url"]


def test_a_line_of_a_tsv_ends_at_lf_alone(tmp_path):
    lines = [b"a\rdog\thttp://x.org/1.jpg", b"a cat\thttp://x.org/2.jpg\r"]
    rows = listed(tmp_path, lines, "cc3m", "list.tsv")
    assert [(row.captions, row.file) for row in rows] == [
        (("a\rdog",), "http://x.org/1.jpg"),
        (("a cat",), "http://x.org/2.jpg"),
    ]


def test_columns_may_differ_in_case_from_file_to_file(tmp_path):
    for i, names in enumerate([("URL", "TEXT", "WIDTH"), ("url", "TEXT", "width"), ("WIDTH", "Text", "Url")]):
        row = {"url": f"http://x.org/{i}.jpg", "text": f"a dog {i}", "width": i}
        write_rows(tmp_path / f"l/{i}.parquet", [{name: row[name.lower()] for name in names}])
    write_rows(tmp_path / "l/3.parquet", [{"TEXT": "none", "WIDTH": 3}])
    rows = listed_named(tmp_path / "l", "laion400m")
    assert [row.file for row in rows] == [f"http://x.org/{i}.jpg" for i in range(3)] + [""]
    assert [row.captions for row in rows[:3]] == [(f"a dog {i}",) for i in range(3)]
    assert [row.meta["WIDTH"] for row in rows] == [0, 1, 2, 3]
    assert rows[3].fault.status == "bad_row"


def test_a_list_that_lies_beside_itself_packed_is_read_once(tmp_path):
    content = b"".join(line + b"\n" for line in CC3M)
    (tmp_path / "Train_GCC-training.tsv").write_bytes(content)
    (tmp_path / "Train_GCC-training.tsv.gz").write_bytes(gzip.compress(content))
    assert len(listed_named(tmp_path, "cc3m")) == 2
    assert len(listed_named(tmp_path / "*.tsv*", "cc3m")) == 2
    (tmp_path / "Train_GCC-training.tsv").unlink()
    assert len(listed_named(tmp_path, "cc3m")) == 2
