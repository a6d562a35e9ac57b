"""One still to one clip: what is recorded, what is rejected, and that it can all be filmed again."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from animate.arrivals import in_order
from animate.codec import decode_jpeg, decode_mp4
from animate.data import Clip, Fault, Rejected, Sample, Take
from animate.film import Still, film, film_together, replay
from animate.recipe import BuildRecipe, SourceRecipe, VideoRecipe, read_preset, read_recipe
from animate.record import flat_json
from animate.shard import film_groups


def photograph(width=500, height=375, seed=0, format="JPEG") -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    with io.BytesIO() as stream:
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(stream, format)
        return stream.getvalue()


def sample(key="a", image=None, captions=("a picture", "another caption"), **meta) -> Sample:
    return Sample(key=key, image=photograph() if image is None else image, captions=captions, meta=meta)


def film_one(one: Sample, recipe: BuildRecipe, take: int = 0) -> Clip | Rejected:
    still = Still(one.image, recipe.source)
    return film([one], [still], Take(source_key=one.key, index=take), recipe)


FRAMES = read_recipe(None, ["video.format=frames", "video.jpeg_quality=95"])


def test_the_record_says_what_the_camera_did():
    clip = film_one(sample(url="http://x/y.jpg", license="CC0"), FRAMES)
    record = json.loads(flat_json(clip.record, clip.carried, {"url": "string", "license": "string"}))
    assert record["key"] == "a_0"
    assert record["captions"] == ["a picture", "another caption"]
    assert record["caption"] == "a picture"
    assert (record["url"], record["license"]) == ("http://x/y.jpg", "CC0")
    assert (record["original_width"], record["original_height"]) == (500, 375)
    assert record["duration"] == 3.0
    assert np.shape(record["homographies"]) == (12, 9)
    assert len(record["view_areas"]) == 12
    assert min(record["view_areas"]) == record["view_area_min"] >= 0.2 * 0.75
    assert record["view_area_min"] <= record["union_area"] + 0.01 <= 1.01
    assert record["shot_starts"][0] == 0
    assert record["camera"]


def test_what_is_said_of_the_camera_changes_nothing_else():
    takes = {
        how: film_one(sample(), read_recipe(None, ["video.format=frames", f"captions.camera={how}"])).record
        for how in ("none", "beside", "appended")
    }
    beside = takes["beside"]
    assert beside.camera_caption.endswith(".")
    assert (beside.caption, beside.captions) == ("a picture", ["a picture", "another caption"])
    assert takes["none"] == dataclasses.replace(beside, camera_caption="")
    appended = f"a picture. {beside.camera_caption}"
    assert takes["appended"] == dataclasses.replace(beside, caption=appended)


def test_a_montage_is_told_still_by_still():
    recipe = read_recipe(None, ["shot.preset=montage", "video.num_frames=24", "captions.camera=appended"])
    stills = [sample(key) for key in "abc"]
    clips = [clip for clip in in_order(film_groups(enumerate([stills]), recipe)) if isinstance(clip, Clip)]
    assert len(clips) == 3
    for clip in clips:
        record = clip.record
        joints = re.findall("cut|dissolve|fade", record.camera_caption.lower())
        assert joints == [joint["kind"] for joint in json.loads(record.shot)["transitions"]]
        assert len(joints) == 2
        assert record.captions[0] == "a picture. a picture. a picture."
        assert record.caption == f"{record.captions[0]} {record.camera_caption}"


def test_the_same_take_is_the_same_clip_and_another_take_another():
    recipe = dataclasses.replace(FRAMES, takes=2)
    first, again = film_one(sample(), recipe), film_one(sample(), recipe)
    assert first.members == again.members
    assert first.record == again.record
    assert film_one(sample(), recipe, take=1).record.shot != first.record.shot
    assert film_one(sample(), dataclasses.replace(recipe, seed=1)).record.shot != first.record.shot


@pytest.mark.parametrize("size", [(500, 375), (1600, 1200), (375, 500), (3000, 900)])
@pytest.mark.parametrize("quality", ["default", "best"])
def test_a_replay_is_what_was_filmed_bit_for_bit(size, quality, monkeypatch):
    """Large stills are decoded smaller than they are; a replay must do the same."""
    filmed = []
    import animate.film

    def spy(jobs, video, device="cpu"):
        frames = list(render_jobs(jobs, video, device))
        filmed.extend(frames)
        return iter(frames)

    render_jobs = animate.film.render_jobs
    monkeypatch.setattr(animate.film, "render_jobs", spy)
    recipe = dataclasses.replace(FRAMES, video=dataclasses.replace(FRAMES.video, quality=quality))
    for key in "abcdef":
        one = sample(key, photograph(*size))
        clip = film_one(one, recipe)
        virtual = dataclasses.replace(recipe, video=dataclasses.replace(recipe.video, format="virtual"))
        record = film_one(one, virtual).record.table()
        assert record == json.loads(json.dumps(clip.record.table())), "the format changes no number"
        np.testing.assert_array_equal(replay(one.image, record), filmed[-1])
        del filmed[:]
        film_one(one, recipe)


def test_frames_are_upright_and_in_the_right_colours():
    y, x = np.mgrid[:300, :400]
    picture = np.stack([x * 255 // 399, y * 255 // 299, np.full_like(x, 40)], -1).astype(np.uint8)
    with io.BytesIO() as stream:
        Image.fromarray(picture).save(stream, "JPEG", quality=95)
        image = stream.getvalue()
    for format, decode in (
        ("frames", lambda m: decode_jpeg(m["00.jpg"])),
        ("mp4", lambda m: decode_mp4(m["mp4"])[0]),
    ):
        recipe = read_recipe(None, ["shot.preset=static", f"video.format={format}"])
        frame = decode(film_one(sample(image=image), recipe).members).astype(int)
        assert frame[112, 200, 0] > frame[112, 20, 0] + 100, "red grows to the right"
        assert frame[200, 112, 1] > frame[20, 112, 1] + 100, "green grows downwards"
        assert abs(frame[..., 2].mean() - 40) < 6


def test_bad_pictures_are_rejected_with_their_caption():
    whole = photograph()
    for image, status in (
        (b"", "empty_file"),
        (whole[: len(whole) // 2], "truncated"),
        (b"<html>404</html>", "not_an_image"),
        (photograph(40, 40), "too_small"),
        (photograph(900, 100), "aspect_ratio"),
    ):
        [(take, rejected)] = in_order(film_groups(enumerate([[sample(image=image)]]), FRAMES))
        assert (take.key, rejected.fault.status) == ("a_0", status)
        assert rejected.captions == ("a picture", "another caption")


def test_a_still_too_small_for_its_frames_is_rejected():
    recipe = dataclasses.replace(FRAMES, video=VideoRecipe(size=512, format="frames"))
    [(_, rejected)] = in_order(film_groups(enumerate([[sample(image=photograph(100, 100))]]), recipe))
    assert rejected.fault.status == "too_small"
    assert "max_magnification" in rejected.fault.message


def test_virtual_stores_the_very_bytes_and_still_checks_them():
    recipe = read_recipe(None, ["video.format=virtual"])
    image = photograph(format="PNG")
    assert film_one(sample(image=image), recipe).members == {"jpg": image}
    [(_, rejected)] = in_order(film_groups(enumerate([[sample(image=photograph()[:-2000])]]), recipe))
    assert rejected.fault.status == "truncated"


def test_every_take_of_every_row_is_accounted_for():
    recipe = dataclasses.replace(FRAMES, takes=3)
    rows = [sample("a"), Rejected(key="b", fault=Fault("missing_caption", ""))]
    keys = [
        clip.record.key if isinstance(clip, Clip) else clip[0].key
        for row in rows
        for clip in in_order(film_groups(enumerate([[row]]), recipe))
    ]
    assert keys == ["a_0", "a_1", "a_2", "b_0", "b_1", "b_2"]


def test_a_montage_goes_through_its_group_from_each_of_its_stills():
    recipe = dataclasses.replace(FRAMES, shot=read_preset("montage"))
    group = [sample(key, photograph(seed=i), (f"caption {key}.",)) for i, key in enumerate("abc")]
    clips = list(in_order(film_groups(enumerate([group]), recipe)))
    assert [clip.record.caption for clip in clips] == [
        "caption a. caption b. caption c.",
        "caption b. caption c. caption a.",
        "caption c. caption a. caption b.",
    ]
    assert [clip.record.source_keys for clip in clips] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
    ]
    assert all(len(clip.record.shot_starts) == 3 for clip in clips)
    starts = clips[0].record.shot_starts
    assert starts == sorted(set(starts))

    first = decode_jpeg(clips[0].members["00.jpg"]).astype(int)
    assert np.abs(first - decode_jpeg(clips[2].members["00.jpg"])).mean() > 10, (
        "each begins with its own still"
    )


def test_a_montage_leaves_out_what_cannot_be_decoded():
    recipe = dataclasses.replace(FRAMES, shot=read_preset("montage"))
    group = [sample("a"), sample("b", photograph()[:3000]), sample("c", photograph(seed=2))]
    results = list(in_order(film_groups(enumerate([group]), recipe)))
    assert results[1][1].fault.status == "truncated"
    assert results[0].record.source_keys == ["a", "c"]
    assert results[2].record.source_keys == ["c", "a"]


def test_transparent_pixels_show_the_background_of_the_recipe():
    with io.BytesIO() as stream:
        Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(stream, "PNG")
        image = stream.getvalue()
    source = SourceRecipe(background=(255, 0, 0))
    recipe = dataclasses.replace(FRAMES, source=source)
    frame = decode_jpeg(film_one(sample(image=image), recipe).members["00.jpg"])
    assert abs(frame.reshape(-1, 3).mean(0) - (254, 0, 0)).max() < 3


def test_no_clip_depends_on_the_others_of_its_batch():
    """One to three shots a clip, on stills of all shapes; some are too small, some do not decode."""
    recipe = read_recipe(
        None, ["video.format=frames", "shot.edit.shots=[1, 3]", "shot.max_magnification=1.4"]
    )
    shapes = [(500, 375), (375, 500), (640, 160), (900, 700), (150, 150)]
    rows = [[sample(f"{i}", photograph(*shapes[i % 5], seed=i))] for i in range(20)]
    rows[7] = [sample("7", rows[7][0].image[:-2000])]
    rows[12] = [sample("12", b"no image")]
    batched = list(in_order(film_groups(enumerate(rows), recipe)))
    alone = list(in_order(film_groups(enumerate(rows), recipe, one_by_one=True)))
    statuses = [one[1].fault.status for one in batched if not isinstance(one, Clip)]
    assert sorted(statuses) == ["not_an_image", *["too_small"] * 4, "truncated"]
    assert batched == alone


def test_a_batch_ends_when_its_stills_have_many_pixels(monkeypatch):
    import animate.shard

    batches = []

    def spy(setups, recipe, device):
        batches.append([setup.take.key for setup in setups])
        return film_together(setups, recipe, device)

    monkeypatch.setattr(animate.shard, "film_together", spy)
    monkeypatch.setattr(animate.shard, "CPU_BATCH_PIXELS", 3 * 200 * 200)
    recipe = read_recipe(None, ["video.format=virtual", "takes=2"])
    sizes = {"a": 200, "b": 200, "c": 600, "d": 100}
    rows = [[sample(key, photograph(side, side))] for key, side in sizes.items()]
    heard = []
    clips = list(film_groups(enumerate(rows), recipe, on_group=heard.append))
    assert len(clips) == 8
    assert batches == [["a_0", "a_1", "b_0"], ["b_1", "c_0"], ["c_1"], ["d_0", "d_1"]]
    assert heard == [1, None, 2, None, 2, None, 3, None], "of each batch the last group, while it is filmed"


def test_a_batch_on_a_torch_device_gives_the_clips_of_one_by_one():
    """The code that runs on a GPU, on the device that is always there."""
    group = [sample(key, photograph(*size, seed=i)) for i, (key, size) in enumerate(SIZES.items())]
    rows = [[one] for one in (*group, sample("bad", b"no image"))]
    batched = list(in_order(film_groups(enumerate(rows), FRAMES, device="cpu:0")))
    assert [clip.record.source_key for clip in batched[:-1]] == list(SIZES)
    assert batched[-1][1].fault.status == "not_an_image"
    for one, clip in zip(group, batched, strict=False):
        take = Take(source_key=one.key, index=0)
        alone = film([one], [Still(one.image, FRAMES.source)], take, FRAMES, device="cpu:0")
        assert alone.members == clip.members
        on_cpu = film_one(one, FRAMES)
        assert on_cpu.record == clip.record
        pairs = [
            (decode_jpeg(clip.members[name]), decode_jpeg(on_cpu.members[name])) for name in clip.members
        ]
        # The pixels themselves are compared in test_render: here JPEG has made 0.2 of 255 into 0.6.
        assert np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs]) < 1


SIZES = {"a": (500, 375), "b": (375, 500), "c": (500, 375), "d": (1600, 1200)}
