"""Camera motion: where the operator carries and turns the camera."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from animate.camera import (
    DOLLY,
    FIELD_OF_VIEW_DEGREES,
    NUM_AXES,
    PAN,
    PEDESTAL,
    ROLL,
    TILT,
    TRUCK,
    Poses,
    View,
)
from animate.components.claims import CLOSER, DRIFT, LEAN, QUICK_DRIFT, SHAKE, SWING, TURN, Claim, Measure
from animate.components.parameters import choice, number, seed
from animate.components.timeline import EASES, Array, Timeline, burst


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """The camera does not move."""

    def poses(self, time: Timeline, view: View) -> Poses:
        return np.zeros((len(time.progress), NUM_AXES))

    def claims(self) -> tuple[Claim, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pan:
    """The camera turns about its vertical axis by `degrees` in all, half before the middle of the shot."""

    degrees: float = number(4, 16, at_least=0, at_most=90)
    direction: str = choice("left", "right")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "right" else -1
        return along(PAN, np.radians(self.degrees) * sign * centred(time, self.ease))

    def claims(self) -> tuple[Claim, ...]:
        return (turned("pan", self.direction, self.degrees),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilt:
    """The camera turns about its horizontal axis by `degrees` in all."""

    degrees: float = number(3, 12, at_least=0, at_most=90)
    direction: str = choice("up", "down")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "up" else -1
        return along(TILT, np.radians(self.degrees) * sign * centred(time, self.ease))

    def claims(self) -> tuple[Claim, ...]:
        return (turned("tilt", self.direction, self.degrees),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """The camera turns about the axis of its lens by `degrees` in all."""

    degrees: float = number(4, 12, at_least=0, at_most=90)
    direction: str = choice("clockwise", "counterclockwise")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "clockwise" else -1
        return along(ROLL, np.radians(self.degrees) * sign * centred(time, self.ease))

    def claims(self) -> tuple[Claim, ...]:
        least = TURN if self.direction == "clockwise" else -TURN
        return (Claim(words=f"roll {self.direction}", needs=(("clockwise", least),), size=self.degrees),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truck:
    """The camera moves sideways by `amount` frame widths in all."""

    amount: float = number(0.1, 0.35, at_least=0, at_most=4, unit="frame widths")
    direction: str = choice("left", "right")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "right" else -1
        return along(TRUCK, self.amount * sign * centred(time, self.ease))

    def claims(self) -> tuple[Claim, ...]:
        least = DRIFT if self.direction == "right" else -DRIFT
        return (Claim(words=f"truck {self.direction}", needs=(("right", least),), size=self.amount),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pedestal:
    """The camera rises or sinks by `amount` frame heights in all."""

    amount: float = number(0.1, 0.35, at_least=0, at_most=4, unit="frame heights")
    direction: str = choice("up", "down")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "up" else -1
        return along(PEDESTAL, self.amount * sign * centred(time, self.ease))

    def claims(self) -> tuple[Claim, ...]:
        least = DRIFT if self.direction == "up" else -DRIFT
        return (Claim(words=f"pedestal {self.direction}", needs=(("up", least),), size=self.amount),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dolly:
    """The camera moves towards the still, or away from it, by `amount` of its distance at rest."""

    amount: float = number(0.1, 0.35, at_least=0, at_most=0.9, unit="share of the distance at rest")
    direction: str = choice("in", "out")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        progress = EASES[self.ease](time.progress)
        return along(DOLLY, self.amount * (progress if self.direction == "in" else 1 - progress))

    def claims(self) -> tuple[Claim, ...]:
        words, least = ("push in", CLOSER) if self.direction == "in" else ("pull out", -CLOSER)
        return (Claim(words=words, needs=(("closer", least),), size=-math.log(1 - self.amount)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arc:
    """The camera moves `degrees` on a circle about the middle of the still, and keeps looking at it."""

    degrees: float = number(25, 45, at_least=0, at_most=120)
    direction: str = choice("left", "right")
    ease: str = choice(*EASES)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "right" else -1
        return orbit(np.radians(self.degrees) * sign * centred(time, self.ease), 1.0, view)

    def claims(self) -> tuple[Claim, ...]:
        # Who walks to the right looks back to the left.
        least = -SWING if self.direction == "right" else SWING
        return (Claim(words=f"arc {self.direction}", needs=(("swing_right", least),)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhipPan:
    """A pan of `degrees` within `seconds`, whose middle lies at the share `at` of the shot."""

    degrees: float = number(14, 30, at_least=0, at_most=90)
    direction: str = choice("left", "right")
    at: float = number(0.35, 0.65, at_least=0, at_most=1, unit="share of the shot")
    seconds: float = number(0.2, 0.5, at_least=0.05, at_most=5)

    def poses(self, time: Timeline, view: View) -> Poses:
        sign = 1 if self.direction == "right" else -1
        return along(PAN, np.radians(self.degrees) * sign * (burst(time, self.at, self.seconds) - 0.5))

    def claims(self) -> tuple[Claim, ...]:
        pan = turned("pan", self.direction, self.degrees)
        quick = (("drift_speed", QUICK_DRIFT),)
        return (dataclasses.replace(pan, words=f"whip {pan.words}", quick=quick, otherwise=pan.words),)


#: Number of sines that make up the noise of one axis of a hand-held camera.
_NUM_SINES = 6

#: The lowest frequency of that noise.
_SLOWEST_HERTZ = 0.2

#: Share of the stated amplitude on each axis: a hand rolls less than it pans and tilts, and moves less
#: towards the still than along it.
_HAND_SHARES = np.array([1.0, 1.0, 0.5, 1.0, 1.0, 0.5])


@dataclass(frozen=True, slots=True, kw_only=True)
class Handheld:
    """Band-limited noise on all axes but the zoom: sines of up to `hertz`, the faster ones weaker.

    `degrees` is the standard deviation of pan and tilt, `percent` that of truck and pedestal in per cent of
    the frame's width and height. Roll and dolly have half as much, the dolly in per cent of the distance to
    the still. `noise` seeds the frequencies and phases.
    """

    degrees: float = number(0.4, 1.2, at_least=0, at_most=10)
    percent: float = number(0.5, 2.0, at_least=0, at_most=20, unit="per cent of the frame's width and height")
    hertz: float = number(1.2, 2.5, at_least=0.3, at_most=20)
    noise: int = seed()

    def poses(self, time: Timeline, view: View) -> Poses:
        random = np.random.Generator(np.random.PCG64(self.noise)).random((2, 6, _NUM_SINES))
        octaves = (np.arange(_NUM_SINES) + random[0]) / _NUM_SINES
        hertz = _SLOWEST_HERTZ * (self.hertz / _SLOWEST_HERTZ) ** octaves
        weights = hertz**-0.8
        weights *= np.sqrt(2) / np.linalg.norm(weights, axis=1, keepdims=True)
        waves = np.sin(2 * np.pi * (hertz * time.seconds[:, None, None] + random[1]))
        poses = np.zeros((len(time.seconds), NUM_AXES))
        poses[:, :6] = (waves * weights).sum(axis=2) * _HAND_SHARES
        poses[:, :3] *= np.radians(self.degrees)
        poses[:, 3:6] *= self.percent / 100
        return poses

    def claims(self) -> tuple[Claim, ...]:
        # Of noise, about four standard deviations are seen in a few seconds.
        size = 4 * max(self.degrees / FIELD_OF_VIEW_DEGREES, self.percent / 100)
        return (Claim(words="handheld", needs=(("shake", SHAKE),), size=size),)


def turned(verb: str, direction: str, degrees: float) -> Claim:
    """The claim of a camera that turns by `degrees` right, left, up or down: the middle goes there, and the
    picture leans that way. 50 degrees are a frame width or height at rest."""
    sign = 1 if direction in ("right", "up") else -1
    drift: Measure = "right" if direction in ("right", "left") else "up"
    swing: Measure = "swing_right" if drift == "right" else "swing_up"
    return Claim(
        words=f"{verb} {direction}",
        needs=((drift, sign * DRIFT), (swing, sign * LEAN)),
        size=degrees / FIELD_OF_VIEW_DEGREES,
    )


def along(axis: int, values: Array) -> Poses:
    """Poses that are `values` on one axis and 0 on the others."""
    poses = np.zeros((len(values), NUM_AXES))
    poses[:, axis] = values
    return poses


def centred(time: Timeline, ease: str) -> Array:
    """Eased progress minus 1/2: from -1/2 at the beginning of the shot to 1/2 at its end."""
    return EASES[ease](time.progress) - 0.5


def orbit(angle: Array, distance: float | Array, view: View) -> Poses:
    """Poses on a circle of radius `distance` about the middle of the still, looking at it.

    `angle` in radians, positive where the camera stands to the right and looks back to the left.
    """
    poses = np.zeros((len(angle), NUM_AXES))
    poses[:, TRUCK] = np.sin(angle) * distance / (2 * view.half_extents[0])
    poses[:, DOLLY] = 1 - np.cos(angle) * distance
    poses[:, PAN] = -angle
    return poses
