"""Each component against its definition, worked out by hand, and against its protocols."""

import inspect
from collections.abc import Mapping

import numpy as np
import pytest

from animate.camera import (
    DOLLY,
    NUM_AXES,
    PAN,
    PEDESTAL,
    ROLL,
    TILT,
    TRUCK,
    ZOOM,
    Homographies,
    View,
    view_corners,
)
from animate.components import AIMS, BLURS, COMPONENTS, EXPOSES, MOVES, RETIMES, check, draw, select
from animate.components.capabilities import Aims, Blurs, Component, Exposes, Moves, Retimes
from animate.components.timeline import Clock, Timeline
from animate.fit import fit_shot
from animate.recipe import ShotKind, ShotRecipe, VideoRecipe
from animate.shot import draw_shot

TABLES: Mapping[type, Mapping[str, type]] = {
    Component: COMPONENTS,
    Moves: MOVES,
    Aims: AIMS,
    Blurs: BLURS,
    Exposes: EXPOSES,
    Retimes: RETIMES,
}

#: A square frame of a still 4 wide and 3 high: at rest it shows 3/4 of the width and all of the height.
VIEW = View(still_size=(400, 300), frame_size=(224, 224))

#: A shot of two seconds at its beginning, middle and end.
TIME = Timeline(progress=np.array([0, 0.5, 1]), seconds=np.array([0.0, 1.0, 2.0]), duration=2.0)

CLOCK = Clock(progress=np.array([0, 0.5, 1]), frame=0.5)

#: Half of what a square frame spans at distance 1 with a lens of 50 degrees, and half the square root of 3.
HALF_FRAME = np.tan(np.radians(25))
COSINE_30 = np.sqrt(3) / 2

LINEAR = {"ease": "linear"}

#: Name of a component that moves the camera: its parameters, and every axis on which it is not at rest at
#: progress 0, 1/2 and 1.
POSES: Mapping[str, tuple[dict, dict[int, list[float]]]] = {
    "static": ({}, {}),
    # Half of the turn lies before the middle; right, up and clockwise are positive.
    "pan": (
        {"degrees": 20, "direction": "left", **LINEAR},
        {PAN: [np.radians(10), 0, -np.radians(10)]},
    ),
    "tilt": ({"degrees": 12, "direction": "up", **LINEAR}, {TILT: [-np.radians(6), 0, np.radians(6)]}),
    "roll": (
        {"degrees": 8, "direction": "counterclockwise", **LINEAR},
        {ROLL: [np.radians(4), 0, -np.radians(4)]},
    ),
    "truck": ({"amount": 0.4, "direction": "right", **LINEAR}, {TRUCK: [-0.2, 0, 0.2]}),
    "pedestal": ({"amount": 0.2, "direction": "down", **LINEAR}, {PEDESTAL: [0.1, 0, -0.1]}),
    # "out" ends at rest; ease_in is progress squared, so half way 1 - 1/4 of the move is left.
    "dolly": ({"amount": 0.4, "direction": "out", "ease": "ease_in"}, {DOLLY: [0.4, 0.3, 0]}),
    # From 30 degrees left of the middle to 30 right of it, looking back at it, on a circle of radius 1.
    "arc": (
        {"degrees": 60, "direction": "right", **LINEAR},
        {
            TRUCK: [-0.5 / (2 * HALF_FRAME), 0, 0.5 / (2 * HALF_FRAME)],
            DOLLY: [1 - COSINE_30, 0, 1 - COSINE_30],
            PAN: [np.pi / 6, 0, -np.pi / 6],
        },
    ),
    # Over before the shot is: half a second about its middle.
    "whip_pan": (
        {"degrees": 20, "direction": "right", "at": 0.5, "seconds": 0.5},
        {PAN: [-np.radians(10), 0, np.radians(10)]},
    ),
    # A hand that neither turns nor moves. What a real one does is random: see the test of its amplitude.
    "handheld": ({"degrees": 0, "percent": 0, "hertz": 2, "noise": 1}, {}),
    "zoom": ({"ratio": 4, "direction": "in", **LINEAR}, {ZOOM: [0, np.log(2), np.log(4)]}),
    # Two seconds about a quarter of the shot, 0.5 s: at 0, 1 and 2 s a share p of 1/4, 3/4 and 1 of them has
    # passed, and the smooth step p * p * (3 - 2 * p) is 5/32, 27/32 and 1.
    "crash_zoom": (
        {"ratio": 2, "direction": "in", "at": 0.25, "seconds": 2},
        {ZOOM: [5 / 32 * np.log(2), 27 / 32 * np.log(2), np.log(2)]},
    ),
    # Distance 4 to 1, half way 2, always 30 degrees to the right. The lens is as many times as long.
    "dolly_zoom": (
        {"ratio": 4, "degrees": 30, "direction": "in", "side": "right", **LINEAR},
        {
            TRUCK: [4 * 0.5 / (2 * HALF_FRAME), 2 * 0.5 / (2 * HALF_FRAME), 0.5 / (2 * HALF_FRAME)],
            DOLLY: [1 - 4 * COSINE_30, 1 - 2 * COSINE_30, 1 - COSINE_30],
            PAN: [-np.pi / 6, -np.pi / 6, -np.pi / 6],
            ZOOM: [np.log(4), np.log(2), 0],
        },
    ),
    # From the near end of wide (1) to the far end of close up (2.2).
    "shot_scale": (
        {"first": "wide", "last": "close_up", "first_within": 0, "last_within": 1, **LINEAR},
        {ZOOM: [0, np.log(2.2) / 2, np.log(2.2)]},
    ),
    # 0.3 of the still to the right is 0.4 frame widths, and 0.2 of the still up is 0.2 frame heights.
    "interest": (
        {"point": "random", "direction": "to", "x": 0.8, "y": 0.3, **LINEAR},
        {TRUCK: [0, 0.2, 0.4], PEDESTAL: [0, 0.1, 0.2]},
    ),
}

#: Standard deviation in frame widths at progress 0, 1/2 and 1.
BLUR: Mapping[str, tuple[dict, list[float]]] = {
    "focus_pull": ({"percent": 1, "direction": "in", **LINEAR}, [0.01, 0.005, 0]),
}

#: Stops at progress 0, 1/2 and 1.
EXPOSURE: Mapping[str, tuple[dict, list[float]]] = {
    "exposure_drift": ({"stops": 0.4, "direction": "darker", **LINEAR}, [0, -0.2, -0.4]),
}

#: Progress on the shot's timeline at progress 0, 1/2 and 1 of the clip; window.
RETIMED: Mapping[str, tuple[dict, list[float], float]] = {
    # A clock that keeps time. What others do is random: see the test of their delay.
    "jitter": ({"amount": 0, "noise": 1}, [0, 0.5, 1], 1),
    # The move takes the last 0.6 of the clip, of which 0.1 has passed in the middle.
    "hold": ({"first": 0.4, "last": 0}, [0, 1 / 6, 1], 1),
    # The first half runs at 1.2 times the mean pace: 1.4 falling to 1.
    "ramp": ({"change": 0.4}, [0, 0.6, 1], 1),
    # A move of half the clip, around its middle.
    "speed": ({"factor": 2}, [-0.5, 0.5, 1.5], 1),
    # The middle half.
    "temporal_crop": ({"length": 0.5, "position": 0.5}, [0.25, 0.5, 0.75], 0.5),
}


def test_every_component_is_in_the_table_of_what_it_does():
    assert POSES.keys() == MOVES.keys()
    assert BLUR.keys() == BLURS.keys()
    assert EXPOSURE.keys() == EXPOSES.keys()
    assert RETIMED.keys() == RETIMES.keys()
    assert MOVES.keys() | BLURS.keys() | EXPOSES.keys() | RETIMES.keys() == COMPONENTS.keys()


@pytest.mark.parametrize("name", MOVES)
def test_a_component_moves_the_camera_as_it_says(name):
    parameters, moved = POSES[name]
    expected = np.zeros((3, NUM_AXES))
    for axis, values in moved.items():
        expected[:, axis] = values
    np.testing.assert_allclose(MOVES[name](**parameters).poses(TIME, VIEW), expected, atol=1e-12)


@pytest.mark.parametrize("name", BLURS)
def test_a_component_blurs_as_it_says(name):
    parameters, expected = BLUR[name]
    np.testing.assert_allclose(BLURS[name](**parameters).blur(TIME), expected, atol=1e-12)


@pytest.mark.parametrize("name", EXPOSES)
def test_a_component_exposes_as_it_says(name):
    parameters, expected = EXPOSURE[name]
    np.testing.assert_allclose(EXPOSES[name](**parameters).exposure(TIME), expected, atol=1e-12)


@pytest.mark.parametrize("name", RETIMES)
def test_a_component_retimes_as_it_says(name):
    parameters, progress, window = RETIMED[name]
    clock = RETIMES[name](**parameters).retime(CLOCK)
    np.testing.assert_allclose(clock.progress, progress, atol=1e-12)
    assert (clock.frame, clock.window) == (CLOCK.frame, window)


@pytest.mark.parametrize(
    ("point", "place"), [("random", (0.3, 0.4)), ("centre", (0.5, 0.5)), ("saliency", (0.9, 0.1))]
)
def test_interest_is_aimed_at_its_point(point, place):
    interest = AIMS["interest"](point=point, direction="to", x=0.3, y=0.4, **LINEAR)
    aimed = interest.aim(lambda: (0.9, 0.1))
    assert (aimed.x, aimed.y) == place


def test_the_last_scale_is_the_same_only_where_a_recipe_says_so():
    """Where it is, the lens does not zoom, whatever is drawn for the two ends."""
    scale = COMPONENTS["shot_scale"]
    drawn = [draw(scale, {}, np.random.default_rng(seed)) for seed in range(200)]
    assert {component.last for component in drawn} == {"wide", "medium", "close_up"}
    check(scale, {"last": "same"})
    for seed in range(20):
        same = select([draw(scale, {"last": "same"}, np.random.default_rng(seed))], MOVES)[0]
        assert np.ptp(same.poses(TIME, VIEW), axis=0).max() == 0


def test_a_hand_shakes_as_much_as_it_says():
    """Standard deviations over a long time; the hand rolls and steps half as much as it does the rest."""
    seconds = np.arange(0, 2000, 0.1)
    time = Timeline(progress=seconds / 2000, seconds=seconds, duration=2000.0)
    poses = MOVES["handheld"](degrees=1, percent=2, hertz=2, noise=1).poses(time, VIEW)
    turns, moves = np.radians(1), 0.02
    expected = [turns, turns, turns / 2, moves, moves, moves / 2, 0]
    np.testing.assert_allclose(poses.std(axis=0), expected, rtol=0.02)
    np.testing.assert_allclose(poses.mean(axis=0), 0, atol=0.001)


def test_jitter_delays_a_frame_with_all_its_exposures():
    frames = np.repeat(np.arange(1, 10), 3) / 10
    clock = Clock(progress=frames + np.tile([-0.02, 0, 0.02], 9), frame=0.1)
    late = RETIMES["jitter"](amount=0.4, noise=1).retime(clock).progress - clock.progress
    delays = late.reshape(9, 3)
    np.testing.assert_allclose(delays, delays[:, :1].repeat(3, axis=1), atol=1e-12)
    assert np.abs(delays).max() <= 0.4 * 0.1
    assert len(np.unique(np.round(delays[:, 0], 6))) == 9


def methods(cls: type) -> dict[str, inspect.Signature]:
    """Public methods that the class itself defines."""
    return {
        name: inspect.signature(value)
        for name, value in vars(cls).items()
        if not name.startswith("_") and callable(value)
    }


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_has_the_methods_of_its_tables_and_no_others(name):
    """A misspelt method would be one that no protocol knows, and nobody would call it."""
    promised: dict[str, inspect.Signature] = {}
    for protocol, table in TABLES.items():
        if name in table:
            assert table[name] is COMPONENTS[name]
            promised |= methods(protocol)
    assert methods(COMPONENTS[name]) == promised


def test_selecting_keeps_the_order_of_the_shot():
    shot = [COMPONENTS["zoom"](ratio=2, direction="in", **LINEAR), COMPONENTS["hold"](first=0, last=0)]
    shot += [COMPONENTS["static"]()]
    assert select(shot, MOVES) == [shot[0], shot[2]]
    assert select(shot, RETIMES) == [shot[1]]
    assert select(shot, BLURS) == []


#: What each move shows at least, in pixels of a frame of 224: the median over draws from its default ranges
#: of how far a corner of the first frame is carried, in all and beyond what any shift, turn and zoom of the
#: frame explains. That part is perspective.
SEEN: Mapping[str, tuple[float, float]] = {
    "pan": (40, 6),
    "tilt": (30, 4),
    "roll": (18, 0),
    "truck": (40, 0),
    "pedestal": (40, 0),
    "dolly": (30, 0),
    "arc": (40, 22),
    "whip_pan": (100, 10),
    "handheld": (15, 0),
    "zoom": (40, 0),
    "crash_zoom": (50, 0),
    "dolly_zoom": (18, 12),
    "shot_scale": (25, 0),
    "interest": (25, 0),
}


@pytest.mark.parametrize("name", MOVES.keys() - {"static"})
def test_a_move_drawn_from_its_default_ranges_can_be_seen_when_it_is_fitted(name):
    shown = np.median([_carried(_fitted(name, seed)) for seed in range(200)], axis=0)
    assert (shown >= SEEN[name]).all(), shown


def _fitted(name: str, seed: int) -> Homographies:
    """A shot of one component alone, kept within the bounds that a recipe has unless it gives its own."""
    kind = ShotKind(name=name, components={name: {}})
    video = VideoRecipe()
    view = View(still_size=((500, 375), (375, 500))[seed % 2], frame_size=(video.width, video.height))
    rng = np.random.default_rng(seed)
    recipe = ShotRecipe(shots=(kind,))
    shot = draw_shot(recipe, 0, range(video.num_frames), lambda: (0.35, 0.4), rng)
    return fit_shot(shot, recipe, video, view)[1].frames


def _carried(homographies: Homographies) -> tuple[float, float]:
    """How far a corner of the first view is carried at most, in all and beyond the best similarity."""
    corners = np.array([0, 1, 1 + 1j, 1j])
    to_first = np.linalg.inv(homographies) @ homographies[0]
    moved = view_corners(to_first) @ (1, 1j)
    away = moved - moved.mean(axis=1, keepdims=True)
    centred = corners - corners.mean()
    # The complex number that turns and scales the corners of a square into the moved ones, by least squares.
    similar = away @ centred.conj() / np.vdot(centred, centred).real
    excess = away - similar[:, None] * centred
    return 224 * np.abs(moved - corners).max(), 224 * np.abs(excess).max()
