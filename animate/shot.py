"""Shots and films: what the camera does in a clip, drawn once, recorded, and replayed exactly.

A `Film` is the whole camera work of one clip: one or more `Shot`s joined by transitions. `draw_film` draws it
from a recipe and a generator; `Film.to_json` records it; `Film.layers` turns it into homographies.

**Every bound holds by construction.** A shot's components add up to a path of poses. Drawing it fits two
numbers to the still: `amplitude` in 0..1 scales the whole path towards rest, `tighten` in 0..1 narrows
the frame until its corners stay inside. At amplitude 0 the camera rests on the widest view, where
every bound holds; the fit takes the largest amplitude it finds at which they still do. No frame is ever
rejected, and a bound can only fail where even the widest view breaks it: `StillTooSmall`.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from animate.camera import (
    NUM_AXES,
    Homographies,
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
    NAMES,
    RETIMES,
    Component,
    SalientPoint,
    draw,
    select,
)
from animate.components.timeline import Clock, Timeline
from animate.recipe import ShotKind, ShotRecipe, VideoRecipe

#: Amplitudes tried when the drawn path does not fit, the largest first.
_AMPLITUDES = np.linspace(1.0, 0.0, 17)

#: Below this amplitude of its path a shot is called static.
_STILL = 0.1

#: Relative slack where a bound is met exactly at rest: rounding, nothing else.
_SLACK = 1e-6


class StillTooSmall(ValueError):
    """The widest view of a still already needs more magnification than the recipe allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one shot gives to a clip: frames `first`, `first` + 1, … of still number `still`.

    `homographies` map view to source in unit coordinates, one a frame; `exposures` are those that a frame
    averages, the same unless the shutter is open. `weight` is the share of the shot in each frame's light,
    `blur` the standard deviation of its blur in frame widths, `stops` its exposure.
    """

    still: int
    first: int
    homographies: Homographies
    exposures: Float64[np.ndarray, "t s 3 3"]
    weight: Float64[np.ndarray, " t"]
    blur: Float64[np.ndarray, " t"]
    stops: Float64[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One continuous run of the camera over one still: its components and their fit to that still."""

    name: str
    components: tuple[Component, ...]
    still: int
    first: int
    num_frames: int
    amplitude: float = 1.0
    tighten: float = 1.0

    def homographies(self, view: View, fps: int, exposure: Float64[np.ndarray, " s"]) -> Homographies:
        """Views of every frame and, after them, of every sub-exposure: replayed, never drawn again."""
        return source_from_view(self.amplitude * self.path(view, fps, exposure), self.tighten, view)

    def path(self, view: View, fps: int, exposure: Float64[np.ndarray, " s"]) -> Float64[np.ndarray, "n 7"]:
        """Unscaled poses of every frame and, after them where the shutter is open, of every offset of
        `exposure` (in frames) in each."""
        frames = self.poses(self.timeline(fps, NOMINAL), view)
        if exposure is NOMINAL:
            return frames
        return np.concatenate([frames, self.poses(self.timeline(fps, exposure), view)])

    def poses(self, time: Timeline, view: View) -> Float64[np.ndarray, "n 7"]:
        """Unscaled poses at every moment of `time`."""
        poses = np.zeros((len(time.progress), NUM_AXES))
        for component in select(self.components, MOVES):
            poses += component.poses(time, view)
        return poses

    def blur(self, time: Timeline) -> Float64[np.ndarray, " n"]:
        """Standard deviation of the blur in frame widths at every moment of `time`."""
        radii = [component.blur(time) for component in select(self.components, BLURS)]
        return np.sqrt(np.sum(np.square(radii), axis=0)) if radii else np.zeros(len(time.progress))

    def stops(self, time: Timeline) -> Float64[np.ndarray, " n"]:
        """Exposure in stops at every moment of `time`."""
        drifts = [component.exposure(time) for component in select(self.components, EXPOSES)]
        return np.sum(drifts, axis=0) if drifts else np.zeros(len(time.progress))

    def words(self) -> str:
        """The camera in plain English, without its pace."""
        if self.amplitude < _STILL:
            return "static"
        return " and ".join(word for word in (c.words() for c in self.components) if word) or "static"

    def timeline(self, fps: int, exposure: Float64[np.ndarray, " s"]) -> Timeline:
        """The moments of every frame and, in each, of every offset of `exposure` (in frames)."""
        frame = 1 / (self.num_frames - 1) if self.num_frames > 1 else 0.0
        frames = np.arange(self.num_frames)[:, None] + exposure
        progress = np.clip(frames.ravel() * frame, 0.0, 1.0) if frame else np.full(frames.size, 0.5)
        clock = Clock(progress=progress, frame=frame)
        retiming = select(self.components, RETIMES)
        for component in sorted(retiming, key=lambda component: _ORDER[type(component)]):
            clock = component.retime(clock)
        return Timeline.of(clock, self.num_frames / fps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """How a shot gives way to the next: `frames` in which both are seen, none for a cut."""

    kind: str
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The camera work of one clip: shots in order, a transition between each and the next, the shutter."""

    shots: tuple[Shot, ...]
    transitions: tuple[Transition, ...]
    shutter_degrees: float
    shutter_samples: int

    def layers(self, views: Sequence[View], fps: int) -> tuple[Layer, ...]:
        """One layer a shot, given the view of each still. Within the clip every frame's weights add to 1
        (less in a fade, whose middle is black)."""
        exposure = _exposure(self.shutter_degrees, self.shutter_samples)
        seen = [shot.homographies(views[shot.still], fps, exposure) for shot in self.shots]
        return self._layers(seen, fps)

    def _layers(self, seen: Sequence[Homographies], fps: int) -> tuple[Layer, ...]:
        """One layer a shot, given its homographies of frames and sub-exposures."""
        layers = []
        for shot, views, weight in zip(self.shots, seen, self._weights(), strict=True):
            time = shot.timeline(fps, NOMINAL)
            frames, exposures = views[: shot.num_frames], views[shot.num_frames :]
            layers.append(
                Layer(
                    still=shot.still,
                    first=shot.first,
                    homographies=frames,
                    exposures=(exposures if len(exposures) else frames).reshape(shot.num_frames, -1, 3, 3),
                    weight=weight,
                    blur=shot.blur(time),
                    stops=shot.stops(time),
                )
            )
        return tuple(layers)

    def _weights(self) -> list[Float64[np.ndarray, " t"]]:
        weights = [np.ones(shot.num_frames) for shot in self.shots]
        for i, transition in enumerate(self.transitions):
            if not transition.frames:
                continue
            share = (np.arange(transition.frames) + 0.5) / transition.frames
            if transition.kind == "fade":
                going, coming = np.maximum(1 - 2 * share, 0), np.maximum(2 * share - 1, 0)
            else:
                going, coming = 1 - share, share
            weights[i][-transition.frames :] *= going
            weights[i + 1][: transition.frames] *= coming
        return weights

    def to_json(self) -> str:
        """Everything needed to replay the film on its stills."""
        shots = [
            {
                "name": shot.name,
                "still": shot.still,
                "first": shot.first,
                "num_frames": shot.num_frames,
                "amplitude": shot.amplitude,
                "tighten": shot.tighten,
                "components": {NAMES[type(c)]: dataclasses.asdict(c) for c in shot.components},
            }
            for shot in self.shots
        ]
        film = {
            "shots": shots,
            "transitions": [dataclasses.asdict(transition) for transition in self.transitions],
            "shutter_degrees": self.shutter_degrees,
            "shutter_samples": self.shutter_samples,
        }
        return json.dumps(film, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Film":
        """The film that `to_json` recorded, equal in every number."""
        film = json.loads(text)
        shots = []
        for shot in film["shots"]:
            components = tuple(COMPONENTS[name](**values) for name, values in shot["components"].items())
            shots.append(Shot(**{**shot, "components": components}))
        return cls(
            shots=tuple(shots),
            transitions=tuple(Transition(**transition) for transition in film["transitions"]),
            shutter_degrees=film["shutter_degrees"],
            shutter_samples=film["shutter_samples"],
        )


#: The one exposure of a frame at its own moment.
NOMINAL = np.zeros(1)

#: Place of each component in the order in which they change time.
_ORDER = {component: place for place, component in enumerate(RETIMES.values())}


def draw_film(
    recipe: ShotRecipe,
    video: VideoRecipe,
    views: Sequence[View],
    rng: np.random.Generator,
    salient_points: Sequence[SalientPoint],
) -> tuple[Film, tuple[Layer, ...]]:
    """A film of one still, or of several in order (a montage), that keeps every bound of the recipe; and
    its `layers`.

    `views` and `salient_points` hold one entry a still, sizes in pixels. Raises `StillTooSmall` where even
    the widest view of a still would be magnified too much.
    """
    transitions, spans = _draw_edit(recipe, video, len(views), rng)
    shots, seen = [], []
    for number, (first, num_frames) in enumerate(spans):
        still = number % len(views)
        kind = _draw_kind(recipe.shots, rng)
        components = tuple(
            _aimed(draw(COMPONENTS[name], given, rng), salient_points[still])
            for name, given in kind.components.items()
        )
        shot = Shot(name=kind.name, components=components, still=still, first=first, num_frames=num_frames)
        fitted, homographies = _fit(shot, recipe, video, views[still])
        shots.append(fitted)
        seen.append(homographies)
    film = Film(
        shots=tuple(shots),
        transitions=tuple(transitions),
        shutter_degrees=recipe.shutter_degrees,
        shutter_samples=recipe.shutter_samples,
    )
    return film, film._layers(seen, video.fps)


def describe(film: Film, layers: Sequence[Layer], fps: int) -> str:
    """The camera label of a clip: "slow push in, handheld, then cut to pan left"."""
    parts = []
    for shot, layer in zip(film.shots, layers, strict=True):
        words = shot.words()
        speed = max_speed(layer.homographies, 1 / fps)
        pace = "slow " if speed < 0.12 else "fast " if speed > 1.0 else ""
        parts.append(words if words == "static" else pace + words)
    joints = [
        {"cut": "cut to", "dissolve": "dissolve to", "fade": "fade to"}[t.kind] for t in film.transitions
    ]
    label = parts[0]
    for joint, part in zip(joints, parts[1:], strict=True):
        label += f", {joint} {part}"
    return label


def _exposure(degrees: float, samples: int) -> Float64[np.ndarray, " s"]:
    """Offsets of a frame's sub-exposures in frames, centred on the frame."""
    if not degrees:
        return NOMINAL
    return ((np.arange(samples) + 0.5) / samples - 0.5) * (degrees / 360)


def _aimed(component: Component, salient_point: SalientPoint) -> Component:
    aiming = select([component], AIMS)
    return aiming[0].aim(salient_point) if aiming else component


def _draw_kind(kinds: Sequence[ShotKind], rng: np.random.Generator) -> ShotKind:
    ends = np.cumsum([kind.weight for kind in kinds])
    return kinds[min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(kinds) - 1)]


def _draw_edit(
    recipe: ShotRecipe, video: VideoRecipe, num_stills: int, rng: np.random.Generator
) -> tuple[list[Transition], list[tuple[int, int]]]:
    """Transitions and, for each shot, its (first frame, number of frames); overlaps belong to both shots."""
    edit = recipe.edit
    low, high = (num_stills, num_stills) if edit.stills > 1 else edit.shots
    wanted = low + int(rng.random() * (high - low + 1))
    # A shot needs a few frames to be one, beside those that it shares with its neighbours.
    number = min(wanted, max(1, video.num_frames // 4)) if edit.stills == 1 else min(wanted, video.num_frames)
    shares = np.array([0.6 + rng.random() for _ in range(number)])
    ends = np.rint(np.cumsum(shares) / shares.sum() * (video.num_frames - number)).astype(int)
    ends += np.arange(1, number + 1)
    starts = np.concatenate([[0], ends[:-1]])

    transitions, spans = [], []
    overlap_before = 0
    for i in range(number):
        first = int(starts[i]) - overlap_before
        last = int(ends[i])
        if i + 1 < number:
            kind = edit.transitions[int(rng.random() * len(edit.transitions))]
            seconds = edit.transition_seconds[0] + rng.random() * np.ptp(edit.transition_seconds)
            room = min(ends[i] - starts[i], ends[i + 1] - starts[i + 1]) // 2
            half = 0 if kind == "cut" else min(max(1, round(seconds * video.fps / 2)), int(room))
            transitions.append(Transition(kind=kind if half else "cut", frames=2 * half))
            last += half
            overlap_before = half
        spans.append((first, last - first))
    return transitions, spans


def _fit(shot: Shot, recipe: ShotRecipe, video: VideoRecipe, view: View) -> tuple[Shot, Homographies]:
    """The shot with the largest amplitude, and for it the widest frame, at which every bound holds; and its
    homographies."""
    poses = shot.path(view, video.fps, _exposure(recipe.shutter_degrees, recipe.shutter_samples))
    for amplitudes in (_AMPLITUDES[:1], _AMPLITUDES[1:]):
        tighten, homographies = widest_fit(amplitudes[:, None, None] * poses, view)
        inside = tighten > 0
        if inside.any():
            tighten, homographies, amplitudes = tighten[inside], homographies[inside], amplitudes[inside]
            kept = _within_bounds(homographies, shot.num_frames, recipe, video, view)
            if kept.any():
                best = int(np.argmax(kept))
                fitted = dataclasses.replace(
                    shot, amplitude=float(amplitudes[best]), tighten=float(tighten[best])
                )
                return fitted, homographies[best]
    raise StillTooSmall(
        f"{view.still_size[0]}x{view.still_size[1]} filmed at {view.frame_size[0]}x{view.frame_size[1]} is "
        f"magnified {1 / view.source_pixels_per_frame_pixel:.2f} times; "
        f"shot.max_magnification = {recipe.max_magnification:g}"
    )


def _within_bounds(
    homographies: Float64[np.ndarray, "a n 3 3"],
    num_frames: int,
    recipe: ShotRecipe,
    video: VideoRecipe,
    view: View,
) -> Float64[np.ndarray, " a"]:
    """For each amplitude: whether areas, speed and magnification of its whole path are within the bounds."""
    corners = view_corners(homographies)
    areas = view_areas(corners) / view.widest_area
    kept = areas.min(axis=-1) >= recipe.min_view_area
    kept &= max_magnification(homographies, view) <= recipe.max_magnification * (1 + _SLACK)
    frames = homographies[:, :num_frames]
    kept &= max_speed(frames, 1 / video.fps) <= recipe.max_speed / 100
    # One frame that shows enough is enough; only where none does is the union worth its price.
    wide = areas[:, :num_frames].max(axis=-1) >= recipe.min_union_area
    if (kept & ~wide).any():
        wide |= union_area(corners[:, :num_frames]) / view.widest_area >= recipe.min_union_area
    return kept & wide
