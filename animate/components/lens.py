"""The lens: focal length, focus and exposure over time."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from animate.camera import ZOOM, Poses, View
from animate.components.claims import CLOSER, QUICK_ZOOM, SWING, Claim
from animate.components.motion import along, orbit
from animate.components.parameters import choice, number
from animate.components.timeline import EASES, Array, Timeline, burst


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoom:
    """The focal length grows to `ratio` times that at rest, or shrinks from there back to it.

    `ease` applies to its logarithm.
    """

    ratio: float = number(1.15, 1.7, at_least=1, at_most=10, unit="times the focal length at rest")
    direction: str = choice("in", "out")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = EASES[self.ease](time.progress)
        return along(ZOOM, np.log(self.ratio) * (progress if self.direction == "in" else 1 - progress))

    def claims(self) -> tuple[Claim, ...]:
        return (zoomed(self.direction, self.ratio),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashZoom:
    """A zoom by `ratio` within `seconds`, whose middle lies at the share `at` of the shot."""

    ratio: float = number(1.4, 2.0, at_least=1, at_most=10, unit="times the focal length at rest")
    direction: str = choice("in", "out")
    at: float = number(0.35, 0.65, at_least=0, at_most=1, unit="share of the shot")
    seconds: float = number(0.25, 0.6, at_least=0.05, at_most=5)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = burst(time, self.at, self.seconds)
        return along(ZOOM, np.log(self.ratio) * (progress if self.direction == "in" else 1 - progress))

    def claims(self) -> tuple[Claim, ...]:
        zoom = zoomed(self.direction, self.ratio)
        quick = (("zoom_speed", QUICK_ZOOM),)
        return (dataclasses.replace(zoom, words=f"crash {zoom.words}", quick=quick, otherwise=zoom.words),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DollyZoom:
    """A dolly between `ratio` times the distance at rest and that distance itself ("in" comes nearer), with a
    zoom that keeps the middle of the still at the same size.

    In front of a plane the two would cancel, and nothing would seem to move. So the camera stands `degrees`
    to one `side`: the nearer it comes, the stronger the perspective. `ease` applies to the logarithms.
    """

    ratio: float = number(2, 4, at_least=1, at_most=10, unit="times the distance at rest")
    degrees: float = number(22, 36, at_least=0, at_most=60)
    direction: str = choice("in", "out")
    side: str = choice("left", "right")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = EASES[self.ease](time.progress)
        zoom = np.log(self.ratio) * (1 - progress if self.direction == "in" else progress)
        angle = np.radians(self.degrees) * (1 if self.side == "right" else -1)
        poses = orbit(np.full(len(progress), angle), np.exp(zoom), view)
        poses[:, ZOOM] = zoom
        return poses

    def claims(self) -> tuple[Claim, ...]:
        # The nearer the camera, the steeper the perspective, while what is in the middle keeps its size.
        least = SWING if self.direction == "in" else -SWING
        return (
            Claim(
                words=f"dolly zoom {self.direction}", needs=(("steeper", least),), at_most=(("closer", 0.1),)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusPull:
    """Blur that goes away ("in") or comes ("out"), with a sigma of at most `percent` of the frame's width."""

    percent: float = number(0.5, 1.5, at_least=0, at_most=10, unit="per cent of the frame's width")
    direction: str = choice("in", "out")
    ease: str = choice(*EASES)

    def blur(self, time: Timeline) -> Array:
        progress = EASES[self.ease](time.progress)
        return self.percent / 100 * (1 - progress if self.direction == "in" else progress)

    def claims(self) -> tuple[Claim, ...]:
        return ()  # the label measures the blur itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureDrift:
    """Exposure that begins as that of the still and becomes `stops` brighter or darker."""

    stops: float = number(0.2, 0.6, at_least=0, at_most=4)
    direction: str = choice("brighter", "darker")
    ease: str = choice(*EASES)

    def exposure(self, time: Timeline) -> Array:
        sign = 1 if self.direction == "brighter" else -1
        return sign * self.stops * EASES[self.ease](time.progress)

    def claims(self) -> tuple[Claim, ...]:
        return ()  # the label measures the exposure itself


def zoomed(direction: str, ratio: float) -> Claim:
    """The claim of a lens that zooms in or out by `ratio`."""
    least = CLOSER if direction == "in" else -CLOSER
    return Claim(words=f"zoom {direction}", needs=(("closer", least),), size=math.log(ratio))
