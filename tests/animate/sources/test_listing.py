"""The listing of a corpus: which rows are in it, and which of them a worker reads."""

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.recipe import SourceRecipe
from animate.sources import listing
from animate.sources.listing import Row, freeze_rows, in_sample, listed_rows
from tests.support.corpora import read, statuses, write_images
from tests.support.texts import few


@few
@given(rows=st.integers(0, 20), batch=st.integers(1, 6), shard=st.integers(1, 6), data=st.data())
def test_row_groups_are_a_shard_long_however_rows_come(tmp_path, rows, batch, shard, data):
    names = [f"{i:02d}" for i in range(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_CHECKED_TOGETHER", batch)
        frozen = freeze_rows((Row(name, ("x",)) for name in names), "files", tmp_path, shard, SourceRecipe())
    assert [part.rows for part in frozen.parts] == ([rows] if rows else [])
    with pq.ParquetFile(tmp_path / listing.LISTING) as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [len(names[i : i + shard]) for i in range(0, rows, shard)]
    start, stop = data.draw(st.integers(0, rows)), data.draw(st.none() | st.integers(0, rows))
    read = listed_rows(tmp_path / listing.LISTING, start, stop, frozen.columns)
    assert [row.key for row in read] == names[start:stop]


def test_the_same_key_twice_is_refused_the_second_time(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "a.png", "b.jpg")
    (corpus / "a.txt").write_text("ay")
    (corpus / "b.txt").write_text("bee")
    assert statuses(read(corpus, tmp_path)) == ["ok", "duplicate_key", "ok"]


def test_limit_takes_the_first_rows(tmp_path):
    assert [row.key for row in read("demo", tmp_path, limit=5)] == [
        row.key for row in read("demo", tmp_path)
    ][:5]


@given(key=st.text(max_size=20), shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)))
def test_a_larger_sample_holds_the_smaller_one(key, shares):
    small, large = sorted(shares)
    assert in_sample(key, large) or not in_sample(key, small)
    assert in_sample(key, 1.0)


def test_a_sample_is_about_as_large_as_asked():
    kept = sum(in_sample(f"{i:09d}", 0.25) for i in range(20_000))
    assert 4_600 < kept < 5_400
