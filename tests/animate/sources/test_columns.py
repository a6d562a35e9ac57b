"""Columns that are looked for."""

import pytest

from animate.sources import SourceError
from tests.support.corpora import read, statuses, write_images, write_rows


def test_wrong_columns_name_those_seen(tmp_path):
    path = write_rows(tmp_path / "t.csv", [{"photo": "a.jpg", "words": "x"}])
    with pytest.raises(SourceError, match=r"looks like the image.*'photo', 'words'"):
        read(path, tmp_path)
    with pytest.raises(SourceError, match=r"no column 'pic' \(source.image_column\).*'photo', 'words'"):
        read(path, tmp_path, image_column="pic", caption_column="words")
    write_images(tmp_path, "a.jpg")
    assert statuses(read(path, tmp_path, image_column="photo", caption_column="words")) == ["ok"]
