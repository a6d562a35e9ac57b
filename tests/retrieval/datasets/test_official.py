"""A list under an official name that is another list is refused."""

import shutil
from pathlib import Path

import pytest

from retrieval.datasets import official, open_dataset
from retrieval.datasets.files import VideoFiles
from retrieval.recipe import DataSpec
from tests.support.annotations import annotations_of


def test_a_9k_training_list_is_known_to_share_videos_with_the_full_test(videos):
    nine, full = (
        open_dataset(
            DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos, split=split)
        )
        for split in ("9k", "full")
    )
    assert full.test is not None
    assert nine.test is not None
    train_ids = set(nine.train.ids) if isinstance(nine.train, VideoFiles) else set()
    shared = len(train_ids & set(full.test.video_ids))
    assert official.shared_videos(nine.identity["videos"], full.test.name) == shared == 1990
    assert official.shared_videos(nine.identity["videos"], nine.test.name) == 0
    assert official.shared_videos(full.identity["videos"], full.test.name) == 0


def test_another_list_under_an_official_name_is_refused(vatex_annotations, videos):
    lists = vatex_annotations
    shutil.copy(lists / "test1k5_sec_list.txt", lists / "test_list.txt")
    with pytest.raises(ValueError, match="test1k5_sec, which shares videos with the validation list"):
        open_dataset(DataSpec(name="vatex", annotations=str(lists), videos=videos))


def test_a_list_that_lost_a_line_is_refused_and_one_in_another_order_is_not():
    rows = (Path(annotations_of("msrvtt")) / "MSRVTT_train.7k.csv").read_text().split()[1:]
    official.check_list("msrvtt 7k train", reversed(rows))
    with pytest.raises(ValueError, match=r"7009 videos with hash .* no known list has that hash"):
        official.check_list("msrvtt 7k train", rows[1:])
    with pytest.raises(ValueError, match="it is the list 'msrvtt 7k train'"):
        official.check_list("msrvtt 9k train", rows)


def test_changed_captions_are_refused(videos, tmp_path):
    folder = tmp_path / "annotations"
    shutil.copytree(annotations_of("msrvtt"), folder)
    file = folder / "MSRVTT_JSFUSION_test.csv"
    file.write_text(file.read_text().replace("fondant baby", "fondant babe"))
    with pytest.raises(ValueError, match="captions of 'msrvtt 1k-A test'"):
        open_dataset(DataSpec(name="msrvtt", annotations=str(folder), videos=videos))
