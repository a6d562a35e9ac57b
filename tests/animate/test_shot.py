"""Shots: bounds that hold for every draw, and edits that replay exactly."""

import dataclasses
import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.camera import View, view_corners
from animate.components import COMPONENTS
from animate.data import Take, take_rng
from animate.edit import Edit, Layer, OtherVersion, Transition, draw_edit
from animate.fit import StillTooSmall, fit_shots
from animate.label import describe
from animate.recipe import (
    EditRecipe,
    ShotKind,
    ShotRecipe,
    VideoRecipe,
    preset_names,
    read_preset,
    read_recipe,
)
from animate.shot import Shot, draw_shot
from animate.strict_toml import RecipeError
from animate.views import max_magnification, max_speed, union_area, view_areas

PHOTO = View(still_size=(500, 375), frame_size=(224, 224))


def middle() -> tuple[float, float]:
    return 0.6, 0.4


def draw(recipe, video=None, view=PHOTO, key="a", seed=0):
    rng = take_rng(seed, "test", Take(source_key=key, index=0))
    edit, layers = draw_edit(recipe, video or VideoRecipe(), [view], rng, [middle])
    for drawn, replayed in zip(layers, edit.layers([view], (video or VideoRecipe()).fps), strict=True):
        for field in dataclasses.fields(Layer):
            np.testing.assert_array_equal(getattr(drawn, field.name), getattr(replayed, field.name))
    return edit


def only(**components) -> ShotRecipe:
    return ShotRecipe(shots=(ShotKind(name="one", components=components),))


@functools.cache
def presets() -> tuple[ShotRecipe, ...]:
    return tuple(read_preset(name) for name in preset_names())


sizes = st.tuples(st.integers(64, 8000), st.integers(64, 6000)).filter(lambda s: max(s) <= 5 * min(s))


@st.composite
def recipes(draw):
    """Shot lists of random components over wild ranges, with random bounds."""
    names = draw(st.lists(st.sampled_from(sorted(COMPONENTS)), min_size=1, max_size=5, unique=True))
    components = {}
    for name in names:
        given_ = {}
        for field in dataclasses.fields(COMPONENTS[name]):
            if "limits" in field.metadata and draw(st.booleans()):
                low, high = field.metadata["limits"]
                ends = sorted(draw(st.tuples(st.floats(low, high), st.floats(low, high))))
                given_[field.name] = [min(end, 45.0) if field.name == "degrees" else end for end in ends]
        components[name] = given_
    if draw(st.booleans()):
        mix = draw(st.sampled_from(presets())).shots
    else:
        mix = (ShotKind(name="random", components=components),)
    return ShotRecipe(
        shots=mix,
        min_view_area=draw(st.floats(0, 0.9)),
        min_union_area=draw(st.floats(0, 0.99)),
        max_speed=draw(st.floats(1, 1000)),
        max_magnification=draw(st.floats(1, 8)),
        shutter_degrees=draw(st.sampled_from([0.0, 0.0, 180.0, 360.0])),
        edit=EditRecipe(
            shots=draw(st.sampled_from([(1, 1), (1, 4)])), transitions=("cut", "dissolve", "fade")
        ),
    )


@settings(max_examples=60, deadline=None)
@given(recipe=recipes(), stills=st.lists(sizes, min_size=2, max_size=6), seed=st.integers(0, 2**32))
def test_no_fit_depends_on_the_shots_that_are_fitted_with_it(recipe, stills, seed):
    video, rng = VideoRecipe(), np.random.default_rng(seed)
    views = [View(still_size=size, frame_size=(224, 224)) for size in stills]
    shots = [draw_shot(recipe, 0, range(1 + number * 3), middle, rng) for number, _ in enumerate(views)]
    together = fit_shots(shots, recipe, video, views)
    for shot, view, fitted in zip(shots, views, together, strict=True):
        [alone] = fit_shots([shot], recipe, video, [view])
        if isinstance(alone, StillTooSmall):
            assert str(fitted) == str(alone)
            continue
        assert fitted[0] == alone[0]
        for seen, expected in zip(fitted[1], alone[1], strict=True):
            np.testing.assert_array_equal(seen, expected)


@settings(max_examples=300)
@given(
    recipe=recipes(),
    size=sizes,
    frame=st.sampled_from([(224, 224), (320, 180), (180, 320)]),
    seed=st.integers(0, 2**32),
)
def test_every_bound_holds_for_every_shot(recipe, size, frame, seed):
    video = VideoRecipe(size=frame)
    view = View(still_size=size, frame_size=frame)
    try:
        edit = draw(recipe, video, view, seed=seed)
    except StillTooSmall:
        assert 1 / view.source_pixels_per_frame_pixel > recipe.max_magnification * (1 - 1e-5)
        return
    for layer in edit.layers([view], video.fps):
        exposed = np.concatenate([layer.homographies, layer.exposures])
        corners = view_corners(exposed)
        assert corners.min() >= 0 and corners.max() <= 1, "the view left the still"
        assert (view_areas(corners) / view.widest_area).min() >= recipe.min_view_area
        shown = view_corners(layer.homographies)
        largest = max(union_area(shown), view_areas(shown).max())
        assert largest / view.widest_area >= recipe.min_union_area - 1e-6
        assert max_speed(layer.homographies, 1 / video.fps, view) <= recipe.max_speed / 100 + 1e-9
        assert max_magnification(exposed, view) <= recipe.max_magnification * (1 + 1e-5)


@given(recipe=recipes(), seed=st.integers(0, 2**32), num_frames=st.integers(1, 60))
def test_an_edit_replays_from_its_json(recipe, seed, num_frames):
    video = VideoRecipe(num_frames=num_frames)
    try:
        edit = draw(recipe, video, seed=seed)
    except StillTooSmall:
        return
    again = Edit.from_json(edit.to_json())
    assert again == edit
    for layer, replayed in zip(edit.layers([PHOTO], 4), again.layers([PHOTO], 4), strict=True):
        for field in dataclasses.fields(layer):
            np.testing.assert_array_equal(getattr(layer, field.name), getattr(replayed, field.name))


@given(
    seed=st.integers(0, 2**32),
    num_frames=st.integers(1, 60),
    shots=st.integers(1, 6),
    kind=st.sampled_from(["cut", "dissolve", "fade"]),
)
def test_shots_share_out_every_frame(seed, num_frames, shots, kind):
    recipe = dataclasses.replace(
        only(static={}),
        edit=EditRecipe(shots=(shots, shots), transitions=(kind,), transition_seconds=(0.2, 2)),
    )
    video = VideoRecipe(num_frames=num_frames)
    edit = draw(recipe, video, seed=seed)
    weight = np.zeros(num_frames)
    for layer in edit.layers([PHOTO], video.fps):
        weight[layer.first : layer.first + len(layer.weight)] += layer.weight
    if kind == "fade":
        assert (weight <= 1 + 1e-12).all()
    else:
        np.testing.assert_allclose(weight, 1)
    assert len(edit.transitions) == len(edit.shots) - 1
    assert edit.shots[0].first == 0


@pytest.mark.parametrize(
    ("kind", "going", "coming"),
    [
        ("dissolve", [7 / 8, 5 / 8, 3 / 8, 1 / 8], [1 / 8, 3 / 8, 5 / 8, 7 / 8]),
        ("fade", [3 / 4, 1 / 4, 0, 0], [0, 0, 1 / 4, 3 / 4]),
    ],
)
def test_a_transition_of_four_frames_shares_out_their_light(kind, going, coming):
    shots = [Shot(name="", components=(), still=0, first=first, num_frames=6) for first in (0, 2)]
    edit = Edit(shots=tuple(shots), transitions=(Transition(kind=kind, frames=4),))
    before, after = edit.layers([PHOTO], 4)
    np.testing.assert_allclose(before.weight, [1, 1, *going])
    np.testing.assert_allclose(after.weight, [*coming, 1, 1])


def test_a_take_is_drawn_from_its_own_name_alone():
    recipe = read_preset("default")
    assert draw(recipe, key="a") == draw(recipe, key="a")
    assert draw(recipe, key="a") != draw(recipe, key="b")
    assert draw(recipe, key="a", seed=1) != draw(recipe, key="a", seed=2)


@pytest.mark.parametrize(
    ("components", "label"),
    [
        ({"dolly": {"amount": 0.05, "direction": "in"}}, "slow push in"),
        ({"dolly": {"amount": 0.3, "direction": "out"}}, "pull out"),
        ({"pan": {"degrees": 10, "direction": "left"}}, "pan left"),
        ({"static": {}}, "static"),
        ({"whip_pan": {"direction": "right"}}, "fast whip pan right"),
    ],
)
def test_the_label_says_what_the_camera_does(components, label):
    edit = draw(only(**components))
    assert describe(edit, edit.layers([PHOTO], 4), [PHOTO], 4) == label


def test_holding_stands_still_at_the_ends():
    edit = draw(only(truck={"amount": 0.2, "ease": "linear"}, hold={"first": 0.3, "last": 0.3}))
    steps = np.abs(np.diff(edit.layers([PHOTO], 4)[0].homographies, axis=0)).max(axis=(1, 2))
    assert steps[0] == 0 and steps[-1] == 0 and steps[5] > 0


def test_a_temporal_crop_shows_part_of_the_move():
    whole = draw(only(truck={"amount": 0.3, "direction": "right", "ease": "linear"}))
    crop = draw(
        only(truck={"amount": 0.3, "direction": "right", "ease": "linear"}, temporal_crop={"length": 0.5})
    )
    travels = [np.ptp(edit.layers([PHOTO], 4)[0].homographies[:, 0, 2]) for edit in (whole, crop)]
    assert travels[1] == pytest.approx(travels[0] / 2, rel=0.1)


def test_slow_motion_shakes_more_slowly():
    shots = [draw(only(handheld={"hertz": 2.0}, speed={"factor": factor})).shots[0] for factor in (0.2, 2.0)]
    shakes = [shot.poses(shot.timeline(4, shot.frames), PHOTO) for shot in shots]
    slow, fast = (np.abs(np.diff(poses[:, 0])).mean() for poses in shakes)
    assert slow < fast


def test_a_view_is_never_narrowed_to_a_point():
    """The middle of the last frame is to lie on the edge of the still, where nothing is left of a view."""
    recipe = dataclasses.replace(
        only(interest={"point": "random", "y": 0.0}), min_view_area=0.0, min_union_area=0.0
    )
    for seed in range(20):
        assert draw(recipe, VideoRecipe(num_frames=2), seed=seed).shots[0].tighten >= 1e-3


def test_a_still_under_the_magnification_limit_is_refused():
    with pytest.raises(StillTooSmall, match="max_magnification"):
        draw(only(static={}), view=View(still_size=(40, 40), frame_size=(224, 224)))


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_draws_and_replays(name):
    recipe = read_preset(name)
    for key in map(str, range(20)):
        edit = draw(recipe, key=key)
        assert Edit.from_json(edit.to_json()) == edit
        assert json.loads(edit.to_json())["shots"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("shot.min_view_area=1.5", "min_view_area"),
        ("shot.max_speed=0", "max_speed"),
        ("shot.preset=nope", "default"),
        ('shot.shots=[{name="x", components={pen={}}}]', "known ones: static"),
        ('shot.shots=[{name="x", components={pan={degrees=[20, 10]}}}]', "degrees"),
        ('shot.shots=[{name="x", components={pan={degrees=400}}}]', "0..90"),
        ('shot.shots=[{name="x", components={pan={direction="up"}}}]', "left, right"),
        ('shot.shots=[{name="x", components={}}]', "at least one"),
        ("shot.shots=[]", "at least one"),
        ("shot.edit.shots=[3, 2]", "shots"),
        ("shot.edit.stills=0", "stills"),
        ("shot.edit.speed=2", "unknown key 'speed' in [shot.edit]"),
    ],
)
def test_an_impossible_shot_list_is_refused_when_read(override, message):
    with pytest.raises(RecipeError) as error:
        read_recipe(None, [override])
    assert message in str(error.value)


def test_a_shot_of_another_version_is_said_to_be_one():
    text = draw(read_preset("push_in")).to_json()
    for other in (text.replace('"dolly"', '"dolly_back"'), text.replace('"amount"', '"ratio"')):
        with pytest.raises(OtherVersion, match="another version"):
            Edit.from_json(other)
