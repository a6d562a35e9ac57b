"""`speed`: the move lasts as long as the clip in life, and the clip plays it `factor` times as fast."""

import itertools

import numpy as np
import pytest

from animate.camera import TRUCK, View
from animate.components import BLURS, COMPONENTS, EXPOSES, MOVES, check, draw
from animate.components.timeline import Timeline
from animate.recipe import preset_names, read_preset
from animate.shot import Shot

PHOTO = View(still_size=(500, 375), frame_size=(224, 224))
FPS, FRAMES = 4, 13


def shot(*components, num_frames=FRAMES) -> Shot:
    return Shot(name="", components=tuple(components), still=0, first=0, num_frames=num_frames)


def timeline(one: Shot, fps: int = FPS) -> Timeline:
    return one.timeline(fps, one.frames)


def path(one: Shot, fps: int = FPS) -> np.ndarray:
    return one.poses(timeline(one, fps), PHOTO)


def made(name: str, **given):
    check(COMPONENTS[name], given)
    return draw(COMPONENTS[name], given, np.random.default_rng(3))


def trucks(*more) -> np.ndarray:
    truck = made("truck", amount=0.4, direction="right", ease="linear")
    return path(shot(truck, *more))[:, TRUCK]


def test_slow_motion_shows_the_middle_of_a_linear_truck():
    whole = np.linspace(-0.2, 0.2, FRAMES)
    np.testing.assert_allclose(trucks(), whole, atol=1e-12)
    np.testing.assert_allclose(trucks(made("speed", factor=1)), whole, atol=1e-12)
    np.testing.assert_allclose(trucks(made("speed", factor=0.5)), whole / 2, atol=1e-12)
    np.testing.assert_allclose(trucks(made("speed", factor=0.2)), whole / 5, atol=1e-12)


def test_above_life_the_truck_is_over_in_the_middle_of_the_clip():
    """Thirteen frames at twice the pace: the middle half of the clip, frames 3 to 9, has all of the move."""
    expected = [-0.2] * 3 + list(np.linspace(-0.2, 0.2, 7)) + [0.2] * 3
    np.testing.assert_allclose(trucks(made("speed", factor=2)), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("length", "position", "factor", "first", "last"),
    [
        (0.5, 0.5, 0.5, 0.375, 0.625),  # the middle half of the middle half
        (0.5, 0.0, 0.4, 0.15, 0.35),  # around the middle of the first half
        (0.5, 0.5, 2.0, 0.0, 1.0),  # what lies around the crop is shown too
        (0.25, 1.0, 2.0, 0.625, 1.0),  # behind the end of the move it rests
    ],
)
def test_of_a_crop_it_shows_length_times_factor(length, position, factor, first, last):
    crop = made("temporal_crop", length=length, position=position)
    truck = trucks(crop, made("speed", factor=factor)) / 0.4 + 0.5
    np.testing.assert_allclose(truck[[0, -1]], [first, last], atol=1e-6)


def test_a_hand_goes_on_shaking_where_the_move_is_over():
    hand = made("handheld", degrees=1, percent=1, hertz=2)
    slow, plain, fast = (timeline(shot(hand, made("speed", factor=factor))).seconds for factor in (0.2, 1, 5))
    np.testing.assert_allclose(np.diff(plain), FRAMES / FPS / (FRAMES - 1))
    np.testing.assert_allclose(np.diff(slow), 0.2 * np.diff(plain))
    np.testing.assert_allclose(np.diff(fast), 5 * np.diff(plain))
    assert slow.mean() == pytest.approx(plain.mean()) == pytest.approx(fast.mean())
    poses = path(shot(hand, made("speed", factor=5)))
    assert (np.abs(np.diff(poses[:, 0])) > 0).all(), "no two frames are alike"


def test_a_burst_takes_its_seconds_of_life():
    """A whip pan of 1.2 s at the middle of 3.25 s: at half the pace it takes 2.4 s, at twice it 0.6 s."""
    for factor, seconds in ((0.5, 2.4), (1, 1.2), (2, 0.6)):
        whip = made("whip_pan", degrees=20, at=0.5, seconds=1.2)
        num_frames = 131
        poses = path(shot(whip, made("speed", factor=factor), num_frames=num_frames), 40)
        moving = np.abs(np.diff(poses[:, 0])) > 1e-9
        assert moving.sum() == pytest.approx(seconds * 40, abs=2)


@pytest.mark.parametrize("name", [*MOVES, *BLURS, *EXPOSES])
def test_the_pace_shows_in_every_component(name):
    given = {"shot_scale": {"first": "wide", "last": "medium"}, "interest": {"point": "random"}}
    component = made(name, **given.get(name, {}))
    seen = []
    for factor in (0.2, 1, 5):
        one = shot(component, made("speed", factor=factor))
        seen.append(np.concatenate([path(one).ravel(), one.blur(FPS), one.stops(FPS)]))
    alike = [np.array_equal(a, b) for a, b in itertools.combinations(seen, 2)]
    assert all(alike) if name == "static" else not any(alike)


@pytest.mark.parametrize("preset", preset_names())
def test_no_component_of_a_preset_does_nothing(preset):
    """Without any one of its components, a kind of shot looks otherwise for some draw."""
    for kind in read_preset(preset).shots:
        if list(kind.components) == ["static"]:
            continue
        for name in kind.components:
            if name == "static":
                continue
            differs = False
            for seed in range(12):
                drawn = [
                    draw(COMPONENTS[key], given, np.random.default_rng([seed, place]))
                    for place, (key, given) in enumerate(kind.components.items())
                ]
                rest = [part for part in drawn if not isinstance(part, COMPONENTS[name])]
                looks = []
                for components in (drawn, rest):
                    one = shot(*components, num_frames=12)
                    looks.append((path(one), one.blur(FPS), one.stops(FPS)))
                differs |= any(np.abs(a - b).max() > 1e-9 for a, b in zip(*looks, strict=True))
            assert differs, f"{preset}: {kind.name}: {name} does nothing"
