"""What a frame should be: the still sampled at 64 points a frame pixel, averaged over a box or a tent."""

import cv2
import numpy as np

from animate.edit import Layer
from animate.recipe import VideoRecipe
from animate.render import render
from animate.render.pixels import source_pixel_from_frame_pixel

SIZE = 224
#: Samples along each side of a frame pixel.
SAMPLES = 8

_SAMPLING = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def references(still: np.ndarray, homography: np.ndarray) -> dict[str, np.ndarray]:
    """The frame by a box of one frame pixel and by a tent twice as wide, float, 0..255."""
    samples = _samples(still, homography)
    size = SIZE * SAMPLES
    up = np.arange(SAMPLES) + 0.5
    taps = np.concatenate([up, up[::-1]]) / (2 * up.sum())
    half = SAMPLES // 2
    padded = cv2.copyMakeBorder(samples, half, half, half, half, cv2.BORDER_REPLICATE)
    # With this anchor, sample j weighs padded[j - SAMPLES + 1 : j + SAMPLES + 1]: a pixel's own are at steps.
    smooth = cv2.sepFilter2D(padded, -1, taps, taps, anchor=(SAMPLES - 1, SAMPLES - 1))
    first, end = SAMPLES - 1, SAMPLES - 1 + size
    return {"box": _box(samples), "tent": smooth[first:end:SAMPLES, first:end:SAMPLES]}


def box_reference(still: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """The first of `references` alone."""
    return _box(_samples(still, homography))


def _samples(still: np.ndarray, homography: np.ndarray) -> np.ndarray:
    size = SIZE * SAMPLES
    matrix = source_pixel_from_frame_pixel(homography, (still.shape[1], still.shape[0]), (size, size))
    return cv2.warpPerspective(
        still.astype(np.float32), matrix, (size, size), flags=_SAMPLING, borderMode=cv2.BORDER_REPLICATE
    )


def _box(samples: np.ndarray) -> np.ndarray:
    return cv2.resize(samples, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def bilinear(still: np.ndarray, homographies: np.ndarray) -> np.ndarray:
    """What everybody does: one bilinear sample a frame pixel, pixel centres rightly placed."""
    matrices = source_pixel_from_frame_pixel(homographies, (still.shape[1], still.shape[0]), (SIZE, SIZE))
    frames = np.empty((len(homographies), SIZE, SIZE, 3), np.uint8)
    for frame, matrix in zip(frames, matrices, strict=True):
        cv2.warpPerspective(still, matrix, (SIZE, SIZE), frame, _SAMPLING, cv2.BORDER_REPLICATE)
    return frames


def ours(still: np.ndarray, homographies: np.ndarray, quality: str, device: str = "cpu") -> np.ndarray:
    """The same views through `animate.render.render`."""
    video = VideoRecipe(size=SIZE, num_frames=len(homographies), quality=quality)  # type: ignore[arg-type]
    return render([still], [layer(homographies)], video, device)


METHODS = {
    "bilinear": bilinear,
    "default": lambda still, homographies: ours(still, homographies, "default"),
    "best": lambda still, homographies: ours(still, homographies, "best"),
}


def layer(homographies: np.ndarray) -> Layer:
    """A shot of these views with nothing to mix."""
    n = len(homographies)
    return Layer(
        still=0, first=0, homographies=homographies, exposures=homographies,
        exposures_per_frame=np.ones(n, int),
        weight=np.ones(n), blur=np.zeros(n), stops=np.zeros(n),
    )  # fmt: skip


def views(scale: float, width: int, height: int, num_frames: int = 12, change: float = 1.0) -> np.ndarray:
    """Views that drift, turn and tip a little, `scale` source pixels a frame pixel, `change` times that in
    the last frame."""
    centre = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    matrices = []
    for progress in np.linspace(0, 1, num_frames):
        side = scale * change**progress * SIZE
        extent = np.array([side / width, side / height])
        x, y = 0.525 * extent + (0.3 + 0.4 * progress) * np.maximum(1 - 1.05 * extent, 0) + 0.0003 * progress
        sine, cosine = np.sin(0.03 * progress), np.cos(0.03 * progress)
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        place = np.array([[extent[0], 0, x], [0, extent[1], y], [0, 0, 1]])
        tip = np.array([[1, 0, 0], [0, 1, 0], [0.02 * progress, 0, 1]])
        matrix = place @ turn @ centre @ tip
        matrices.append(matrix / matrix[2, 2])
    return np.array(matrices)
