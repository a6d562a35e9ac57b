"""What a component claims of a shot: words of a camera label, and what must be measured for them to be true.

A component is drawn before it is known what comes of it: bounds scale its move down, time may leave most of
it out, other components may undo it. So it says no words. It claims some, and `animate.label` lets those
stand that the finished shot bears out.
"""

from dataclasses import dataclass
from typing import Literal

#: What can be measured of a shot: fields of `animate.apparent.Motion`, which says what they mean.
Measure = Literal[
    "right", "up", "closer", "clockwise", "swing_right", "swing_up", "steeper", "shake", "slowing",
    "drift_speed", "zoom_speed",
]  # fmt: skip

#: What a viewer sees as motion, at the least: a drift of the middle, in frame widths; …
DRIFT = 0.02
#: … the natural logarithm of a change of size; …
CLOSER = 0.02
#: … a turn of the picture, in degrees; …
TURN = 1.0
#: … a change of perspective, as the change in depth over a frame width, in shares of the depth; …
SWING = 0.02
#: … and how far the middle comes back on its way, in frame widths.
SHAKE = 0.005

#: The change of perspective that tells a turn of the camera from a move along the still.
LEAN = 0.002
#: What is quick: a middle in frame widths a second, …
QUICK_DRIFT = 0.6
#: … and a change of size, as a natural logarithm a second (0.69 doubles it in a second).
QUICK_ZOOM = 0.69


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`words` are true of a shot if each measure that it `needs` has at least that size and that sign.

    `size` is how much of the first of these the component moves by itself, at amplitude 1, roughly: what is
    much smaller was another component's doing. Measures in `at_most` must not exceed that size either way.
    Where one that is `quick` has less than that size, `otherwise` is said. `framing` names the shot scales
    that the first and the last frame must have, otherwise the same. `point` is a point of the still, in unit
    coordinates, to which the middle of the view must come nearer (`approach` 1) or from which it must go away
    (-1).
    """

    words: str
    needs: tuple[tuple[Measure, float], ...] = ()
    size: float = float("inf")
    at_most: tuple[tuple[Measure, float], ...] = ()
    quick: tuple[tuple[Measure, float], ...] = ()
    otherwise: str = ""
    framing: tuple[str, str] | None = None
    point: tuple[float, float] | None = None
    approach: int = 1
