"""The listing of a corpus: which rows are in it, and which of them a worker reads."""

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.recipe import SourceRecipe
from animate.sources import listing
from animate.sources.listing import Row, freeze_rows, listed_rows
from tests.support.corpora import read, statuses, write_images
from tests.support.texts import few


@few
@given(
    rows=st.integers(0, 20),
    batch=st.integers(1, 6),
    shard=st.integers(1, 6),
    groups=st.integers(1, 4),
    data=st.data(),
)
def test_row_groups_are_a_shard_long_however_rows_come(tmp_path, rows, batch, shard, groups, data):
    names = [f"{i:02d}" for i in range(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_CHECKED_TOGETHER", batch)
        patch.setattr(listing, "GROUPS_A_FILE", groups)
        frozen = freeze_rows((Row(name, ("x",)) for name in names), "files", tmp_path, shard, SourceRecipe())
    of_files = [names[i : i + shard * groups] for i in range(0, rows, shard * groups)]
    assert [part.rows for part in frozen.parts] == [len(own) for own in of_files]
    for part, own in zip(frozen.parts, of_files, strict=True):
        with pq.ParquetFile(tmp_path / part.path) as file:
            found = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert found == [len(own[i : i + shard]) for i in range(0, len(own), shard)]
        start, stop = data.draw(st.integers(0, len(own))), data.draw(st.none() | st.integers(0, len(own)))
        read = listed_rows(tmp_path / part.path, start, stop, frozen.columns)
        assert [row.key for row in read] == own[start:stop]


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
