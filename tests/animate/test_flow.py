"""Flow from homographies, against rendered pixels and against an estimator that knows nothing of them."""

import cv2
import numpy as np
import pytest

from animate.camera import View
from animate.components import COMPONENTS
from animate.edit import Edit
from animate.flow import optical_flow
from animate.recipe import VideoRecipe
from animate.render import render
from animate.shot import Shot

VIDEO = VideoRecipe()
VIEW = View(still_size=(800, 600), frame_size=(224, 224))


def filmed(still: np.ndarray, **components):
    parts = tuple(COMPONENTS[name](**values) for name, values in components.items())
    shot = Shot(name="", components=parts, still=0, first=0, num_frames=12, tighten=0.7)
    edit = Edit(shots=(shot,), transitions=())
    layers = edit.layers([VIEW], VIDEO.fps)
    record = {
        "num_frames": 12,
        "width": 224,
        "height": 224,
        "shot_starts": [0, 8],
        "homographies": layers[0].homographies.reshape(-1, 9).tolist(),
    }
    return render([still], layers, VIDEO), record


MOVES = {
    "pan": {"pan": {"degrees": 10.0, "direction": "right", "ease": "linear"}},
    "roll and push": {
        "roll": {"degrees": 8.0, "direction": "clockwise", "ease": "linear"},
        "dolly": {"amount": 0.2, "direction": "in", "ease": "linear"},
    },
    "arc": {"arc": {"degrees": 16.0, "direction": "left", "ease": "linear"}},
}


def checkerboard() -> np.ndarray:
    y, x = np.mgrid[:600, :800] // 25
    board = np.where((x + y) % 2, 220, 30).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(cv2.GaussianBlur(board, (0, 0), 2)[..., None], 3, axis=2))


def texture() -> np.ndarray:
    rng = np.random.default_rng(0)
    picture = np.zeros((600, 800), np.float32)
    for cell in (6, 12, 24, 48):
        noise = rng.random((600 // cell + 2, 800 // cell + 2)).astype(np.float32)
        picture += cv2.resize(noise, (800, 600), interpolation=cv2.INTER_CUBIC) * cell**0.5
    picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(picture[..., None], 3, axis=2))


@pytest.mark.parametrize("move", MOVES)
def test_the_later_frame_pulled_back_along_the_flow_is_the_earlier_one(move):
    frames, record = filmed(checkerboard(), **MOVES[move])
    field = optical_flow(record, 2, 6)
    x, y = np.meshgrid(np.arange(224, dtype=np.float32), np.arange(224, dtype=np.float32))
    target = np.stack([x, y], -1) + field
    pulled = cv2.remap(frames[6], target[..., 0], target[..., 1], cv2.INTER_LINEAR)
    inside = ((target >= 1) & (target <= 222)).all(-1)
    assert inside.mean() > 0.5
    error = np.abs(pulled.astype(int) - frames[2])[inside]
    unmoved = np.abs(frames[6].astype(int) - frames[2])[inside]
    assert error.mean() < 3
    assert unmoved.mean() > 5 * error.mean(), "the test must be able to fail"


@pytest.mark.parametrize("move", MOVES)
def test_it_agrees_with_an_estimator_within_half_a_pixel(move):
    frames, record = filmed(texture(), **MOVES[move])
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    estimated = estimator.calc(grey[3], grey[6], None)
    exact = optical_flow(record, 3, 6)
    error = np.linalg.norm(estimated - exact, axis=-1)[16:-16, 16:-16]
    assert np.linalg.norm(exact, axis=-1).mean() > 1, "the test must be able to fail"
    assert np.median(error) < 0.25
    assert error.mean() < 0.5


def test_there_and_back_cancel():
    _, record = filmed(texture(), **MOVES["roll and push"])
    assert np.abs(optical_flow(record, 3, 3)).max() < 1e-5
    assert np.abs(optical_flow(record, 2, 3) + optical_flow(record, 3, 2)).mean() < 0.2


def test_nothing_flows_across_a_cut_or_past_the_end():
    _, record = filmed(texture(), **MOVES["pan"])
    with pytest.raises(ValueError, match="different shots"):
        optical_flow(record, 7, 8)
    with pytest.raises(ValueError, match=r"0\.\.11"):
        optical_flow(record, 0, 12)
