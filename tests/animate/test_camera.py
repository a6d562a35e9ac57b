"""The camera model against its own formula, and against cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.camera import (
    DOLLY,
    NUM_AXES,
    PAN,
    PEDESTAL,
    ROLL,
    TILT,
    TRUCK,
    ZOOM,
    View,
    project,
    source_from_view,
    view_corners,
    widest_fit,
)
from animate.views import max_magnification, max_speed, source_scale, union_area, view_areas

SQUARE_IN_PHOTO = View(still_size=(500, 375), frame_size=(224, 224))
MIDDLE = np.array([[0.5, 0.5]])


def pose(axis: int, value: float) -> np.ndarray:
    poses = np.zeros((1, NUM_AXES))
    poses[0, axis] = value
    return poses


def middle(axis: int, value: float, tighten: float = 0.5) -> np.ndarray:
    """Where the middle of the view lies on the still."""
    return project(source_from_view(pose(axis, value), tighten, SQUARE_IN_PHOTO), MIDDLE)[0, 0]


def test_at_rest_the_camera_sees_the_widest_centred_view():
    corners = view_corners(source_from_view(np.zeros((1, 7)), 1.0, SQUARE_IN_PHOTO))[0]
    np.testing.assert_allclose(corners, [[0.125, 0], [0.875, 0], [0.875, 1], [0.125, 1]], atol=1e-12)


def test_moves_go_where_their_names_say():
    assert middle(PAN, 0.1)[0] > 0.5
    assert middle(PAN, 0.1)[1] == pytest.approx(0.5)
    assert middle(TILT, 0.1)[1] < 0.5, "up is towards y = 0"
    assert middle(TRUCK, 0.1)[0] == pytest.approx(0.5 + 0.1 * 0.75), "a tenth of the frame's width"
    assert middle(PEDESTAL, 0.1)[1] == pytest.approx(0.5 - 0.1)
    for axis in (ROLL, DOLLY, ZOOM):
        np.testing.assert_allclose(middle(axis, 0.1), [0.5, 0.5], atol=1e-12)


def test_a_clockwise_camera_sees_its_right_edge_lower_on_the_still():
    corners = view_corners(source_from_view(pose(ROLL, 0.1), 0.5, SQUARE_IN_PHOTO))[0]
    assert corners[1, 1] > corners[0, 1]


def test_dolly_and_zoom_narrow_the_view_alike():
    dollied = source_from_view(pose(DOLLY, 0.25), 1.0, SQUARE_IN_PHOTO)
    zoomed = source_from_view(pose(ZOOM, np.log(1 / 0.75)), 1.0, SQUARE_IN_PHOTO)
    np.testing.assert_allclose(dollied, zoomed, atol=1e-12)


@given(
    turns=st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    moves=st.tuples(*[st.floats(-0.3, 0.3)] * 3),
    zoom=st.floats(0, 1),
)
def test_it_is_the_plane_scene_homography_inverted(turns, moves, zoom):
    """view_from_source = K(t) [R(t) - T(t) nT / d] K0^-1, built here from rotation matrices."""
    view = SQUARE_IN_PHOTO
    (pan, tilt, roll), (truck, pedestal, dolly) = turns, moves
    across, down = view.half_extents

    def about(axis: int, angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        return np.array(
            [
                [[1, 0, 0], [0, c, -s], [0, s, c]],
                [[c, 0, s], [0, 1, 0], [-s, 0, c]],
                [[c, -s, 0], [s, c, 0], [0, 0, 1]],
            ][axis]
        )

    world_from_camera = about(1, pan) @ about(0, tilt) @ about(2, roll)
    position = np.array([truck * 2 * across, -pedestal * 2 * down, dolly])
    rotation = world_from_camera.T
    translation = -rotation @ position
    normal, distance = np.array([0, 0, -1.0]), 1.0
    intrinsics = np.array(
        [[np.exp(zoom) / (2 * across), 0, 0.5], [0, np.exp(zoom) / (2 * down), 0.5], [0, 0, 1]]
    )
    share_x, share_y = view.widest
    still_intrinsics = np.array([[share_x / (2 * across), 0, 0.5], [0, share_y / (2 * down), 0.5], [0, 0, 1]])
    expected = (
        intrinsics @ (rotation - np.outer(translation, normal) / distance) @ np.linalg.inv(still_intrinsics)
    )

    poses = np.array([[pan, tilt, roll, truck, pedestal, dolly, zoom]])
    inverse = np.linalg.inv(source_from_view(poses, 1.0, view)[0])
    np.testing.assert_allclose(inverse / inverse[2, 2], expected / expected[2, 2], rtol=1e-6, atol=1e-8)


@given(
    width=st.integers(64, 8000),
    height=st.integers(64, 8000),
    seed=st.integers(0, 2**32),
    size=st.floats(0, 1),
)
def test_the_widest_fit_touches_an_edge_and_crosses_none(width, height, seed, size):
    view = View(still_size=(width, height), frame_size=(224, 160))
    poses = np.random.default_rng(seed).normal(size=(5, 7)) * size * 0.1
    poses[:, ZOOM] = np.abs(poses[:, ZOOM])
    fit, homographies = widest_fit(poses, view)
    if fit <= 0:
        return
    np.testing.assert_array_equal(homographies, source_from_view(poses, fit, view))
    corners = view_corners(homographies)
    assert corners.min() >= 0 and corners.max() <= 1
    if fit < 1 - 2e-9:
        wider = view_corners(source_from_view(poses, fit * 1.001, view))
        assert wider.min() < 0 or wider.max() > 1


def test_a_camera_that_looks_at_the_very_edge_has_no_fit():
    """On whatever side of it rounding puts the middle of the view: a frame of no width shows nothing."""
    view = View(still_size=(64, 76), frame_size=(224, 224))
    rise = 0.5 / view.widest[1]
    turns = np.linspace(-0.4, 0.4, 200)
    poses = np.zeros((200, 1, NUM_AXES))
    poses[:, 0, PAN], poses[:, 0, PEDESTAL], poses[:, 0, DOLLY] = turns, rise, 1 - np.cos(turns)
    fit, _ = widest_fit(poses, view)
    assert (fit <= 0).all()


def test_areas_of_known_views():
    half = source_from_view(np.zeros((1, 7)), 0.5, SQUARE_IN_PHOTO)
    assert view_areas(view_corners(half))[0] == pytest.approx(0.75 / 4)

    apart = np.zeros((2, 7))
    apart[:, TRUCK] = [-0.15, 0.15]
    corners = view_corners(source_from_view(apart, 0.5, SQUARE_IN_PHOTO))
    union = (0.5 + 0.3) * 0.75 * 0.5
    assert union_area(corners) == pytest.approx(union, abs=1 / 64)


def test_the_union_of_a_path_does_not_depend_on_the_paths_beside_it():
    """One view holds all others in the first path, none does in the second."""
    middle = np.array([[0.5, 0.5]])
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) - middle
    zoom = np.stack([middle + size * corners for size in (0.311, 0.5, 0.777)])
    turn = np.stack(
        [middle + np.roll(size * corners, 1, 0) @ [[1, 0.3], [-0.3, 1]] for size in (0.3, 0.4, 0.5)]
    )
    together = union_area(np.stack([zoom, turn]))
    assert together.tolist() == [union_area(zoom), union_area(turn)]
    assert together[0] == pytest.approx(0.777**2, rel=1e-12)


@given(seed=st.integers(0, 2**32))
def test_the_union_agrees_with_counting_points(seed):
    rng = np.random.default_rng(seed)
    poses = rng.normal(size=(4, 7)) * [0.1, 0.1, 0.5, 0.2, 0.2, 0.1, 0.2]
    poses[:, ZOOM] = np.abs(poses[:, ZOOM]) + 0.3
    homographies = source_from_view(poses, 0.8, SQUARE_IN_PHOTO)
    grid = (np.stack(np.meshgrid(np.arange(100), np.arange(100)), -1).reshape(-1, 2) + 0.5) / 100
    seen = project(np.linalg.inv(homographies), grid)
    counted = ((seen >= 0) & (seen <= 1)).all(-1).any(0).mean()
    inside = view_corners(homographies)
    if inside.min() >= 0 and inside.max() <= 1:
        assert union_area(view_corners(homographies), 256) == pytest.approx(counted, abs=0.02)


def test_speed_is_frame_widths_a_second():
    poses = np.zeros((3, 7))
    poses[:, TRUCK] = [0.0, 0.05, 0.2]
    homographies = source_from_view(poses, 1.0, SQUARE_IN_PHOTO)
    assert max_speed(homographies, 0.25, SQUARE_IN_PHOTO) == pytest.approx(0.15 / 0.25)


def test_magnification_and_scale_are_inverse_for_an_upright_view():
    view = View(still_size=(448, 448), frame_size=(224, 224))
    homographies = source_from_view(pose(ZOOM, np.log(4.0)), 1.0, view)
    assert max_magnification(homographies, view) == pytest.approx(2.0)
    assert source_scale(homographies, view)[0] == pytest.approx(0.5)


def test_what_is_behind_the_camera_has_moved_without_measure():
    """From 50 degrees to the left to 50 to the right: what the first sees is behind the second."""
    poses = np.zeros((2, 7))
    poses[:, PAN] = np.radians([-50, 50])
    assert max_speed(source_from_view(poses, 0.5, SQUARE_IN_PHOTO), 1.0, SQUARE_IN_PHOTO) > 1e6
