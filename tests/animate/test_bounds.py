"""Speed and magnification measured pixel by pixel, without the functions that hold the bounds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.camera import View, source_from_view
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.fit import StillTooSmall
from animate.recipe import ShotKind, ShotRecipe, VideoRecipe, read_preset
from animate.views import max_magnification, max_speed

SHAPES = [(180, 320), (320, 180), (224, 224), (64, 256), (256, 64)]


def pixels_a_second(homographies: np.ndarray, frame: tuple[int, int], fps: int) -> float:
    """The furthest that the content at a corner goes from one frame to the next, in pixels, times fps."""
    width, height = frame
    fastest = 0.0
    for before, after in itertools.pairwise(homographies):
        for x, y in ((0, 0), (width, 0), (width, height), (0, height)):
            source = before @ [x / width, y / height, 1]
            seen = np.linalg.solve(after, source)
            moved = seen[:2] / seen[2] * [width, height]
            fastest = max(fastest, float(np.hypot(moved[0] - x, moved[1] - y)))
    return fastest * fps


def magnifications(homography: np.ndarray, view: View, steps: int) -> np.ndarray:
    """Along its longest direction, how many frame pixels a source pixel is spread over, on a grid of the
    view: by finite differences of frame pixels over source pixels."""
    (width, height), still = view.frame_size, np.array(view.still_size)
    x, y = np.meshgrid(np.linspace(0, 1, steps), np.linspace(0, 1, steps))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    source = homography @ points
    source = source[:2] / source[2]
    back = np.linalg.inv(homography)

    def frame_pixels(at: np.ndarray) -> np.ndarray:
        seen = back @ np.vstack([at, np.ones(at.shape[1])])
        return seen[:2] / seen[2] * np.array([[width], [height]])

    h = 1e-6
    columns = []
    for axis in (0, 1):
        shift = np.zeros((2, 1))
        shift[axis] = h
        columns.append((frame_pixels(source + shift) - frame_pixels(source - shift)) / (2 * h * still[axis]))
    jacobians = np.stack(columns, axis=-1).transpose(1, 0, 2)
    return np.linalg.norm(jacobians, ord=2, axis=(1, 2))


@pytest.mark.parametrize("frame", SHAPES)
@pytest.mark.parametrize("preset", ["default", "vlog"])
def test_no_corner_is_faster_than_the_bound_in_frames_of_any_shape(frame, preset):
    listed = read_preset(preset)
    recipe = ShotRecipe(shots=listed.shots, max_speed=20.0, min_union_area=0.0, edit=listed.edit)
    video, view = VideoRecipe(size=frame), View(still_size=(3000, 2400), frame_size=frame)
    fastest = 0.0
    for seed in range(60):
        rng = take_rng(seed, "speed", Take(source_key="a", index=0))
        _, layers = draw_edit(recipe, video, [view], rng, [lambda: (0.6, 0.4)])
        for layer in layers:
            fastest = max(fastest, pixels_a_second(layer.homographies, frame, video.fps))
    assert fastest <= 0.2 * frame[0] * (1 + 1e-6)
    assert fastest >= 0.15 * frame[0], "the bound is used, not avoided"


def test_a_rise_of_a_frame_height_is_measured_in_frame_widths():
    poses = np.zeros((2, 7))
    poses[1, 4] = 0.1  # a tenth of the height, up
    view = View(still_size=(2000, 2000), frame_size=(180, 320))
    assert max_speed(source_from_view(poses, 0.5, view), 0.25, view) == pytest.approx(
        0.1 / 0.5 * (320 / 180) / 0.25
    )


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    frame=st.sampled_from(SHAPES),
    turn=st.floats(0, 0.7),
    still=st.sampled_from([(3000, 2000), (2000, 3000), (2400, 2400)]),
)
def test_no_place_of_a_view_is_magnified_more_than_its_measure(seed, frame, turn, still):
    view = View(still_size=still, frame_size=frame)
    poses = np.random.default_rng(seed).uniform(-1, 1, (1, 7)) * [turn, turn, 1.5, 0.1, 0.1, 0.3, 0.5]
    homography = source_from_view(poses, 0.4, view)
    depths = homography[0, 2] @ np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
    if depths.min() < 0.2 * depths.max():
        return
    measured = max_magnification(homography, view)
    dense = magnifications(homography[0], view, 33).max()
    assert dense <= measured * (1 + 1e-5)
    assert measured <= dense * 1.05, "it is no more than what is seen somewhere, but for a margin"


@pytest.mark.parametrize("frame", SHAPES[:3])
def test_magnification_along_either_side_keeps_its_bound(frame):
    recipe = ShotRecipe(
        min_view_area=0.0,
        min_union_area=0.0,
        max_magnification=2.0,
        shots=(
            ShotKind(
                name="swing",
                components={
                    "arc": {"degrees": [20, 60]},
                    "tilt": {"degrees": [0, 30]},
                    "zoom": {"ratio": [1, 4]},
                    "roll": {"degrees": [0, 60]},
                },
            ),
        ),
    )
    video, view = VideoRecipe(size=frame), View(still_size=(700, 600), frame_size=frame)
    largest = 0.0
    for seed in range(40):
        rng = take_rng(seed, "magnified", Take(source_key="a", index=0))
        try:
            _, layers = draw_edit(recipe, video, [view], rng, [lambda: (0.6, 0.4)])
        except StillTooSmall:
            continue
        for homography in layers[0].homographies:
            largest = max(largest, magnifications(homography, view, 9).max())
    assert 1.9 <= largest <= 2.0 * (1 + 1e-5)
