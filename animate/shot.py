"""A shot: one continuous run of the camera over one still, drawn once, recorded, and replayed exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from animate.camera import NUM_AXES, Homographies, Poses, View, source_from_view
from animate.components import (
    AIMS,
    BLURS,
    COMPONENTS,
    EXPOSES,
    MOVES,
    RETIMES,
    Component,
    SalientPoint,
    draw,
    select,
)
from animate.components.timeline import Clock, Timeline
from animate.recipe import ShotKind, ShotRecipe
from animate.shutter import moments as open_moments
from animate.shutter import probes

#: Place of each component in the order in which they change time.
_RETIMING_ORDER = {component: place for place, component in enumerate(RETIMES.values())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One continuous run of the camera over one still: its components and their fit to that still.

    `name` is that of its line in the shot list. It shows still number `still` in frames `first`, `first` + 1,
    … of the clip, `num_frames` of them. `amplitude` and `tighten` are its fit, see above. The shutter is open
    for `shutter_degrees` of 360 of a frame's time; `shutter_moments` says how many moments are averaged in
    each frame, and `shutter_noise` seeds them.

    `moments`, an argument of several methods, are places in time in frames from the shot's first: 0, 1, … are
    the frames' own.
    """

    name: str
    components: tuple[Component, ...]
    still: int
    first: int
    num_frames: int
    amplitude: float = 1.0
    tighten: float = 1.0
    shutter_degrees: float = 0.0
    shutter_noise: int = 0
    shutter_moments: tuple[int, ...] = ()

    @property
    def frames(self) -> Float64[np.ndarray, " t"]:
        """The frames' own moments."""
        return np.arange(self.num_frames, dtype=np.float64)

    def path(self, view: View, fps: float) -> Poses:
        """The poses at amplitude 1 of every frame and, after these, of every moment of the open shutter."""
        moments = self.frames
        if self.shutter_moments:
            opened = open_moments(np.array(self.shutter_moments), self.shutter_degrees, self.shutter_noise)
            moments = np.concatenate([moments, opened])
        return self.poses(self.timeline(fps, moments), view)

    def probed_path(self, view: View, fps: float) -> Poses:
        """The poses at amplitude 1 of every frame and, after these, of `NUM_PROBES` moments in each."""
        probed = (self.frames[:, None] + probes(self.shutter_degrees)).ravel()
        return self.poses(self.timeline(fps, np.concatenate([self.frames, probed])), view)

    def seen(self, view: View, fps: float) -> "Seen":
        """What the camera sees, by the shot's fit."""
        return self.sees(source_from_view(self.amplitude * self.path(view, fps), self.tighten, view))

    def sees(self, homographies: Homographies) -> "Seen":
        """The views of `path` as those of the frames and of their exposures."""
        frames, exposures = homographies[: self.num_frames], homographies[self.num_frames :]
        if not self.shutter_moments:
            return Seen(frames, frames, np.ones(self.num_frames, int))
        return Seen(frames, exposures, np.array(self.shutter_moments))

    def poses(self, time: Timeline, view: View) -> Poses:
        """The pose at every moment of `time` at amplitude 1."""
        poses = np.zeros((len(time.progress), NUM_AXES))
        for component in select(self.components, MOVES):
            poses += component.poses(time, view)
        return poses

    def blur(self, fps: float) -> Float64[np.ndarray, " t"]:
        """Standard deviation of the blur in frame widths, at every frame."""
        pulls = select(self.components, BLURS)
        if not pulls:
            return np.zeros(self.num_frames)
        time = self.timeline(fps, self.frames)
        return np.sqrt(np.sum([np.square(component.blur(time)) for component in pulls], axis=0))

    def stops(self, fps: float) -> Float64[np.ndarray, " t"]:
        """Exposure in stops at every frame."""
        drifts = select(self.components, EXPOSES)
        if not drifts:
            return np.zeros(self.num_frames)
        time = self.timeline(fps, self.frames)
        return np.sum([component.exposure(time) for component in drifts], axis=0)

    def timeline(self, fps: float, moments: Float64[np.ndarray, " n"]) -> Timeline:
        """Every one of `moments` as a place on the shot's own timeline."""
        frame = 1 / (self.num_frames - 1) if self.num_frames > 1 else 0.0
        # A shot of one frame shows the middle of its move.
        progress = np.clip(moments * frame, 0.0, 1.0) if frame else np.full(moments.size, 0.5)
        clock = Clock(progress=progress, frame=frame)
        retiming = select(self.components, RETIMES)
        for component in sorted(retiming, key=lambda component: _RETIMING_ORDER[type(component)]):
            clock = component.retime(clock)
        return Timeline.of(clock, self.num_frames / fps)


class Seen(NamedTuple):
    """The views of a shot: `frames` one a frame, `exposures` those that are averaged in the frames, those of
    the first frame first, `exposures_per_frame` of each."""

    frames: Homographies
    exposures: Homographies
    exposures_per_frame: Int64[np.ndarray, " t"]


def draw_shot(
    recipe: ShotRecipe,
    still: int,
    frames: range,
    salient_point: SalientPoint,
    rng: np.random.Generator,
) -> Shot:
    """One of the recipe's shots, chosen by weight, over `frames` of the clip; not yet fitted to its still."""
    kind = _draw_kind(recipe.shots, rng)
    components = tuple(
        _aimed(draw(COMPONENTS[name], given, rng), salient_point) for name, given in kind.components.items()
    )
    degrees = recipe.shutter_degrees if kind.shutter_degrees is None else kind.shutter_degrees
    return Shot(
        name=kind.name,
        components=components,
        still=still,
        first=frames.start,
        num_frames=len(frames),
        shutter_degrees=degrees,
        shutter_noise=int(rng.random() * 2**32) if degrees else 0,
    )


def _draw_kind(kinds: Sequence[ShotKind], rng: np.random.Generator) -> ShotKind:
    ends = np.cumsum([kind.weight for kind in kinds])
    return kinds[min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(kinds) - 1)]


def _aimed(component: Component, salient_point: SalientPoint) -> Component:
    aiming = select([component], AIMS)
    return aiming[0].aim(salient_point) if aiming else component
