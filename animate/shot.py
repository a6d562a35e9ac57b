"""A shot: one continuous run of the camera over one still, drawn once, recorded, and replayed exactly.

**Every bound holds by construction.** A shot's components add up to a path of poses. `fit_shot` then finds
two numbers for the still: `amplitude` in 0..1 scales the whole path towards rest, `tighten` in 0..1 narrows
the frame until its corners stay inside the still. At amplitude 0 the camera rests on the widest view, where
every bound holds; the fit takes the largest amplitude it finds at which they still do. So no frame is ever
rejected, and a bound can only fail where even the widest view breaks it: `StillTooSmall`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from animate.camera import (
    NUM_AXES,
    Homographies,
    Poses,
    View,
    max_magnification,
    max_speed,
    source_from_view,
    union_area,
    view_areas,
    view_corners,
    widest_fit,
)
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
from animate.recipe import ShotKind, ShotRecipe, VideoRecipe
from animate.shutter import moments as open_moments
from animate.shutter import moments_per_frame, probes

#: Amplitudes tried when the drawn path does not fit, the largest first.
_AMPLITUDES = np.linspace(1.0, 0.0, 17)

#: A shot with less than this amplitude is held back: little is left of what was drawn.
HELD_BACK = 0.3

#: Relative slack for a bound that is met exactly at rest: it allows for rounding and nothing else.
_SLACK = 1e-6

#: A frame is not narrowed to less than this: it would show a point, and have no inverse.
_NARROWEST = 1e-3

#: Place of each component in the order in which they change time.
_RETIMING_ORDER = {component: place for place, component in enumerate(RETIMES.values())}


class StillTooSmall(ValueError):
    """The widest view of a still already needs more magnification than the recipe allows."""


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

    def path(self, view: View, fps: int) -> Poses:
        """The poses at amplitude 1 of every frame and, after these, of every moment of the open shutter."""
        moments = self.frames
        if self.shutter_moments:
            opened = open_moments(np.array(self.shutter_moments), self.shutter_degrees, self.shutter_noise)
            moments = np.concatenate([moments, opened])
        return self.poses(self.timeline(fps, moments), view)

    def probed_path(self, view: View, fps: int) -> Poses:
        """The poses at amplitude 1 of every frame and, after these, of `NUM_PROBES` moments in each."""
        probed = (self.frames[:, None] + probes(self.shutter_degrees)).ravel()
        return self.poses(self.timeline(fps, np.concatenate([self.frames, probed])), view)

    def seen(self, view: View, fps: int) -> "Seen":
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

    def blur(self, fps: int) -> Float64[np.ndarray, " t"]:
        """Standard deviation of the blur in frame widths, at every frame."""
        pulls = select(self.components, BLURS)
        if not pulls:
            return np.zeros(self.num_frames)
        time = self.timeline(fps, self.frames)
        return np.sqrt(np.sum([np.square(component.blur(time)) for component in pulls], axis=0))

    def stops(self, fps: int) -> Float64[np.ndarray, " t"]:
        """Exposure in stops at every frame."""
        drifts = select(self.components, EXPOSES)
        if not drifts:
            return np.zeros(self.num_frames)
        time = self.timeline(fps, self.frames)
        return np.sum([component.exposure(time) for component in drifts], axis=0)

    def timeline(self, fps: int, moments: Float64[np.ndarray, " n"]) -> Timeline:
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


def fit_shot(shot: Shot, recipe: ShotRecipe, video: VideoRecipe, view: View) -> tuple[Shot, Seen]:
    """The shot with the largest amplitude at which every bound holds and, for that amplitude, the widest
    frame; and what it then sees. Raises `StillTooSmall` where no amplitude will do.
    """
    amplitudes = _AMPLITUDES
    if shot.shutter_degrees:
        # How many moments a frame needs depends on the fit, which is then made once more, with all of them.
        probed = _fit(shot.probed_path(view, video.fps), amplitudes, shot.num_frames, recipe, video, view)
        by_frame = probed.homographies[shot.num_frames :].reshape(shot.num_frames, -1, 3, 3)
        counts = moments_per_frame(by_frame, view.frame_size)
        shot = dataclasses.replace(shot, shutter_moments=tuple(counts.tolist()))
        amplitudes = amplitudes[amplitudes <= probed.amplitude]
    fit = _fit(shot.path(view, video.fps), amplitudes, shot.num_frames, recipe, video, view)
    fitted = dataclasses.replace(shot, amplitude=fit.amplitude, tighten=fit.tighten)
    return fitted, fitted.sees(fit.homographies)


class _Fit(NamedTuple):
    """Of the amplitudes tried, the first that keeps every bound, and the views of its path."""

    amplitude: float
    tighten: float
    homographies: Homographies


def _fit(
    poses: Poses,
    amplitudes: Float64[np.ndarray, " a"],
    num_frames: int,
    recipe: ShotRecipe,
    video: VideoRecipe,
    view: View,
) -> _Fit:
    """`poses` are a path at amplitude 1, those of the `num_frames` frames first."""
    # Most shots fit as they are drawn, so the other amplitudes are only computed when they are needed.
    for tried in (amplitudes[:1], amplitudes[1:]):
        tighten, homographies = widest_fit(tried[:, None, None] * poses, view)
        inside = tighten > _NARROWEST
        if inside.any():
            tighten, homographies, tried = tighten[inside], homographies[inside], tried[inside]
            kept = _within_bounds(homographies, num_frames, recipe, video, view)
            if kept.any():
                best = int(np.argmax(kept))
                return _Fit(float(tried[best]), float(tighten[best]), homographies[best])
    raise StillTooSmall(
        f"{view.still_size[0]}x{view.still_size[1]} filmed at {view.frame_size[0]}x{view.frame_size[1]} is "
        f"magnified {1 / view.source_pixels_per_frame_pixel:.2f} times; "
        f"shot.max_magnification = {recipe.max_magnification:g}"
    )


def _draw_kind(kinds: Sequence[ShotKind], rng: np.random.Generator) -> ShotKind:
    ends = np.cumsum([kind.weight for kind in kinds])
    return kinds[min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(kinds) - 1)]


def _aimed(component: Component, salient_point: SalientPoint) -> Component:
    aiming = select([component], AIMS)
    return aiming[0].aim(salient_point) if aiming else component


def _within_bounds(
    homographies: Float64[np.ndarray, "a n 3 3"],
    num_frames: int,
    recipe: ShotRecipe,
    video: VideoRecipe,
    view: View,
) -> Bool[np.ndarray, " a"]:
    """For each amplitude: whether areas, speed and magnification of its whole path are within the bounds.

    The first `num_frames` homographies are the frames', the others those of the open shutter. What the
    shutter sees is held to the bounds of a single view; a speed and a union only make sense from frame to
    frame.
    """
    corners = view_corners(homographies)
    areas = view_areas(corners) / view.widest_area
    kept = areas.min(axis=-1) >= recipe.min_view_area
    kept &= max_magnification(homographies, view) <= recipe.max_magnification * (1 + _SLACK)
    frames = homographies[:, :num_frames]
    kept &= max_speed(frames, 1 / video.fps, view) <= recipe.max_speed / 100
    # One frame that shows enough is enough. The union takes far longer: compute it only where no frame does.
    wide = areas[:, :num_frames].max(axis=-1) >= recipe.min_union_area
    if (kept & ~wide).any():
        wide |= union_area(corners[:, :num_frames]) / view.widest_area >= recipe.min_union_area
    return kept & wide
