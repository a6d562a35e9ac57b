"""The open shutter: which moments of a frame's time are averaged in it.

A shutter of 180 degrees is open for half of a frame's time, around the frame's own moment. What moves
meanwhile is smeared. An average of too few moments is no smear but a row of ghosts, so their number follows
the way: at least one for every 1.5 pixels that any corner of the view goes. Each moment is drawn at random
within its share of the time: equal steps would leave a pattern on a regular texture.
"""

import numpy as np
from jaxtyping import Float64, Int64

from animate.camera import project

#: Most pixels that a corner of the view goes from one averaged moment to the next.
PIXELS_A_MOMENT = 1.5

#: Most moments that a frame averages; one that would need more has them further apart.
MAX_MOMENTS = 512

#: Moments at which the way of a frame is measured, and at which a shot is held to its bounds.
NUM_PROBES = 8

#: Half of a frame's time, less than what could be taken for the next frame's.
_ALMOST_HALF = 0.5 - 1e-9

#: The four corners of a view.
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def probes(degrees: float) -> Float64[np.ndarray, " p"]:
    """Moments at which the open shutter is looked at, in frames from the frame's own; both ends are."""
    return np.linspace(-_ALMOST_HALF, _ALMOST_HALF, NUM_PROBES) * (degrees / 360)


def moments_per_frame(
    probed: Float64[np.ndarray, "t p 3 3"], frame_size: tuple[int, int]
) -> Int64[np.ndarray, " t"]:
    """How many moments each frame averages, given its views at the `probes`; `frame_size` in pixels.

    A frame whose fastest corner goes 14 pixels while the shutter is open averages 10 moments.
    """
    moved = np.linalg.inv(probed[:, 1:]) @ probed[:, :-1]
    steps = (project(moved, _CORNERS) - _CORNERS) * np.array(frame_size)
    ways = np.linalg.norm(steps, axis=-1).max(axis=-1).sum(axis=-1)
    return np.clip(np.ceil(ways / PIXELS_A_MOMENT), 1, MAX_MOMENTS).astype(np.int64)


def moments(counts: Int64[np.ndarray, " t"], degrees: float, noise: int) -> Float64[np.ndarray, " n"]:
    """`counts` moments of each frame, in frames from the first frame's own moment, frame by frame.

    Moment j of n lies at random, seeded by `noise`, within share j of n equal shares of the open time; the
    one moment of a frame that does not move is its own.
    """
    frames = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(frames)) - np.repeat(np.cumsum(counts) - counts, counts)
    random = np.random.Generator(np.random.PCG64(noise)).random(len(frames))
    offsets = ((place + random) / counts[frames] - 0.5) * (2 * _ALMOST_HALF * degrees / 360)
    return frames + np.where(counts[frames] == 1, 0.0, offsets)
