"""The camera move that all peers make: a slow push in, a little sideways, and where they can a small turn.

It shows about as much of a photograph as our own presets do (1.0 to 1.5 source pixels a frame pixel for
500x375), so that nobody is paid for looking at less.
"""

import numpy as np

NUM_FRAMES = 12
SIZE = 224
FPS = 4
JPEG_QUALITY = 90

Matrices = np.ndarray


def path(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zoom (1 = the widest square view) and middle (x, y in widths of that view) of every frame of a clip."""
    rng = np.random.default_rng(number)
    progress = np.arange(NUM_FRAMES) / (NUM_FRAMES - 1)
    zoom = 1.0 + rng.uniform(0.15, 0.5) * progress
    room = 0.5 - 0.5 / zoom
    angle = rng.uniform(0, 2 * np.pi)
    return zoom, 0.8 * room * np.cos(angle), 0.8 * room * np.sin(angle)


def boxes(number: int, width: int, height: int) -> np.ndarray:
    """Left, top, right and bottom of every frame's view, in source pixels."""
    zoom, x, y = path(number)
    widest = min(width, height)
    half = widest / zoom / 2
    x, y = width / 2 + x * widest, height / 2 + y * widest
    return np.stack([x - half, y - half, x + half, y + half], axis=1)


def affine(number: int, width: int, height: int) -> Matrices:
    """[12, 2, 3]: source pixel centre from frame pixel centre."""
    box = boxes(number, width, height)
    scale = (box[:, 2] - box[:, 0]) / SIZE
    matrices = np.zeros((NUM_FRAMES, 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, 0, 2] = box[:, 0] + 0.5 * scale - 0.5
    matrices[:, 1, 2] = box[:, 1] + 0.5 * scale - 0.5
    return matrices


def perspective(number: int, width: int, height: int) -> Matrices:
    """[12, 3, 3]: the same with the camera turning a little; it may look past the edge, which is repeated."""
    matrices = np.zeros((NUM_FRAMES, 3, 3))
    matrices[:, :2] = affine(number, width, height)
    turn = np.linspace(-0.06, 0.06, NUM_FRAMES) / SIZE
    matrices[:, 2, 0] = turn
    matrices[:, 2, 2] = 1 - turn * SIZE / 2
    return matrices
