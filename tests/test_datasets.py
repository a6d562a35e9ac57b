"""Official lists and captions in their own form, refusals, and an order that only the seed decides."""

import gzip
import io
import json
import pickle
import shutil
import tarfile
from collections import Counter
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest

import animate
from retrieval.datasets import (
    DATASETS,
    DataError,
    FrameReader,
    MissingData,
    TrainLoader,
    count_left_out,
    known,
    open_dataset,
    train_data,
)
from retrieval.datasets.clips import hash_ids, hash_pairs
from retrieval.datasets.files import VideoFiles
from retrieval.datasets.shards import ShardClips, find_tars
from retrieval.datasets.tars import index_tar
from retrieval.recipe import DataSpec, FramesSpec, recipe_from_table
from retrieval.video import Sampler, Unreadable
from tests.clips import numbered, read_number, read_numbers, write_clip

ANNOTATIONS = Path(__file__).parents[1].parent / "shared" / "data" / "annotations"
Samples = dict[str, dict[str, bytes]]
READER = FrameReader(sampler=Sampler(num_frames=4), size=32, decoder="pyav")


def official(name: str) -> str:
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
    write_clip(folder / "eyhzdC936uk_15_27.avi", range(30), Fraction(1, 30))
    return str(folder)


# --- Benchmarks -------------------------------------------------------------------------------------------


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
    data = DataSpec(name="msrvtt", annotations=official("msrvtt"), videos=videos, split=split)
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
    test = open_dataset(DataSpec(name="msrvtt", annotations=official("msrvtt"), videos=videos)).test
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
        open_dataset(DataSpec(name="msrvtt", annotations=official("msrvtt"), videos=videos, split=split))
        for split in ("9k", "full")
    )
    assert full.test is not None
    assert nine.test is not None
    train_ids = set(nine.train.ids) if isinstance(nine.train, VideoFiles) else set()
    shared = len(train_ids & set(full.test.video_ids))
    assert known.shared_videos(nine.identity["videos"], full.test.name) == shared == 1990
    assert known.shared_videos(nine.identity["videos"], nine.test.name) == 0
    assert known.shared_videos(full.identity["videos"], full.test.name) == 0


def test_msvd(videos):
    dataset = open_dataset(DataSpec(name="msvd", annotations=official("msvd"), videos=videos))
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
    shutil.copytree(official("msvd"), folder)
    captions = json.loads(gzip.decompress((folder / "captions_msvd.json.gz").read_bytes()))
    (folder / "captions_msvd.json.gz").unlink()
    words = {video: [text.split() for text in texts] for video, texts in captions.items()}
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(words))
    test = open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos)).test
    assert test is not None
    assert len(test.captions) == 27_763
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(Counter))
    with pytest.raises(ValueError, match=r"the pickle wants collections\.Counter"):
        open_dataset(DataSpec(name="msvd", annotations=str(folder), videos=videos))


@pytest.fixture
def vatex_annotations(tmp_path):
    """The real lists; captions are made up in the official form, as the real ones may not be passed on."""
    folder = tmp_path / "vatex"
    shutil.copytree(official("vatex"), folder)
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
    records = json.loads((Path(official("vatex")) / "videocap5data.json").read_text())
    assert all(len(record["enCap"]) == 10 and record["videoID"] for record in records)


def test_another_list_under_an_official_name_is_refused(vatex_annotations, videos):
    lists = vatex_annotations
    shutil.copy(lists / "test1k5_sec_list.txt", lists / "test_list.txt")
    with pytest.raises(ValueError, match="test1k5_sec, which shares videos with the validation list"):
        open_dataset(DataSpec(name="vatex", annotations=str(lists), videos=videos))


def test_a_list_that_lost_a_line_is_refused_and_one_in_another_order_is_not():
    rows = (Path(official("msrvtt")) / "MSRVTT_train.7k.csv").read_text().split()[1:]
    known.check_list("msrvtt 7k train", reversed(rows))
    with pytest.raises(ValueError, match=r"7009 videos with hash .* no known list has that hash"):
        known.check_list("msrvtt 7k train", rows[1:])
    with pytest.raises(ValueError, match="it is the list 'msrvtt 7k train'"):
        known.check_list("msrvtt 9k train", rows)


def test_changed_captions_are_refused(videos, tmp_path):
    folder = tmp_path / "annotations"
    shutil.copytree(official("msrvtt"), folder)
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


def test_missing_videos_folder(tmp_path):
    with pytest.raises(MissingData, match=r"folder of videos '.*nowhere' is not there"):
        open_dataset(
            DataSpec(name="msrvtt", annotations=official("msrvtt"), videos=str(tmp_path / "nowhere"))
        )


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


# --- One's own table --------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    for i in range(3):
        write_clip(tmp_path / f"v{i}.mp4", range(10), Fraction(1, 10))
    path = tmp_path / "mine.csv"
    path.write_text('video,caption\nv0.mp4,"a dog, running"\nv1,a cat\nv0.mp4,a running dog\n')
    return path


def test_a_table_of_videos_and_captions(table):
    dataset = open_dataset(DataSpec(name="table", table=str(table), held_out_table=str(table)))
    assert dataset.test is not None
    assert dataset.test.video_ids == ("v0.mp4", "v1")
    assert dataset.test.captions == ((0, "a dog, running"), (0, "a running dog"), (1, "a cat"))
    for i in range(2):
        assert not isinstance(dataset.test.clips.read(i, READER, None, 0).clip, Unreadable)


def test_a_jsonl_table_gives_the_same_split(table):
    jsonl = table.with_suffix(".jsonl")
    rows = [
        {"video": "v0.mp4", "captions": ["a dog, running", "a running dog"]},
        {"video_id": "v1", "caption": "a cat"},
    ]
    jsonl.write_text("\n".join(map(json.dumps, rows)) + "\n")
    one, two = (
        open_dataset(DataSpec(name="table", held_out_table=str(path))).test for path in (table, jsonl)
    )
    assert one is not None
    assert two is not None
    assert one.digest() == two.digest()


def test_faulty_tables_are_refused(table):
    with pytest.raises(ValueError, match=r"give data\.table or data\.held_out_table"):
        open_dataset(DataSpec(name="table"))
    table.write_text("path,caption\nv0.mp4,a dog\n")
    with pytest.raises(ValueError, match="has no column 'video', only path, caption"):
        open_dataset(DataSpec(name="table", table=str(table)))
    jsonl = table.with_suffix(".jsonl")
    jsonl.write_text('{"video": "v0.mp4"}\n')
    with pytest.raises(ValueError, match="line 1: needs video and captions, has video"):
        open_dataset(DataSpec(name="table", table=str(jsonl)))


# --- Shards -----------------------------------------------------------------------------------------------


def write_tar(
    path: Path, samples: dict[str, dict[str, bytes]], tar_format: int = tarfile.USTAR_FORMAT
) -> Path:
    with tarfile.open(path, "w", format=tar_format) as tar:
        for key, members in samples.items():
            for suffix, content in members.items():
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size, info.mtime = len(content), 0.5 if tar_format == tarfile.PAX_FORMAT else 0
                tar.addfile(info, io.BytesIO(content))
    return path


def png(number: int) -> bytes:
    return cv2.imencode(".png", numbered(number))[1].tobytes()


@pytest.fixture
def samples(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", range(8), Fraction(1, 4)).read_bytes()
    record = {"caption": "one of five", "captions": json.dumps(["one of five", "two of five"]), "fps": 4}
    return {
        "000_0": {"jpg": png(9), "json": json.dumps(record).encode(), "mp4": mp4, "txt": b"one of five"},
        "001_0": {**{f"{i:02}.png": png(i) for i in range(12)}, "json": b'{"fps": 4}', "txt": b"frames"},
        "002_0": {"mp4": mp4, "txt": "déjà vu".encode()},
        "003_0": {"jpg": png(5), "txt": b"a still"},
        "004_0": {"mp4": b"no video", "txt": b"broken"},
        "005_0": {"mp4": mp4},
    }


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_shards_of_every_kind_of_sample(tmp_path, samples, tar_format):
    clips = ShardClips([write_tar(tmp_path / "0.tar", samples, tar_format)])
    examples = [clips.read(i, READER, None, 0) for i in range(len(clips))]
    assert [example.video_id for example in examples] == list(samples)
    assert [example.captions for example in examples] == [
        ("one of five", "two of five"),
        ("frames",),
        ("déjà vu",),
        ("a still",),
        ("broken",),
        ("",),
    ]
    shown = [
        example.clip.status
        if isinstance(example.clip, Unreadable)
        else read_numbers(example.clip.frames.transpose(0, 2, 3, 1))
        for example in examples
    ]
    assert shown == [[1, 3, 5, 7], [1, 4, 7, 10], [1, 3, 5, 7], [5], "broken", "empty"]


def test_a_tar_is_indexed_from_its_headers_as_tarfile_reads_it(tmp_path, samples):
    path = write_tar(tmp_path / "0.tar", samples)
    index = index_tar(path)
    assert [index.read(i) for i in range(len(index))] == list(samples.items())


def test_damaged_tars_are_refused(tmp_path, samples):
    path = write_tar(tmp_path / "0.tar", samples)
    whole = path.read_bytes()
    for content, message in (
        (whole[:3000], "is cut off at byte 3000"),
        (b"x" * 5000, "no tar member at byte 0"),
        (b"", "a shard without samples"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            index_tar(path)


def test_shard_names(tmp_path, samples):
    for i in range(3):
        write_tar(tmp_path / f"{i:05}.tar", samples)
    paths = [tmp_path / f"{i:05}.tar" for i in range(3)]
    assert find_tars([f"{tmp_path}/{{00000..00002}}.tar"]) == find_tars([str(tmp_path)]) == paths
    with pytest.raises(ValueError, match="is not on this machine"):
        find_tars(["https://example.org/{0..9}.tar"])
    with pytest.raises(MissingData, match=r"00003\.tar"):
        find_tars([f"{tmp_path}/00003.tar"])


def test_held_out_shards_are_the_split_to_be_judged_by(tmp_path, samples):
    del samples["005_0"]
    path = str(write_tar(tmp_path / "0.tar", samples))
    dataset = open_dataset(DataSpec(name="shards", held_out=(path,)))
    assert dataset.train is None
    assert dataset.validation is not None
    assert dataset.validation.video_ids == tuple(samples)
    assert len(dataset.validation.captions) == 6


# --- What `animate` wrote ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["mp4", "frames", "virtual"])
def filmed(request, tmp_path_factory) -> Path:
    """Two takes of three demo photographs in each format."""
    out = tmp_path_factory.mktemp("filmed") / request.param
    wanted = {
        "takes": "2",
        "source.name": "demo",
        "source.limit": "3",
        "video.size": "[64, 64]",
        "video.num_frames": "5",
        "video.format": request.param,
    }
    recipe = animate.read_recipe(None, [f"{key}={value}" for key, value in wanted.items()])
    animate.build(recipe, out, workers=0)
    return out


def test_films_are_read_as_animate_loads_them(filmed):
    clips = ShardClips(find_tars([str(filmed)]))
    reader = FrameReader(sampler=Sampler(num_frames=5), size=64, decoder="pyav")
    loaded = list(animate.load(filmed))
    assert len(clips) == len(loaded) == 6
    for i, wanted in enumerate(loaded):
        example = clips.read(i, reader, None, 0)
        assert not isinstance(example.clip, Unreadable), example.clip
        assert example.captions == tuple(wanted["captions"])
        assert example.video_id == wanted["json"]["source_key"]
        assert example.clip.duration == pytest.approx(5 / wanted["json"]["fps"])
        difference = np.abs(example.clip.frames.astype(int) - wanted["frames"])
        assert difference.mean() < 2 if filmed.name == "mp4" else difference.max() == 0


def test_new_takes_are_filmed_for_later_epochs_of_virtual_shards(filmed):
    tars = find_tars([str(filmed)])
    reader = FrameReader(sampler=Sampler(num_frames=5), size=64, decoder="pyav")

    def frames(new_takes: bool, epoch: int) -> np.ndarray:
        clip = ShardClips(tars, new_takes=new_takes).read(0, reader, None, epoch).clip
        assert not isinstance(clip, Unreadable)
        return clip.frames

    assert (frames(False, 3) == frames(False, 0)).all()
    assert (frames(True, 0) == frames(False, 0)).all()
    if filmed.name == "virtual":
        later = next(iter(animate.load(filmed, epoch=3)))["frames"]
        assert (frames(True, 3) == later).all()
        assert (frames(True, 3) != frames(True, 0)).any()
    else:
        assert (frames(True, 3) == frames(True, 0)).all()


@pytest.mark.parametrize("filmed", ["virtual"], indirect=True)
def test_new_takes_need_the_plan_of_the_build(filmed, tmp_path):
    shutil.copy(find_tars([str(filmed)])[0], tmp_path / "0.tar")
    clips = ShardClips([tmp_path / "0.tar"], new_takes=True)
    assert not isinstance(clips.read(0, READER, None, 0).clip, Unreadable)
    with pytest.raises(DataError, match=r"new_takes = true: .*plan\.json is missing"):
        clips.read(0, READER, None, 1)


# --- The loader -------------------------------------------------------------------------------------------


def stills(count: int, broken: frozenset[int] = frozenset()) -> Samples:
    return {
        f"{i:03}": {"jpg": b"broken" if i in broken else png(i), "txt": f"number {i}".encode()}
        for i in range(count)
    }


def loader(clips: ShardClips | VideoFiles, **settings) -> TrainLoader:
    return TrainLoader(clips, READER, identity={}, **{"seed": 7, **settings})


def keys(batches) -> list[list[str]]:
    return [batch.keys for batch in batches]


def whole_epoch(data: TrainLoader, epoch: int, batch_size: int = 6, start: int = 0) -> list[list[str]]:
    return keys(data.batches(epoch=epoch, batch_size=batch_size, start=start, rank=0, workers=1))


@pytest.fixture
def clips(tmp_path):
    return ShardClips([write_tar(tmp_path / "a.tar", stills(13)), write_tar(tmp_path / "b.tar", stills(7))])


def test_an_epoch_holds_each_entry_at_most_once_in_an_order_of_its_own(clips):
    data = loader(clips)
    assert len(data) == 20
    first, second = whole_epoch(data, 0, 5), whole_epoch(data, 1, 5)
    assert len(first) == data.batches_per_epoch(5) == 4
    assert sorted(chain(*first)) == sorted(chain(*second))
    assert first != second
    assert first == whole_epoch(loader(clips), 0, 5)
    assert first != whole_epoch(loader(clips, seed=8), 0, 5)


def test_a_resumed_epoch_goes_on_where_it_stopped_and_workers_share_the_same_batches(clips):
    data = loader(clips)
    whole = whole_epoch(data, 3)
    assert whole_epoch(data, 3, start=2) == whole[2:]
    parts = [keys(data.batches(epoch=3, batch_size=6, start=1, rank=rank, workers=3)) for rank in range(3)]
    assert [list(chain(*rows)) for rows in zip(*parts, strict=True)] == whole[1:]


def test_batches_are_padded_and_masked(tmp_path, samples):
    batch = next(
        loader(
            ShardClips([write_tar(tmp_path / "0.tar", {k: samples[k] for k in ("000_0", "003_0")})])
        ).batches(epoch=0, batch_size=2, start=0, rank=0, workers=1)
    )
    assert tuple(batch.frames.shape) == (2, 4, 3, 32, 32)
    assert str(batch.frames.dtype) == "torch.uint8"
    by_key = dict(zip(batch.video_ids, batch.mask.tolist(), strict=True))
    assert by_key == {"000_0": [True] * 4, "003_0": [True, False, False, False]}
    assert not batch.frames[~batch.mask].any()


def test_unreadable_videos_are_counted_once_and_replaced_the_same_way_by_every_worker(tmp_path):
    clips = ShardClips([write_tar(tmp_path / "a.tar", stills(12, broken=frozenset({2, 5})))])
    data = loader(clips, threads=4)
    epochs = [whole_epoch(data, epoch) for epoch in range(3)]
    assert data.unreadable() == {2: "broken", 5: "broken"}
    assert count_left_out(data.unreadable()) == {"missing": 0, "broken": 2, "empty": 0}
    seen = {key for epoch in epochs for batch in epoch for key in batch}
    assert not {"002#0", "005#0"} & seen
    assert all(len(batch) == 6 for epoch in epochs for batch in epoch)
    # A worker that has not seen the broken ones before, in another order, takes the same substitutes.
    fresh = loader(clips, threads=1)
    parts = [keys(fresh.batches(epoch=2, batch_size=6, start=0, rank=rank, workers=2)) for rank in (1, 0)]
    assert [list(chain(*rows)) for rows in zip(*reversed(parts), strict=True)] == epochs[2]


def test_nothing_readable_ends_with_the_count(tmp_path):
    clips = ShardClips([write_tar(tmp_path / "a.tar", stills(3, broken=frozenset(range(3))))])
    with pytest.raises(ValueError, match=r"could not be read: .*'broken': 3"):
        whole_epoch(loader(clips), 0, 2)


def test_an_epoch_of_captions_goes_through_all_of_them(table):
    dataset = open_dataset(DataSpec(name="table", table=str(table)))
    assert dataset.train is not None
    by_caption = TrainLoader(dataset.train, READER, identity={}, seed=0, epoch_of="captions")
    assert sorted(chain(*whole_epoch(by_caption, 0, 3))) == ["v0.mp4#0", "v0.mp4#1", "v1#0"]
    by_video = TrainLoader(dataset.train, READER, identity={}, seed=0)
    drawn = {key for epoch in range(20) for key in chain(*whole_epoch(by_video, epoch, 2))}
    assert drawn == {"v0.mp4#0", "v0.mp4#1", "v1#0"}


def test_shards_know_no_captions_before_they_are_read(clips):
    with pytest.raises(ValueError, match='leave it at "videos"'):
        loader(clips, epoch_of="captions")


def test_batch_size_must_be_shared_out_evenly(clips):
    with pytest.raises(ValueError, match="batch_size = 5: must be a multiple of workers = 2"):
        next(loader(clips).batches(epoch=0, batch_size=5, start=0, rank=0, workers=2))


def test_random_frames_depend_on_seed_epoch_and_place_alone(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", range(60), Fraction(1, 30)).read_bytes()
    tar = write_tar(tmp_path / "a.tar", {f"{i}": {"mp4": mp4, "txt": b"x"} for i in range(4)})
    reader = FrameReader(sampler=Sampler(num_frames=4, position="random"), size=32, decoder="pyav")
    data = TrainLoader(ShardClips([tar]), reader, identity={}, seed=1)

    def shown(epoch: int, start: int = 0) -> list[list[int]]:
        batches = data.batches(epoch=epoch, batch_size=2, start=start, rank=0, workers=1)
        return [
            [read_number(frame.numpy().transpose(1, 2, 0)) for frame in row]
            for batch in batches
            for row in batch.frames
        ]

    assert shown(0) == shown(0)
    assert shown(0, start=1) == shown(0)[2:]
    assert shown(0) != shown(1)
    assert len({tuple(row) for row in shown(0)}) > 1


def test_train_data_follows_the_recipe(table):
    recipe = recipe_from_table(
        {
            "seed": 3,
            "model": {"name": "any"},
            "data": {"name": "table", "table": str(table), "epoch_of": "captions"},
            "frames": {"num_frames": 2, "size": 32, "decoder": "pyav"},
        }
    )
    data = train_data(recipe)
    assert len(data) == 3
    assert data.identity["name"] == "table"
    batch = next(data.batches(epoch=0, batch_size=3, start=0, rank=0, workers=1))
    assert tuple(batch.frames.shape) == (3, 2, 3, 32, 32)
    assert FrameReader.of(FramesSpec(decoder="pyav")).describe() == (
        "uniform_segments middle 12, shorter side 224 and centre crop, pyav"
    )


def test_a_folder_of_frames_at_its_own_rate(videos):
    frames = FramesSpec(sampler="one_fps_then_uniform", size=32, decoder="pyav", folder_fps=3)
    reader = FrameReader.of(frames)
    clip = reader.read(Path(videos) / "video0", None)
    assert not isinstance(clip, Unreadable)
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [1, 4]
    assert clip.seconds.tolist() == [0.0, 1.0]
    assert reader.describe().endswith("folders at 3 fps")


def test_no_training_part(table):
    with pytest.raises(ValueError, match="has no training part"):
        train_data(
            recipe_from_table(
                {"model": {"name": "any"}, "data": {"name": "table", "held_out_table": str(table)}}
            )
        )


def test_pixels_do_not_depend_on_the_threads(clips):
    one, four = (
        next(loader(clips, threads=threads).batches(epoch=0, batch_size=6, start=0, rank=0, workers=1))
        for threads in (1, 4)
    )
    np.testing.assert_array_equal(one.frames.numpy(), four.frames.numpy())
