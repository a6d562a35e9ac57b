"""Batches in an order that only the seed and the epoch decide."""

import json
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from retrieval import loss
from retrieval.batch import Batch
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
    by_caption = TrainLoader(dataset.train, READER, identity={}, seed=0, data=DataSpec(epoch_of="captions"))
    assert sorted(chain(*whole_epoch(by_caption, 0, 3))) == ["v0.mp4#0", "v0.mp4#1", "v1#0"]
    by_video = TrainLoader(dataset.train, READER, identity={}, seed=0)
    drawn = {key for epoch in range(20) for key in chain(*whole_epoch(by_video, epoch, 2))}
    assert drawn == {"v0.mp4#0", "v0.mp4#1", "v1#0"}


def test_shards_know_no_captions_before_they_are_read(clips):
    with pytest.raises(ValueError, match='leave it at "videos"'):
        loader(clips, data=DataSpec(epoch_of="captions"))


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
    data = TrainLoader(
        partial.train, READER, identity=partial.identity, seed=0, data=DataSpec(epoch_of=epoch_of)
    )
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
    again = TrainLoader(
        partial.train, READER, identity=partial.identity, seed=0, data=DataSpec(epoch_of=epoch_of)
    )
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


#: What the camera does in the takes 0 to 3 of each still, as label and caption. Take 1 shares its label with
#: take 3, its caption with take 2.
MOTIONS = (
    ("pan left", "The camera pans left."),
    ("whip pan left", "Whip pan left."),
    ("fast whip pan left", "Whip pan left."),
    ("whip pan left", "The camera whip pans left."),
)


def takes(count: int, each: int = 4) -> dict[str, dict[str, bytes]]:
    samples = {}
    for number in range(count * each):
        still, take = divmod(number, each)
        label, told = MOTIONS[take]
        record = {"source_key": f"s{still}", "captions": [f"still {still}", "a picture"]}
        record |= {"camera": label, "camera_caption": told}
        samples[f"s{still}_{take}"] = {"jpg": png(number), "json": json.dumps(record).encode()}
    return samples


def told(tmp_path: Path, *, seed: int = 7, threads: int = 2, each: int = 4, **data) -> TrainLoader:
    spec = DataSpec(**data)
    clips = ShardClips([write_tar(tmp_path / "takes.tar", takes(6, each))], spec)
    return TrainLoader(clips, READER, identity={"name": "shards"}, seed=seed, data=spec, threads=threads)


def shown(batch: Batch) -> list[int]:
    """Which clip each row shows."""
    return [read_number(frames[0].numpy().transpose(1, 2, 0)) for frames in batch.frames]


def epoch_of(data: TrainLoader, epoch: int, **settings) -> list[Batch]:
    settings = {"batch_size": 8, "start": 0, "rank": 0, "workers": 1, **settings}
    return list(data.batches(epoch=epoch, **settings))


def test_takes_of_a_still_stand_together_in_a_batch_once_an_epoch(tmp_path):
    data = told(tmp_path, takes_together=4)
    epochs = [epoch_of(data, epoch) for epoch in range(2)]
    for batches in epochs:
        assert sorted(number for batch in batches for number in shown(batch)) == list(range(24))
        for batch in batches:
            assert {batch.video_ids.count(still) for still in batch.video_ids} == {4}
    assert [shown(batch) for batch in epochs[0]] != [shown(batch) for batch in epochs[1]]
    alone = epoch_of(told(tmp_path), 0)
    assert any(batch.video_ids.count(still) < 4 for batch in alone for still in batch.video_ids)


def test_takes_together_resume_and_are_shared_out_as_any_batch(tmp_path):
    data = told(tmp_path, takes_together=4, caption_of="both")
    whole = epoch_of(data, 5)
    again = told(tmp_path, takes_together=4, caption_of="both", threads=4)
    rest = epoch_of(again, 5, start=1)
    assert [(shown(batch), batch.captions) for batch in rest] == [
        (shown(batch), batch.captions) for batch in whole[1:]
    ]
    parts = [epoch_of(again, 5, rank=rank, workers=2) for rank in (1, 0)]
    for batch, first, second in zip(whole, parts[1], parts[0], strict=True):
        assert first.captions + second.captions == batch.captions
        assert first.facts.said + second.facts.said == batch.facts.said
        assert first.facts.shown + second.facts.shown == batch.facts.shown


def test_stills_with_one_clip_each_have_none_to_stand_together(tmp_path, table):
    with pytest.raises(
        DataError, match=r"takes_together = 4: shards train has one clip of each still; .*--takes"
    ):
        told(tmp_path, each=1, takes_together=4)
    videos = open_dataset(DataSpec(name="table", table=str(table))).train
    with pytest.raises(DataError, match="table train has one clip of each still"):
        TrainLoader(videos, READER, identity={"name": "table"}, seed=0, data=DataSpec(takes_together=2))


def test_captions_of_the_camera_and_of_the_still(tmp_path):
    sentences = {sentence for _, sentence in MOTIONS}
    plain = epoch_of(told(tmp_path), 0)
    assert not sentences & {text for batch in plain for text in batch.captions}
    assert all(batch.facts is None for batch in plain)
    camera = epoch_of(told(tmp_path, caption_of="camera"), 0)
    for batch in camera:
        assert batch.captions == [MOTIONS[number % 4][1] for number in shown(batch)]
        assert batch.keys == [f"{still}#camera" for still in batch.video_ids]


def test_both_captions_of_a_clip_take_turns(tmp_path):
    data = told(tmp_path, caption_of="both")
    turns: list[dict[int, bool]] = []
    for epoch in range(4):
        batches = epoch_of(data, epoch)
        of_camera = {}
        for batch in batches:
            for number, text in zip(shown(batch), batch.captions, strict=True):
                assert text in (f"still {number // 4}", "a picture", MOTIONS[number % 4][1])
                of_camera[number] = text == MOTIONS[number % 4][1]
        turns.append(of_camera)
    assert turns[0] == turns[2] == {number: not turn for number, turn in turns[1].items()}
    assert turns[1] == turns[3]
    assert 6 <= sum(turns[0].values()) <= 18, "in any epoch there are some of each"
    assert {text for epoch in range(4) for batch in epoch_of(data, epoch) for text in batch.captions} >= {
        "a picture",
        "still 0",
    }


def test_beside_plain_captions_those_of_the_camera_are_for_the_fine_stage(tmp_path):
    sentences = {sentence for _, sentence in MOTIONS}
    for batch in epoch_of(told(tmp_path, caption_of="both"), 0):
        assert batch.fine_only == [text in sentences for text in batch.captions]
    for spec in ({"caption_of": "both", "camera_for": "all"}, {"caption_of": "camera"}, {}):
        assert all(batch.fine_only is None for batch in epoch_of(told(tmp_path, **spec), 0))


@pytest.mark.parametrize("caption_of", ["camera", "both"])
def test_a_text_is_no_negative_of_a_clip_of_which_it_is_true(tmp_path, caption_of):
    """Against the plain reading: the still's words of all its takes, the camera's of all with its label."""
    data = told(tmp_path, takes_together=4, caption_of=caption_of)
    seen = set()
    for batch in epoch_of(data, 1):
        width = {len(names) for names in batch.facts.shown}
        assert width == {5}
        negative = loss.negatives_by_facts(
            torch.stack([loss.groups(list(names)) for names in batch.facts.said]),
            torch.stack([loss.groups(list(names)) for names in batch.facts.shown]),
        )
        numbers = shown(batch)
        for row, text in enumerate(batch.captions):
            of_camera = text == MOTIONS[numbers[row] % 4][1]
            for column, number in enumerate(numbers):
                same_still = numbers[row] // 4 == number // 4
                if of_camera:
                    label, caption = MOTIONS[number % 4]
                    right = label == MOTIONS[numbers[row] % 4][0] or text == caption
                else:
                    right = same_still or text == "a picture"
                assert bool(negative[row, column]) == (not right), (text, number)
                seen.add((of_camera, same_still, right))
    # Takes of one still are negatives of what the camera does, and never of what the still shows.
    assert (True, True, False) in seen and (False, True, False) not in seen


def test_videos_without_a_word_of_their_camera_end_a_training_that_asks_for_it(table):
    videos = open_dataset(DataSpec(name="table", table=str(table))).train
    data = TrainLoader(videos, READER, identity={}, seed=0, data=DataSpec(caption_of="camera"))
    with pytest.raises(DataError, match=r"caption_of = 'camera': nothing is said of the camera of v"):
        epoch_of(data, 0, batch_size=2)
