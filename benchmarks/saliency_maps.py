"""Small classical measures of where the eye goes, to hold `animate.saliency` against.

Each takes a still and gives a 32 x 32 map; `highest` and `window` are two ways to read one point from a map.
"""

from collections.abc import Callable

import cv2
import numpy as np

from animate import saliency

#: A still in RGB to a map, or to a point in unit coordinates.
Measure = Callable[[np.ndarray], np.ndarray]
Pointer = Callable[[np.ndarray], tuple[float, float]]

_SIDE = saliency._SIDE


def highest(measure: Measure, middle: float = 0.35) -> Pointer:
    """The middle of the highest cell of a map times a Gaussian preference for the middle."""

    def point(still: np.ndarray) -> tuple[float, float]:
        weight = measure(still) * saliency._window(0.5, 0.5, middle)
        y, x = np.unravel_index(int(np.argmax(weight)), weight.shape)
        return float(saliency._PLACES[x]), float(saliency._PLACES[y])

    return point


def window(measure: Measure, steps: int = saliency._STEPS) -> Pointer:
    """A map read as `animate.saliency` reads its own; with no `steps` its centre of mass, not raised."""

    def point(still: np.ndarray) -> tuple[float, float]:
        weight = measure(still) * saliency._window(0.5, 0.5, saliency._MIDDLE)
        if not weight.any():
            return 0.5, 0.5
        x, y = saliency._centroid(weight)
        for _ in range(steps):
            x, y = saliency._centroid(weight * saliency._window(x, y, saliency._WINDOW))
        return x, y - (saliency._HEADROOM if steps else 0.0)

    return point


def spectral_residual(still: np.ndarray) -> np.ndarray:
    """Hou and Zhang, CVPR 2007, on three channels weighted by their range."""
    channels = _channels(still)
    residual = saliency._spectral_residual(channels)
    return saliency._smooth(np.einsum("c,cij->ij", np.ptp(channels, axis=(1, 2)), residual), 2)


def geodesic(still: np.ndarray) -> np.ndarray:
    """Wei, Wen, Zhu and Sun, ECCV 2012, cell by cell, without superpixels and boundary weights."""
    return saliency._distance_from_border(_channels(still))


def frequency_tuned(still: np.ndarray) -> np.ndarray:
    """Achanta, Hemami, Estrada and Süsstrunk, CVPR 2009."""
    channels = _channels(still)
    blurred = np.stack([cv2.GaussianBlur(channel, (0, 0), 1.0) for channel in channels])
    return np.linalg.norm(blurred - channels.mean(axis=(1, 2), keepdims=True), axis=0)


def border_colours(still: np.ndarray, rim: int = 3) -> np.ndarray:
    """Mahalanobis distance to the colours along the four sides, the farthest side left out, as in Zhang and
    others, ICCV 2015."""
    picture = np.moveaxis(_channels(still), 0, -1)
    maps = []
    for side in (picture[:rim], picture[-rim:], picture[:, :rim], picture[:, -rim:]):
        colours = side.reshape(-1, 3)
        away = picture - colours.mean(axis=0)
        inverse = np.linalg.inv(np.cov(colours.T) + 20 * np.eye(3))
        distance = np.sqrt(np.einsum("ijc,cd,ijd->ij", away, inverse, away))
        maps.append(distance / max(distance.max(), 1e-9))
    return np.sum(maps, axis=0) - np.max(maps, axis=0)


def minimum_barrier(still: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Zhang, Sclaroff, Lin, Shen, Price and Mech, "Minimum Barrier Salient Object Detection at 80 FPS", ICCV
    2015: raster scans, here line by line, of the least range of values on a way from the border."""
    values = np.ascontiguousarray(_channels(still))
    distance = np.full(values.shape, np.inf)
    distance[:, [0, -1]] = distance[:, :, [0, -1]] = 0.0
    high, low = values.copy(), values.copy()
    for _ in range(rounds):
        for axis in (1, 2):
            d, h, w, v = (np.moveaxis(array, axis, 0) for array in (distance, high, low, values))
            for order in (range(1, _SIDE), range(_SIDE - 2, -1, -1)):
                for i in order:
                    before = i - order.step
                    top, bottom = np.maximum(h[before], v[i]), np.minimum(w[before], v[i])
                    shorter = top - bottom < d[i]
                    for array, value in ((d, top - bottom), (h, top), (w, bottom)):
                        array[i] = np.where(shorter, value, array[i])
    return distance.sum(axis=0)


def boolean_maps(still: np.ndarray, levels: int = 8) -> np.ndarray:
    """Zhang and Sclaroff, ICCV 2013: at every threshold what is cut off from the border counts."""
    total = np.zeros((_SIDE, _SIDE))
    for channel in _channels(still):
        for threshold in np.linspace(channel.min(), channel.max(), levels + 2)[1:-1]:
            for mask in (channel > threshold, channel <= threshold):
                number, labels = cv2.connectedComponents(mask.astype(np.uint8))
                kept = np.ones(number, bool)
                kept[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = kept[0] = False
                inside = kept[labels].astype(float)
                total += inside / max(np.linalg.norm(inside), 1e-9)
    return total


def product(one: Measure, other: Measure) -> Measure:
    return lambda still: one(still) * other(still)


def faces(otherwise: Pointer, side: int = 120) -> Pointer:
    """The middle of the largest frontal face that OpenCV's Haar cascade finds on `side` pixels."""
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_default.xml")

    def point(still: np.ndarray) -> tuple[float, float]:
        scale = side / max(still.shape[:2])
        grey = cv2.resize(cv2.cvtColor(still, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=3)
        found = cascade.detectMultiScale(grey, 1.2, 3, minSize=(20, 20))
        if not len(found):
            return otherwise(still)
        x, y, width, height = max(found, key=lambda face: face[2])
        return (x + width / 2) / grey.shape[1], (y + height / 2) / grey.shape[0]

    return point


def _channels(still: np.ndarray) -> np.ndarray:
    return np.moveaxis(saliency._thumbnail(still) @ saliency._OPPONENTS.T, -1, 0)
