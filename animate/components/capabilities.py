"""What a component can do: one protocol for each capability.

A component is a frozen dataclass. Its fields are its parameters (`animate.components.parameters`), of which a
shot holds one drawn value each. Its methods are those of one or more of these protocols, and no others.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, Self, TypeVar

from animate.camera import Poses, View
from animate.components.claims import Claim
from animate.components.timeline import Array, Clock, Timeline

#: Finds the most striking point of a still, (x, y) in unit coordinates. It is called only where it is needed.
SalientPoint = Callable[[], tuple[float, float]]


class Component(Protocol):
    """What every component can do: claim its part of the camera label."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def claims(self) -> tuple[Claim, ...]:
        """Its words of the camera label, such as "pan left", and what must be seen for them to be true."""
        ...


C = TypeVar("C", bound=Component)


class Moves(Component, Protocol):
    """Moves or turns the camera, or changes its focal length."""

    def poses(self, time: Timeline, view: View) -> Poses:
        """The pose at each moment, in the columns and units of `animate.camera`; poses of a shot add up."""
        ...


class Aims(Moves, Protocol):
    """Moves the camera to or from a point that depends on what the still shows."""

    def aim(self, salient_point: SalientPoint) -> Self:
        """The same component with that point filled in. Called once, when the shot is drawn."""
        ...


class Blurs(Component, Protocol):
    """Puts the frame out of focus."""

    def blur(self, time: Timeline) -> Array:
        """Standard deviation of the blur at each moment, in frame widths; the variances of a shot add up."""
        ...


class Exposes(Component, Protocol):
    """Makes the frame brighter or darker."""

    def exposure(self, time: Timeline) -> Array:
        """Exposure at each moment in stops, 0 for the still as it is; the stops of a shot add up."""
        ...


class Retimes(Component, Protocol):
    """Decides which part of the shot's own timeline the clip shows, and how fast."""

    def retime(self, clock: Clock) -> Clock:
        """The clock after this component; each one of a shot is given what the one before it returned."""
        ...
