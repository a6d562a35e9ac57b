"""Data that is not there: which file, where from and where to, before anything is read."""

import pytest

from retrieval.datasets import DATASETS, open_dataset
from retrieval.errors import DataError, MissingData
from retrieval.recipe import DataSpec


@pytest.mark.parametrize("name", ["msrvtt", "msvd", "vatex", "table", "shards"])
def test_missing_data_says_which_file_whence_and_where_to(name, tmp_path):
    data = DataSpec(
        name=name,
        annotations=str(tmp_path / "notes"),
        videos=str(tmp_path / "videos"),
        table=str(tmp_path / "a.csv"),
        shards=(str(tmp_path / "00000.tar"),),
    )
    with pytest.raises(MissingData) as raised:
        open_dataset(data)
    message = str(raised.value)
    assert "where to get it: " in message
    assert f"where to put it: {tmp_path}" in message


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("msrvtt", ("MSRVTT_data.json", "MSRVTT_train.9k.csv", "MSRVTT_JSFUSION_test.csv")),
        ("msvd", ("captions_msvd.json", "train_list.txt", "val_list.txt", "test_list.txt")),
        (
            "vatex",
            (
                "vatex_training_v1.0.json",
                "vatex_validation_v1.0.json",
                "train_list.txt",
                "val_list.txt",
                "test_list.txt",
            ),
        ),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_read(tmp_path, name, files):
    for file in files:
        with pytest.raises(MissingData, match=rf"annotation file {file}.* is not there"):
            open_dataset(DataSpec(name=name, annotations=str(tmp_path), videos=str(tmp_path)))
        (tmp_path / file).write_text("")
    with pytest.raises(MissingData, match=rf"{name}: the folder of videos '.*nowhere' is not there"):
        open_dataset(DataSpec(name=name, annotations=str(tmp_path), videos=str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match=f"{files[0]}: is not JSON"):
        open_dataset(DataSpec(name=name, annotations=str(tmp_path), videos=str(tmp_path)))


def test_unknown_names_are_refused(videos):
    with pytest.raises(ValueError, match=f"must be one of {', '.join(DATASETS)}"):
        open_dataset(DataSpec(name="lsmdc"))
    with pytest.raises(ValueError, match="msrvtt has 9k, 7k, full"):
        open_dataset(DataSpec(name="msrvtt", split="8k"))
    for name in ("msvd", "vatex"):
        with pytest.raises(ValueError, match=f"{name} has one split only"):
            open_dataset(DataSpec(name=name, split="hgr"))
