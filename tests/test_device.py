"""Filming on a torch device in batches: what one clip alone would be, and the same things rejected."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from animate.codec import decode_jpeg, decode_plain_jpegs, decode_still
from animate.data import Clip, Rejected, Sample, Take
from animate.device import film_groups
from animate.recipe import BuildRecipe, EditRecipe, ShotRecipe, SourceRecipe, VideoRecipe, read_preset
from animate.render import render, render_batch
from animate.render.mixing import Scene
from animate.shard import Still, draw, film_group

#: Any torch device goes the same way; this one is always there.
DEVICE = "cpu:0"
VIDEO = VideoRecipe(format="frames", size=64, num_frames=6, jpeg_quality=95)


def picture(seed: int, size=(250, 180)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format="JPEG", **options) -> bytes:
    with io.BytesIO() as stream:
        image.save(stream, format, **options)
        return stream.getvalue()


def samples() -> list[Sample]:
    """Two sizes, a format that no device decodes, and a JPEG that breaks off."""
    images = [
        encoded(picture(0)),
        encoded(picture(1, (180, 250))),
        encoded(picture(2), "PNG"),
        encoded(picture(3))[:3000],
        encoded(picture(4)),
    ]
    return [Sample(key=str(i), image=image, captions=("A picture.",)) for i, image in enumerate(images)]


def recipe(shot: ShotRecipe | None = None, takes: int = 1) -> BuildRecipe:
    return BuildRecipe(shot=shot or read_preset("default"), video=VIDEO, takes=takes)


def drawn(shot: ShotRecipe, video: VideoRecipe) -> list[Scene]:
    scenes = []
    source = SourceRecipe()
    for one in samples()[:3]:
        still = Still(one.image, source)
        made = draw([one], [still], Take(source_key=one.key, index=0), BuildRecipe(shot=shot, video=video))
        assert not isinstance(made, Rejected)
        scenes.append(Scene(stills=[decode_still(one.image, source)], layers=made.layers))
    return scenes


@pytest.mark.parametrize("quality", ["default", "best"])
@pytest.mark.parametrize("shutter", [0.0, 180.0])
def test_a_batch_is_its_clips_rendered_alone(quality, shutter):
    shot = dataclasses.replace(
        read_preset("default"),
        edit=EditRecipe(shots=(1, 3), transitions=("dissolve", "fade", "cut")),
        shutter_degrees=shutter,
        shutter_samples=3,
    )
    video = dataclasses.replace(VIDEO, quality=quality)
    scenes = drawn(shot, video)
    together = render_batch(scenes, video, DEVICE)
    for scene, frames in zip(scenes, together, strict=True):
        alone = render(scene.stills, scene.layers, video, DEVICE)
        np.testing.assert_array_equal(frames, alone)
        on_cpu = render(scene.stills, scene.layers, video)
        assert np.abs(frames.astype(int) - on_cpu).mean() < 0.5


@pytest.mark.parametrize("clips_a_batch", [1, 3, 64])
def test_batches_make_the_clips_and_rejections_of_the_cpu(clips_a_batch):
    expected = [clip for one in samples() for clip in film_group([one], recipe(takes=2))]
    rows = [[one] for one in samples()]
    made = list(film_groups(rows, recipe(takes=2), DEVICE, clips_a_batch))
    assert len(made) == len(expected) == 10
    for clip, wanted in zip(made, expected, strict=True):
        if isinstance(wanted, Clip):
            assert isinstance(clip, Clip) and clip.record == wanted.record
            for suffix, frame in wanted.members.items():
                difference = decode_jpeg(clip.members[suffix]).astype(int) - decode_jpeg(frame)
                assert np.abs(difference).mean() < 2, "JPEGs of nearly equal frames"
        else:
            assert clip == wanted and wanted[1].status == "truncated"


def test_batches_make_montages():
    montage = dataclasses.replace(read_preset("default"), edit=EditRecipe(stills=3))
    group = samples()
    expected = list(film_group(group, recipe(montage)))
    made = list(film_groups([group], recipe(montage), DEVICE))
    assert [clip.record if isinstance(clip, Clip) else clip for clip in made] == [
        clip.record if isinstance(clip, Clip) else clip for clip in expected
    ]


def test_only_plain_jpegs_are_decoded_on_the_device():
    turned = encoded(picture(5), exif=_orientation(6))
    grey, cmyk = encoded(picture(6).convert("L")), encoded(picture(7).convert("CMYK"))
    images = [*(one.image for one in samples()), turned, grey, cmyk, b"", b"\xff\xd8\xff"]
    pixels = decode_plain_jpegs(images, SourceRecipe(), DEVICE)
    assert [tensor is not None for tensor in pixels] == [
        True, True, False, False, True, False, True, False, False, False,
    ]  # fmt: skip
    for image, tensor in zip(images, pixels, strict=True):
        if tensor is not None:
            difference = tensor.permute(1, 2, 0).numpy().astype(int) - decode_still(image, SourceRecipe())
            assert np.abs(difference).max() <= 4, "decoders may round differently"


def test_limits_hold_on_the_device_too():
    images = [encoded(picture(0))]
    assert decode_plain_jpegs(images, SourceRecipe(min_side=200), DEVICE) == [None]
    assert decode_plain_jpegs(images, SourceRecipe(max_pixels=1000), DEVICE) == [None]


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif
