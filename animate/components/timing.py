"""Time: which part of the shot's own timeline the clip shows, and at what pace."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from animate.components.claims import Claim
from animate.components.parameters import number, seed
from animate.components.timeline import Clock

#: A ramp is seen where the faster half of a shot goes 1.5 times as far as the slower: its natural logarithm.
RAMP = math.log(1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter:
    """Each frame is up to `amount` of a frame early or late, as with a camera whose clock is not steady.

    `noise` seeds the delays.
    """

    amount: float = number(0.05, 0.25, at_least=0, at_most=0.45, unit="frames")
    noise: int = seed()

    def retime(self, clock: Clock) -> Clock:
        # All moments that the shutter averages in a frame have the delay of that frame.
        frames = np.rint(clock.progress / clock.frame).astype(int) if clock.frame else np.zeros(1, int)
        random = np.random.Generator(np.random.PCG64(self.noise)).random(frames.max() + 1)
        late = (random[frames] * 2 - 1) * self.amount * clock.frame
        return dataclasses.replace(clock, progress=np.clip(clock.progress + late, 0.0, 1.0))

    def claims(self) -> tuple[Claim, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The camera stands still for a share of the clip at its beginning (`first`) and at its end (`last`)."""

    first: float = number(0, 0.25, at_least=0, at_most=0.45, unit="share of the clip")
    last: float = number(0, 0.25, at_least=0, at_most=0.45, unit="share of the clip")

    def retime(self, clock: Clock) -> Clock:
        progress = np.clip((clock.progress - self.first) / (1 - self.first - self.last), 0.0, 1.0)
        return dataclasses.replace(clock, progress=progress)

    def claims(self) -> tuple[Claim, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The pace goes linearly from 1 + `change` to 1 - `change` times its mean; above 0 it slows down."""

    change: float = number(-0.6, 0.6, at_least=-0.95, at_most=0.95, unit="share of the mean pace")

    def retime(self, clock: Clock) -> Clock:
        progress = clock.progress + self.change * clock.progress * (1 - clock.progress)
        return dataclasses.replace(clock, progress=progress)

    def claims(self) -> tuple[Claim, ...]:
        if abs(self.change) <= 0.5:
            return ()
        return (Claim(words="speed ramp", needs=(("slowing", math.copysign(RAMP, self.change)),)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """The clip plays the shot `factor` times as fast as in life: time lapse above 1, slow motion below.

    In life a move lasts as long as the clip, and the middle of the clip lies on the middle of the move. So
    slow motion shows the middle `factor` of the move. Above 1 the move is over in 1 / `factor` of the clip;
    before and after the camera rests, but its hand goes on shaking, `factor` times as fast. Of a shot that is
    cropped to `length`, `length` times `factor` of the move is shown, as far as there is so much of it around
    the middle of the crop.

    A truck by 0.4 frame widths in a clip of 9 frames, in hundredths of a width:

        frame          0    1    2    3    4    5    6    7    8
        factor 1     -20  -15  -10   -5    0    5   10   15   20
        factor 1/2   -10 -7.5   -5 -2.5    0  2.5    5  7.5   10      the middle half of the move
        factor 2     -20  -20  -20  -10    0   10   20   20   20      over in the middle half of the clip
    """

    factor: float = number(0.5, 2.0, at_least=0.1, at_most=10, unit="times the pace of life")

    def retime(self, clock: Clock) -> Clock:
        return dataclasses.replace(clock, progress=0.5 + (clock.progress - 0.5) * self.factor)

    def claims(self) -> tuple[Claim, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalCrop:
    """The clip shows the share `length` of the shot, from its beginning (`position` 0) to its end (1)."""

    length: float = number(0.5, 1.0, at_least=0.05, at_most=1, unit="share of the shot")
    position: float = number(0, 1, at_least=0, at_most=1, unit="0 the beginning, 1 the end")

    def retime(self, clock: Clock) -> Clock:
        start = (1 - self.length) * self.position
        return dataclasses.replace(
            clock, progress=start + self.length * clock.progress, window=clock.window * self.length
        )

    def claims(self) -> tuple[Claim, ...]:
        return ()
