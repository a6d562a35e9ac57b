"""Benchmarks: official lists and captions in their own form, and refusals."""

import gzip
import json
import pickle
import shutil
from collections import Counter
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import pytest

from retrieval.datasets import DATASETS, FrameReader, count_left_out, official, open_dataset, overlaps
from retrieval.datasets.clips import hash_ids, hash_pairs
from retrieval.datasets.files import VideoFiles
from retrieval.errors import DataError, MissingData
from retrieval.loader import TrainLoader
from retrieval.recipe import DataSpec, FramesSpec
from retrieval.video import Unreadable
from tests.support.clips import numbered, read_numbers, write_clip
from tests.support.tars import READER

ANNOTATIONS = Path(__file__).parents[2].parent / "shared" / "data" / "annotations"


def annotations_of(name: str) -> str:
    if not (ANNOTATIONS / name).is_dir():
        pytest.skip(f"{ANNOTATIONS / name} is not there: official annotations are needed")
    return str(ANNOTATIONS / name)


@pytest.fixture
def videos(tmp_path):
    """A folder with a video file and a folder of frames; all others are missing."""
    folder = tmp_path / "videos"
    for name in ("video7020", "video0"):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            cv2.imwrite(str(folder / name / f"{i:03}.png"), numbered(i + 1))
    for name in ("eyhzdC936uk_15_27", "Ptf_2VRj-V0_000122_000132"):  # of MSVD and of VATEX
        write_clip(folder / f"{name}.avi", range(30), Fraction(1, 30))
    return str(folder)


@pytest.mark.parametrize(
    ("split", "train", "validation", "test"),
    [
        ("", (9000, 180_000), None, (1000, 1000)),
        ("9k", (9000, 180_000), None, (1000, 1000)),
        ("7k", (7010, 140_200), None, (1000, 1000)),
        ("full", (6513, 130_260), (497, 9940), (2990, 59_800)),
    ],
)
def test_msrvtt(videos, split, train, validation, test):
    data = DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos, split=split)
    dataset = open_dataset(data)
    assert dataset.train is not None
    assert dataset.test is not None
    assert (len(dataset.train), int(dataset.train.caption_counts().sum())) == train
    assert (len(dataset.test.video_ids), len(dataset.test.captions)) == test
    if validation is None:
        assert dataset.validation is None
    else:
        assert dataset.validation is not None
        assert (len(dataset.validation.video_ids), len(dataset.validation.captions)) == validation


def test_msrvtt_1ka_asks_with_the_sentences_of_its_own_list(videos):
    test = open_dataset(DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos)).test
    assert test is not None
    texts = dict(zip(test.video_ids, test.texts, strict=True))
    assert texts["video9770"] == "a person is connecting something to system"
    repeated = Counter(test.texts)
    assert sorted(count for count in repeated.values() if count > 1) == [2, 2, 2, 3]
    example = test.clips.read(test.video_ids.index("video7020"), READER, None, 0)
    assert not isinstance(example.clip, Unreadable)
    assert read_numbers(example.clip.frames.transpose(0, 2, 3, 1)) == [1, 3, 4, 6]
    missing = test.clips.read(0, READER, None, 0).clip
    assert isinstance(missing, Unreadable)
    assert missing.status == "missing"


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


def test_msvd(videos):
    dataset = open_dataset(DataSpec(name="msvd", annotations=annotations_of("msvd"), videos=videos))
    assert dataset.train is not None
    assert dataset.validation is not None
    assert dataset.test is not None
    assert [len(part.video_ids) for part in (dataset.validation, dataset.test)] == [100, 670]
    assert len(dataset.train) == 1200
    assert int(dataset.train.caption_counts().sum()) == 48_774
    assert (len(dataset.validation.captions), len(dataset.test.captions)) == (4290, 27_763)
    clip = dataset.test.clips.read(dataset.test.video_ids.index("eyhzdC936uk_15_27"), READER, None, 0).clip
    assert not isinstance(clip, Unreadable)
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [3, 11, 18, 26]


def test_msvd_captions_of_the_usual_pickle_and_no_code_in_it(videos, tmp_path):
    folder = tmp_path / "annotations"
    shutil.copytree(annotations_of("msvd"), folder)
    captions = json.loads(gzip.decompress((folder / "captions_msvd.json.gz").read_bytes()))
    (folder / "captions_msvd.json.gz").unlink()
    words = {video: [text.split() for text in texts] for video, texts in captions.items()}
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(words))
    test = open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos)).test
    assert test is not None
    assert len(test.captions) == 27_763
    assert set(test.texts) <= set(chain(*captions.values()))
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(Counter))
    with pytest.raises(ValueError, match=r"the pickle wants collections\.Counter"):
        open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos))


@pytest.fixture
def vatex_annotations(tmp_path):
    """The real lists; captions are made up in the official form, as the real ones may not be passed on."""
    folder = tmp_path / "vatex"
    shutil.copytree(annotations_of("vatex"), folder)
    lists = {part: (folder / f"{part}_list.txt").read_text().split() for part in ("train", "val", "test")}
    for file, ids in (
        ("vatex_training_v1.0.json", lists["train"]),
        ("vatex_validation_v1.0.json", [*lists["test"], *lists["val"]]),
    ):
        records = [{"videoID": v, "enCap": [f"{v} {i}" for i in range(10)], "chCap": []} for v in ids]
        (folder / file).write_text(json.dumps(records))
    return folder


def test_vatex(vatex_annotations, videos):
    data = DataSpec(name="vatex", annotations=str(vatex_annotations), videos=videos)
    dataset = open_dataset(data)
    assert dataset.train is not None
    assert dataset.validation is not None
    assert dataset.test is not None
    assert len(dataset.train) == 25_991
    assert (len(dataset.test.video_ids), len(dataset.test.captions)) == (1500, 15_000)
    assert len(dataset.validation.video_ids) == 1500
    (vatex_annotations / "vatex_validation_v1.0.json").write_text("[]")
    with pytest.raises(MissingData, match=r"1500 of 1500 videos of val_list\.txt have no captions"):
        open_dataset(data)


def test_vatex_records_are_read_in_their_official_form(videos):
    records = json.loads((Path(annotations_of("vatex")) / "videocap5data.json").read_text())
    assert all(len(record["enCap"]) == 10 and record["videoID"] for record in records)


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


def test_hashes_ignore_order_and_nothing_else():
    assert hash_ids(["a", "b"]) == hash_ids(["b", "a"]) != hash_ids(["ab"])
    assert hash_pairs([("a", "x"), ("b", "y")]) == hash_pairs([("b", "y"), ("a", "x")])
    assert hash_pairs([("a", "x"), ("b", "y")]) != hash_pairs([("a", "y"), ("b", "x")])


def test_a_folder_of_frames_at_its_own_rate(videos):
    frames = FramesSpec(sampler="one_fps_then_uniform", size=32, decoder="pyav", folder_fps=3)
    reader = FrameReader.of(frames)
    clip = reader.read(Path(videos) / "video0", None)
    assert not isinstance(clip, Unreadable)
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [1, 4]
    assert clip.seconds.tolist() == [0.0, 1.0]
    assert reader.describe().endswith("folders at 3 fps")


def test_lists_without_files_of_their_own_overlap_where_they_are_the_same(videos):
    full = open_dataset(
        DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=videos, split="full")
    )
    validation, test = full.part("validation"), full.part("test")
    assert overlaps(validation.fingerprint(), validation)
    assert not overlaps(validation.fingerprint(), test)
    assert not overlaps({}, test)


FRAMES = Path(__file__).parents[2].parent / "shared" / "data" / "msrvtt-frames"


@pytest.mark.skipif(not FRAMES.is_dir(), reason=f"{FRAMES} is not there: real folders of frames are needed")
def test_a_part_of_msrvtt_trains_under_the_name_of_its_list(caplog):
    data = DataSpec(name="msrvtt", annotations=annotations_of("msrvtt"), videos=str(FRAMES), split="9k")
    dataset = open_dataset(data)
    assert dataset.train is not None
    loader = TrainLoader(dataset.train, READER, identity=dataset.identity, seed=0)
    assert dataset.identity["videos"] == official.VIDEOS["msrvtt 9k train"]
    there = len(loader)
    assert 0 < there <= 604
    assert caplog.messages == [
        f"msrvtt 9k train: {9000 - there:,} of 9,000 videos are not in {FRAMES}: left out of every epoch"
    ]
    assert count_left_out(loader.unreadable())["missing"] == 9000 - there
