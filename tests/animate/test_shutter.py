"""The open shutter: as many moments as the way of the view asks for, each frame's own, in linear light."""

import itertools

import numpy as np
import pytest

from animate.camera import View
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.light import to_linear
from animate.recipe import ShotKind, ShotRecipe, VideoRecipe, read_preset, read_recipe
from animate.render import render
from animate.shutter import PIXELS_A_MOMENT, moments, moments_per_frame

SQUARE = View(still_size=(600, 600), frame_size=(224, 224))
VIDEO = VideoRecipe(num_frames=8, fps=8)


def whip(seed: int, degrees: float = 180.0, **given):
    kind = ShotKind(name="whip", components={"whip_pan": {"direction": "right", **given}})
    recipe = ShotRecipe(shots=(kind,), shutter_degrees=degrees)
    rng = take_rng(seed, "shutter", Take(source_key="a", index=0))
    edit, layers = draw_edit(recipe, VIDEO, [SQUARE], rng, [lambda: (0.5, 0.5)])
    return edit.shots[0], layers[0]


def way_in_pixels(views: np.ndarray) -> float:
    """How far the corner that goes furthest goes in all, in frame pixels, from view to view."""
    way = np.zeros(4)
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float).T
    for before, after in itertools.pairwise(views):
        moved = np.linalg.inv(after) @ before @ corners
        way += 224 * np.hypot(*(moved[:2] / moved[2] - corners[:2]))
    return float(way.max())


@pytest.mark.parametrize("seed", range(6))
def test_there_is_a_moment_for_every_pixel_and_a_half_of_the_way(seed):
    shot, layer = whip(seed)
    ends = np.cumsum(layer.exposures_per_frame)
    counts = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        exposures = layer.exposures[start:end]
        counts.append(len(exposures))
        # The first and the last moment may lie anywhere in their shares of the open time.
        assert way_in_pixels(exposures) <= PIXELS_A_MOMENT * (len(exposures) + 1)
    assert max(counts) > 20, "a whip pan is fast"
    assert min(counts) == 1, "and rests before and after"
    assert tuple(counts) == shot.shutter_moments


def test_the_smear_of_a_whip_pan_has_no_ghosts():
    """A white line over black is smeared to one even band; eight equal steps would leave eight lines."""
    still = np.zeros((600, 600, 3), np.uint8)
    still[:, 294:306] = 255
    _, layer = whip(1, degrees=360.0, seconds=0.3, at=0.5)
    frames = render([still], [layer], VIDEO)
    fastest = int(layer.exposures_per_frame.argmax())
    row = to_linear(frames[fastest])[112, :, 0]
    lit = np.flatnonzero(row > row.max() / 4)
    band = row[lit[0] : lit[-1] + 1]
    assert len(band) > 40
    # Its ends rise and fall over the width of the line.
    assert band[8:-8].min() > 0.6 * band[8:-8].mean()


def test_the_light_of_a_smear_is_that_of_the_still():
    still = np.zeros((600, 600, 3), np.uint8)
    still[:, 296:304] = 255
    _, layer = whip(2)
    fastest = int(layer.exposures_per_frame.argmax())
    closed, _ = whip(2, degrees=0.0)
    assert closed.shutter_moments == ()
    frames = render([still], [layer], VIDEO)
    scales = [np.linalg.norm(h[:2, 0]) for h in layer.homographies[[fastest]]]
    width = to_linear(frames[fastest])[112, :, 0].sum()
    assert width == pytest.approx(8 / 600 * 224 / scales[0], rel=0.15)


def test_each_take_has_moments_of_its_own_and_replays_them():
    counts = np.array([1, 5, 40])
    one, other = moments(counts, 180.0, 1), moments(counts, 180.0, 2)
    np.testing.assert_array_equal(one, moments(counts, 180.0, 1))
    assert one[0] == other[0] == 0.0, "a frame that rests shows its own moment"
    assert (one[1:] != other[1:]).all()
    for start, end, frame in ((1, 6, 1), (6, 46, 2)):
        share = (one[start:end] - frame + 0.25) / 0.5 * (end - start)
        np.testing.assert_array_equal(np.floor(share), np.arange(end - start))


def test_a_view_that_rests_is_seen_once():
    still = np.tile(np.eye(3), (3, 8, 1, 1))
    np.testing.assert_array_equal(moments_per_frame(still, (224, 224)), 1)


def test_the_presets_open_the_shutter_for_what_is_quick():
    for preset in ("default", "vlog"):
        for kind in read_preset(preset).shots:
            quick = {"whip_pan", "crash_zoom"} & kind.components.keys()
            assert (kind.shutter_degrees == 180.0) == bool(quick), kind.name


def test_a_shot_of_its_own_shutter_overrules_the_recipe():
    recipe = read_recipe(
        None,
        [
            "shot.shutter_degrees=360",
            'shot.shots=[{name="a", shutter_degrees=0, components={whip_pan={}}}]',
            "shot.edit.shots=[1, 1]",
        ],
    )
    rng = take_rng(0, "shutter", Take(source_key="a", index=0))
    edit, _ = draw_edit(recipe.shot, VIDEO, [SQUARE], rng, [lambda: (0.5, 0.5)])
    assert edit.shots[0].shutter_degrees == 0.0
    with pytest.raises(ValueError, match="shutter_degrees"):
        ShotKind(name="a", shutter_degrees=400.0, components={"pan": {}})
