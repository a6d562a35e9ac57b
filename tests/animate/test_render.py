"""Rendering: exact where an answer is known, equal on both paths, and anti-aliased."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from animate.camera import ZOOM, View, project, source_from_view
from animate.components import COMPONENTS
from animate.data import Take, take_rng
from animate.edit import Edit, Layer, draw_edit
from animate.light import exposure_table, to_linear, to_srgb
from animate.recipe import EditRecipe, ShotKind, ShotRecipe, VideoRecipe, read_preset
from animate.render import render
from animate.render.warp import TOLERANCE, interpolated, prepare
from animate.shot import Shot

VIDEO = VideoRecipe(num_frames=12)
#: Any torch device goes through kornia; this one is always there.
TORCH_CPU = "cpu:0"


def layer(homographies, weight=None, blur=None, stops=None) -> Layer:
    n = len(homographies)
    return Layer(
        still=0,
        first=0,
        homographies=homographies,
        exposures=homographies,
        exposures_per_frame=np.ones(n, int),
        weight=np.ones(n) if weight is None else weight,
        blur=np.zeros(n) if blur is None else blur,
        stops=np.zeros(n) if stops is None else stops,
    )


def photograph_like(height=375, width=500, seed=0) -> np.ndarray:
    """Smooth regions, edges and texture, without any photograph at hand."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    for scale in (4, 16, 64):
        noise = rng.integers(0, 256, (height // scale + 2, width // scale + 2, 3), dtype=np.uint8)
        grown = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        picture = cv2.addWeighted(picture, 0.5, grown, 0.5, 0)
    cv2.circle(picture, (width // 2, height // 2), height // 3, (250, 40, 30), -1, cv2.LINE_AA)
    return picture


def drawn_layers(recipe, num, size=(500, 375), video=VIDEO):
    view = View(still_size=size, frame_size=(video.width, video.height))
    for key in map(str, range(num)):
        rng = take_rng(0, "test", Take(source_key=key, index=0))
        yield draw_edit(recipe, video, [view], rng, [lambda: (0.6, 0.4)])[1]


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_the_identity_gives_back_every_pixel(device):
    still = photograph_like(64, 64)
    video = VideoRecipe(size=64, num_frames=1)
    frames = render([still], [layer(np.eye(3)[None])], video, device)
    np.testing.assert_array_equal(frames[0], still)


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_a_shift_by_whole_pixels_copies_pixels(device):
    still = photograph_like(64, 80)
    video = VideoRecipe(size=(40, 32), num_frames=1)
    crop = np.array([[[40 / 80, 0, 7 / 80], [0, 32 / 64, 11 / 64], [0, 0, 1]]])
    frames = render([still], [layer(crop)], video, device)
    np.testing.assert_array_equal(frames[0], still[11:43, 7:47])


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_a_ramp_is_sampled_where_the_homography_says(device):
    """On a ramp bilinear sampling is exact, so each pixel tells where it was taken from."""
    width, height = 250, 200
    still = np.zeros((height, width, 3), np.uint8)
    still[..., 0] = np.arange(width)
    still[..., 1] = np.arange(height)[:, None]
    view = View(still_size=(width, height), frame_size=(224, 224))
    video = VideoRecipe(num_frames=1)
    pose = np.array([[0.05, -0.04, 0.1, 0.02, -0.03, 0.1, 0.5]])
    homography = source_from_view(pose, 0.8, view)
    frames = render([still], [layer(homography)], video, device)

    centres = (np.arange(224) + 0.5) / 224
    grid = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)
    expected = project(homography, grid)[0] * (width, height) - 0.5
    measured = frames[0, ..., :2].reshape(-1, 2)
    # Half a code value of rounding, OpenCV's 1/32-pixel steps, and what interpolated coordinates may be off.
    assert np.abs(measured - expected).max() <= 0.5 + 1 / 32 + TOLERANCE


@pytest.mark.parametrize("quality", ["default", "best"])
@pytest.mark.parametrize("size", [64, 224])
def test_kornia_and_opencv_agree_on_every_component(size, quality):
    video = VideoRecipe(size=size, num_frames=4, quality=quality)
    still = photograph_like()
    for name in COMPONENTS:
        recipe = ShotRecipe(shots=(ShotKind(name=name, components={name: {}, "shot_scale": {}}),))
        for layers in drawn_layers(recipe, 2, video=video):
            difference = np.abs(
                render([still], layers, video).astype(int) - render([still], layers, video, TORCH_CPU)
            )
            assert difference.mean() < 0.5, name


def test_kornia_and_opencv_agree_on_edits_and_the_shutter():
    still = photograph_like()
    recipe = dataclasses.replace(
        read_preset("default"),
        edit=EditRecipe(shots=(3, 3), transitions=("dissolve", "fade")),
        shutter_degrees=180.0,
    )
    for layers in drawn_layers(recipe, 3):
        difference = np.abs(
            render([still], layers, VIDEO).astype(int) - render([still], layers, VIDEO, TORCH_CPU)
        )
        assert difference.mean() < 0.5


def test_fine_detail_does_not_alias():
    """Stripes finer than a frame pixel must turn grey, in every frame of a slow zoom."""
    still = np.zeros((1024, 1024, 3), np.uint8)
    still[:, ::2] = 255
    view = View(still_size=(1024, 1024), frame_size=(224, 224))
    poses = np.zeros((12, 7))
    poses[:, ZOOM] = np.linspace(0, np.log(2.0), 12)
    layers = [layer(source_from_view(poses, 1.0, view))]
    frames = render([still], layers, VIDEO)
    assert frames.std() < 4
    nearest = still[::4, ::4][:224, :224]
    assert nearest.std() == 0, "the stripes are that fine: skipping pixels would lose one colour"
    assert abs(frames.mean() - 127.5) < 3


def test_a_full_view_is_a_plain_resize():
    still = photograph_like(448, 448)
    video = VideoRecipe(size=224, num_frames=1, quality="best")
    frames = render([still], [layer(np.eye(3)[None])], video)
    resized = cv2.resize(still, (224, 224), interpolation=cv2.INTER_AREA)
    assert np.abs(frames[0].astype(int) - resized).max() <= 1


def test_light_survives_the_round_trip():
    codes = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_srgb(to_linear(codes)), codes)
    np.testing.assert_array_equal(exposure_table(0.0), codes)


def test_light_beyond_white_and_below_black_is_white_and_black():
    light = np.array([-np.inf, -0.1, 0.0, 1.0, 1.5, 5.0, 1e6, np.inf], np.float32)
    np.testing.assert_array_equal(to_srgb(light), [0, 0, 0, 255, 255, 255, 255, 255])


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_a_dissolve_mixes_light_not_code_values(device):
    """Half the light of white is code value 188, not 128."""
    black, white = np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    identity = np.eye(3)[None]
    half = [dataclasses.replace(layer(identity, weight=np.array([0.5])), still=number) for number in (0, 1)]
    frames = render([black, white], half, VideoRecipe(size=64, num_frames=1), device)
    np.testing.assert_array_equal(frames, 188)


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_a_stop_doubles_the_light(device):
    grey = np.full((64, 64, 3), 100, np.uint8)
    video = VideoRecipe(size=64, num_frames=1)
    frames = render([grey], [layer(np.eye(3)[None], stops=np.array([1.0]))], video, device)
    assert to_linear(frames)[0, 0, 0, 0] == pytest.approx(2 * to_linear(grey)[0, 0, 0], rel=0.01)


@pytest.mark.parametrize("device", ["cpu", TORCH_CPU])
def test_blur_keeps_the_light_of_a_highlight(device):
    still = np.zeros((64, 64, 3), np.uint8)
    still[32, 32] = 255
    video = VideoRecipe(size=64, num_frames=1)
    frames = render([still], [layer(np.eye(3)[None], blur=np.array([1.5 / 64]))], video, device)
    assert to_linear(frames).sum() == pytest.approx(3.0, rel=0.05)
    assert 0 < frames[0, 32, 35, 0] < frames[0, 32, 32, 0] < 255


def test_the_shutter_smears_along_the_motion():
    still = np.zeros((224, 224, 3), np.uint8)
    still[:, 110:114] = 255
    truck = COMPONENTS["truck"](amount=0.4, direction="right", ease="linear")
    zoom = COMPONENTS["shot_scale"](
        first="close_up", last="close_up", first_within=1.0, last_within=1.0, ease="linear"
    )
    view = View(still_size=(224, 224), frame_size=(224, 224))
    widths = []
    for degrees in (0.0, 360.0):
        edit = Edit(
            shots=(
                Shot(
                    name="",
                    components=(zoom, truck),
                    still=0,
                    first=0,
                    num_frames=12,
                    tighten=0.9,
                    shutter_degrees=degrees,
                    shutter_moments=(16,) * 12 if degrees else (),
                ),
            ),
            transitions=(),
        )
        frame = render([still], edit.layers([view], 4), VIDEO)[6]
        widths.append(int((frame[112, :, 0] > 10).sum()))
    assert widths[1] > widths[0] + 10


@given(seed=st.integers(0, 2**32), strength=st.floats(0, 3), size=st.sampled_from([(224, 224), (97, 130)]))
def test_the_fast_warp_is_off_by_no_more_than_it_says(seed, strength, size):
    """Interpolated coordinates beside those that the homography gives."""
    rng = np.random.default_rng(seed)
    matrix = np.array([[1.5, 0, 20], [0, 1.5, 10], [0, 0, 1]]) + rng.normal(size=(3, 3)) * np.array(
        [[0.2, 0.2, 5], [0.2, 0.2, 5], [1e-3 * strength, 1e-3 * strength, 0]]
    )
    corners = matrix[2] @ np.array([[0, 0, 1], [size[0], 0, 1], [0, size[1], 1], [*size, 1]]).T
    assume(corners.min() > 0.2)
    [warp] = prepare(matrix[None], size)
    if warp.grid is None:
        return
    y, x = np.mgrid[: size[1], : size[0]]
    points = np.stack([x, y, np.ones_like(x)], -1) @ matrix.T
    exact = points[..., :2] / points[..., 2:]
    coordinates = interpolated(warp.grid, size)
    assert np.abs(np.stack(coordinates, -1) - exact).max() <= TOLERANCE + 1e-3


def sharpness(frame: np.ndarray) -> float:
    return float(cv2.Laplacian(frame.astype(np.float32).mean(axis=2), cv2.CV_32F).std())


def supersampled(still: np.ndarray, homography: np.ndarray, size: int, samples: int = 8) -> np.ndarray:
    """A frame in which every pixel is the mean of 8 x 8 bilinear samples; its pixels lie as in `render`."""
    large = size * samples
    source = np.diag([still.shape[1], still.shape[0], 1]) @ homography @ np.diag([1 / large, 1 / large, 1])
    centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(centres) @ source @ centres
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture = cv2.warpPerspective(
        still.astype(np.float32), matrix, (large, large), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ("first", "last", "quality", "device"),
    [
        (0.7, 1.02, "default", "cpu"),
        (0.9, 1.9, "default", "cpu"),
        (1.7, 2.4, "default", "cpu"),
        (2.3, 4.5, "default", "cpu"),
        (4.0, 6.0, "default", "cpu"),
        (2.5, 3.3, "default", TORCH_CPU),
        (1.7, 3.1, "best", "cpu"),
    ],
)
def test_sharpness_does_not_pop_in_a_slow_zoom(first, last, quality, device):
    """Beside supersampled frames, which know of no levels, by no more than 3 per cent from frame to frame.

    Where a sample spans one source pixel to within a hundredth, a whole frame is sampled in step with the
    still, and is as sharp as it happens to lie between the pixels: no kernel makes up for all of that.
    """
    size = 128
    num_frames = round(64 * np.log2(last / first)) + 1
    still = grainy(800)
    scales = np.geomspace(first, last, num_frames)
    shares = scales * size / len(still)
    zoom = np.array([[[s, 0, 0.507 - s / 2], [0, s, 0.504 - s / 2], [0, 0, 1]] for s in shares])
    video = VideoRecipe(size=size, num_frames=num_frames, quality=quality)
    frames = render([still], [layer(zoom)], video, device)
    references = [supersampled(still, homography, size) for homography in zoom]
    ratios = [sharpness(frame) / sharpness(other) for frame, other in zip(frames, references, strict=True)]
    steps = np.abs(np.diff(np.log(ratios)))
    in_step = np.abs(scales / (2 if quality == "best" else 1) - 1) < 0.012
    limits = np.where(in_step[1:] | in_step[:-1], 0.15, 0.03)
    worst = int((steps / limits).argmax())
    assert (steps < limits).all(), f"{steps[worst]} from scale {scales[worst]} to {scales[worst + 1]}"


def grainy(side: int) -> np.ndarray:
    """Detail of every size down to the pixel, weaker the finer it is, as in photographs."""
    rng = np.random.default_rng(1)
    picture = np.zeros((side, side, 3), np.float32)
    for octave in range(6):
        noise = rng.normal(size=(side >> octave, side >> octave, 3)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), 0.7)
        picture += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC) * 1.6**octave
    picture = 128 + picture * (45 / picture.std())
    return np.clip(picture, 0, 255).astype(np.uint8)
