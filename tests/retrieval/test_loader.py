"""Batches in an order that only the seed and the epoch decide."""

from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from retrieval.datasets import FrameReader, count_left_out, open_dataset
from retrieval.datasets.files import VideoFiles
from retrieval.datasets.shards import ShardClips
from retrieval.errors import DataError
from retrieval.loader import TrainLoader, train_data
from retrieval.recipe import DataSpec, FramesSpec, recipe_from_table
from retrieval.video import Sampler
from tests.support.clips import read_number, write_clip
from tests.support.tars import READER, png, stills, write_tar


def loader(clips: ShardClips | VideoFiles, **settings) -> TrainLoader:
    return TrainLoader(clips, READER, identity={}, **{"seed": 7, **settings})


def keys(batches) -> list[list[str]]:
    return [batch.keys for batch in batches]


def whole_epoch(data: TrainLoader, epoch: int, batch_size: int = 6, start: int = 0) -> list[list[str]]:
    return keys(data.batches(epoch=epoch, batch_size=batch_size, start=start, rank=0, workers=1))


@pytest.fixture
def table(tmp_path):
    for i in range(2):
        write_clip(tmp_path / f"v{i}.mp4", range(10), Fraction(1, 10))
    path = tmp_path / "mine.csv"
    path.write_text("video,caption\nv0.mp4,a dog\nv1,a cat\nv0.mp4,a running dog\n")
    return path


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


def test_batches_are_padded_and_masked(tmp_path):
    mp4 = write_clip(tmp_path / "a.mp4", range(8), Fraction(1, 4)).read_bytes()
    tar = write_tar(tmp_path / "0.tar", {"0": {"mp4": mp4, "txt": b"x"}, "3": {"jpg": png(5), "txt": b"y"}})
    batch = next(loader(ShardClips([tar])).batches(epoch=0, batch_size=2, start=0, rank=0, workers=1))
    assert tuple(batch.frames.shape) == (2, 4, 3, 32, 32)
    assert str(batch.frames.dtype) == "torch.uint8"
    by_key = dict(zip(batch.video_ids, batch.mask.tolist(), strict=True))
    assert by_key == {"0": [True] * 4, "3": [True, False, False, False]}
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
            "eval": {"select_on": "none"},
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


def test_a_part_to_select_by_is_asked_for_before_the_first_epoch(table):
    data = {"name": "table", "table": str(table), "held_out_table": str(table)}
    with pytest.raises(ValueError, match="has no validation part"):
        train_data(recipe_from_table({"model": {"name": "any"}, "data": data}))


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


@pytest.fixture
def partial(tmp_path):
    """Videos 0 to 9 of a list, all but three of them there, and one of those broken."""
    for i in set(range(10)) - {1, 4, 8}:
        write_clip(tmp_path / f"v{i}.mp4", range(6), Fraction(1, 6))
    (tmp_path / "v6.mp4").write_bytes(b"no video")
    (tmp_path / "mine.csv").write_text(
        "video,caption\n" + "".join(f"v{i},a {i}\nv{i},b {i}\n" for i in range(10))
    )
    return open_dataset(DataSpec(name="table", table=str(tmp_path / "mine.csv")))


@pytest.mark.parametrize(("epoch_of", "size"), [("videos", 7), ("captions", 14)])
def test_videos_that_are_not_there_leave_the_epoch_before_it_starts(partial, caplog, epoch_of, size):
    data = TrainLoader(partial.train, READER, identity=partial.identity, seed=0, epoch_of=epoch_of)
    (record,) = caplog.records
    assert record.message.startswith("table train: 3 of 10 videos are not in ")
    assert record.message.endswith(": left out of every epoch")
    assert len(data) == size
    assert data.batches_per_epoch(2) == size // 2
    assert count_left_out(data.unreadable()) == {"missing": 3, "broken": 0, "empty": 0}
    drawn = list(chain(*whole_epoch(data, 0, size)))
    # Only the broken one is replaced: all others stand in the epoch once (as drawn, or with each caption).
    assert {f"v{i}" for i in (0, 2, 3, 5, 7, 9)} == {key.split("#")[0] for key in drawn}
    assert len(drawn) == size
    assert count_left_out(data.unreadable()) == {"missing": 3, "broken": 1, "empty": 0}
    again = TrainLoader(partial.train, READER, identity=partial.identity, seed=0, epoch_of=epoch_of)
    assert list(chain(*whole_epoch(again, 0, size))) == drawn


def test_the_identity_is_that_of_the_whole_list(partial, tmp_path):
    before = partial.identity
    for i in (1, 4, 8):
        write_clip(tmp_path / f"v{i}.mp4", range(6), Fraction(1, 6))
    assert open_dataset(DataSpec(name="table", table=str(tmp_path / "mine.csv"))).identity == before


def test_no_video_of_the_training_list_is_an_end_at_once():
    nothing = VideoFiles(("a", "b"), {"a": ["x"], "b": ["y"]}, {}, Path("clips"))
    with pytest.raises(DataError, match=r"^msrvtt 9k train: 2 of 2 videos are not in clips: nothing is left"):
        TrainLoader(nothing, READER, identity={"name": "msrvtt", "split": "9k"}, seed=0)
