"""An edit: the shots of one clip and the transitions between them.

`draw_edit` draws one from a recipe and a generator, `Edit.to_json` records it, `Edit.from_json` reads it
again, and `Edit.layers` gives the homographies that are rendered.
"""

import dataclasses
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from animate.camera import Homographies, View
from animate.components import COMPONENTS, NAMES, Component, SalientPoint
from animate.errors import UserError
from animate.fit import StillTooSmall, fit_shots
from animate.recipe import EditRecipe, ShotRecipe, VideoRecipe
from animate.shot import Seen, Shot, draw_shot

#: Frames that a clip must have for each of its shots, so that there is something to see beside transitions.
_FRAMES_A_SHOT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one shot gives to a clip: frames `first`, `first` + 1, … of still number `still`.

    `homographies` map view to source in unit coordinates, one a frame. `exposures` are the homographies that
    are averaged in the frames, those of the first frame first, `exposures_per_frame` of each: several where
    the view moves while the shutter is open, otherwise the frame's own alone. `weight`
    is the share of the shot in the light of each frame, `blur` the standard deviation of its blur in frame
    widths, `stops` its exposure.
    """

    still: int
    first: int
    homographies: Homographies
    exposures: Homographies
    exposures_per_frame: Int64[np.ndarray, " t"]
    weight: Float64[np.ndarray, " t"]
    blur: Float64[np.ndarray, " t"]
    stops: Float64[np.ndarray, " t"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """How a shot gives way to the next: `kind` is cut, dissolve or fade, `frames` is how many show both."""

    kind: str
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The camera work of one clip: its `shots` in order, and `transitions`, one between each and the next."""

    shots: tuple[Shot, ...]
    transitions: tuple[Transition, ...]

    def layers(self, views: Sequence[View], fps: float) -> tuple[Layer, ...]:
        """One layer a shot, given the view of each still. The weights of every frame of the clip add up to 1,
        or to less in a fade, which is black in the middle.
        """
        return self._layers([shot.seen(views[shot.still], fps) for shot in self.shots], fps)

    def _layers(self, seen: Sequence[Seen], fps: float) -> tuple[Layer, ...]:
        """One layer a shot, given what each sees."""
        layers = []
        for shot, views, weight in zip(self.shots, seen, self._weights(), strict=True):
            layers.append(
                Layer(
                    still=shot.still,
                    first=shot.first,
                    homographies=views.frames,
                    exposures=views.exposures,
                    exposures_per_frame=views.exposures_per_frame,
                    weight=weight,
                    blur=shot.blur(fps),
                    stops=shot.stops(fps),
                )
            )
        return tuple(layers)

    def _weights(self) -> list[Float64[np.ndarray, " t"]]:
        """For each shot, its share in the light of each of its frames.

        For the four frames of a transition:

            share       1/8  3/8  5/8  7/8     of the transition that has passed in the middle of the frame
            dissolve    7/8  5/8  3/8  1/8     of the shot that goes
                        1/8  3/8  5/8  7/8     of the shot that comes
            fade        3/4  1/4   0    0      of the shot that goes, to black
                         0    0   1/4  3/4     of the shot that comes, from black
        """
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
        """Everything needed to film the same stills in the same way again."""
        shots = [
            {
                "name": shot.name,
                "still": shot.still,
                "first": shot.first,
                "num_frames": shot.num_frames,
                "amplitude": shot.amplitude,
                "tighten": shot.tighten,
                "shutter_degrees": shot.shutter_degrees,
                "shutter_noise": shot.shutter_noise,
                "shutter_moments": list(shot.shutter_moments),
                "components": {NAMES[type(c)]: _parameters(c) for c in shot.components},
            }
            for shot in self.shots
        ]
        edit = {
            "shots": shots,
            "transitions": [dataclasses.asdict(transition) for transition in self.transitions],
        }
        return json.dumps(edit, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Edit":
        """The edit that `to_json` recorded, equal in every number; `OtherVersion` if it names a component or
        a parameter that there is no more.
        """
        edit = json.loads(text)
        shots = []
        for shot in edit["shots"]:
            components = tuple(_recorded(name, values) for name, values in shot["components"].items())
            moments = tuple(shot.get("shutter_moments", ()))
            shots.append(Shot(**{**shot, "components": components, "shutter_moments": moments}))
        return cls(
            shots=tuple(shots),
            transitions=tuple(Transition(**transition) for transition in edit["transitions"]),
        )


class OtherVersion(UserError):
    """A shot was recorded by a version of animate whose camera had other parts."""


def _recorded(name: str, parameters: Mapping[str, Any]) -> Component:
    known = COMPONENTS.get(name)
    if known is None or parameters.keys() != known.__dataclass_fields__.keys():
        raise OtherVersion(
            f"the camera of this clip was recorded by another version of animate, which had {name!r} with "
            f"{', '.join(parameters) or 'no parameters'}: replay it there, or build it again"
        )
    return known(**parameters)


def _parameters(component: Component) -> dict[str, Any]:
    return {name: getattr(component, name) for name in component.__dataclass_fields__}


def draw_edit(
    recipe: ShotRecipe,
    video: VideoRecipe,
    views: Sequence[View],
    rng: np.random.Generator,
    salient_points: Sequence[SalientPoint],
) -> tuple[Edit, tuple[Layer, ...]]:
    """An edit of one still, or of several in order (a montage), that keeps every bound of the recipe; and
    its `layers`. `draw_shots` and `fit_edits` of one; raises `StillTooSmall` where that is returned.
    """
    drawn = draw_shots(recipe, video, views, rng, salient_points)
    [fitted] = fit_edits([drawn], recipe, video, [views])
    if isinstance(fitted, StillTooSmall):
        raise fitted
    return fitted


def draw_shots(
    recipe: ShotRecipe,
    video: VideoRecipe,
    views: Sequence[View],
    rng: np.random.Generator,
    salient_points: Sequence[SalientPoint],
) -> Edit:
    """An edit as it is drawn, not yet fitted to its stills.

    `views` and `salient_points` hold one entry a still, sizes in pixels.
    """
    transitions, spans = _draw_spans(recipe.edit, video, len(views), rng)
    stills = [number % len(views) for number in range(len(spans))]
    shots = [
        draw_shot(recipe, still, frames, salient_points[still], rng)
        for still, frames in zip(stills, spans, strict=True)
    ]
    return Edit(shots=tuple(shots), transitions=tuple(transitions))


def fit_edits(
    edits: Sequence[Edit], recipe: ShotRecipe, video: VideoRecipe, views: Sequence[Sequence[View]]
) -> list[tuple[Edit, tuple[Layer, ...]] | StillTooSmall]:
    """Drawn edits with their shots fitted to the stills, and their `layers`; each is as it would be alone.

    `views` holds those of each edit's stills. `StillTooSmall` for an edit in which even the widest view of a
    still would be magnified too much.
    """
    seen_by = [
        by_still[shot.still] for edit, by_still in zip(edits, views, strict=True) for shot in edit.shots
    ]
    fits = iter(fit_shots([shot for edit in edits for shot in edit.shots], recipe, video, seen_by))
    fitted: list[tuple[Edit, tuple[Layer, ...]] | StillTooSmall] = []
    for edit in edits:
        shots, seen, too_small = [], [], None
        for fit in itertools.islice(fits, len(edit.shots)):
            if isinstance(fit, StillTooSmall):
                too_small = too_small or fit
            else:
                shots.append(fit[0])
                seen.append(fit[1])
        edit = Edit(shots=tuple(shots), transitions=edit.transitions)
        fitted.append(too_small or (edit, edit._layers(seen, video.fps)))
    return fitted


def shot_amplitudes(text: str) -> list[float]:
    """The amplitude of each shot of an edit that `Edit.to_json` recorded."""
    return [shot["amplitude"] for shot in json.loads(text)["shots"]]


def _draw_spans(
    edit: EditRecipe, video: VideoRecipe, num_stills: int, rng: np.random.Generator
) -> tuple[list[Transition], list[range]]:
    """The transitions and, for each shot, the frames of the clip in which it is seen.

    Each frame first belongs to one shot. A dissolve or fade of 2 `half` frames then ends the shot before it
    `half` frames later and starts the one after it `half` frames earlier, so that both are seen in all of its
    frames. With 12 frames and the shots a, b and c:

        frame           0  1  2  3  4  5  6  7  8  9 10 11
        belongs to      a  a  a  a  a  b  b  b  b  c  c  c      starts 0, 5, 9 and ends 5, 9, 12
        a is seen in    a  a  a  a  a  a                        range(0, 6)    a dissolves into b: 2 frames,
        b is seen in                b  b  b  b  b               range(4, 9)    half = 1
        c is seen in                               c  c  c      range(9, 12)   b is cut to c: half = 0
    """
    num_shots = _draw_num_shots(edit, video.num_frames, num_stills, rng)
    ends = _draw_ends(num_shots, video.num_frames, rng)
    starts = np.concatenate([[0], ends[:-1]])
    transitions, spans = [], []
    half_before = 0
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        half = 0
        if i + 1 < len(ends):
            kind = edit.transitions[int(rng.random() * len(edit.transitions))]
            seconds = edit.transition_seconds[0] + rng.random() * np.ptp(edit.transition_seconds)
            # At most half of the shorter shot, so that two transitions never meet inside a shot.
            room = min(end - start, ends[i + 1] - starts[i + 1]) // 2
            half = 0 if kind == "cut" else min(max(1, round(seconds * video.fps / 2)), int(room))
            transitions.append(Transition(kind=kind if half else "cut", frames=2 * half))
        spans.append(range(int(start) - half_before, int(end) + half))
        half_before = half
    return transitions, spans


def _draw_num_shots(edit: EditRecipe, num_frames: int, num_stills: int, rng: np.random.Generator) -> int:
    low, high = (num_stills, num_stills) if edit.stills > 1 else edit.shots
    wanted = low + int(rng.random() * (high - low + 1))
    # A montage must show every still, if only for a frame.
    return min(wanted, num_frames if edit.stills > 1 else max(1, num_frames // _FRAMES_A_SHOT))


def _draw_ends(num_shots: int, num_frames: int, rng: np.random.Generator) -> Int64[np.ndarray, " n"]:
    """For each of `num_shots` shots, the frame behind its last.

    One frame is set aside for each shot, and the others are shared out. With 12 frames, three shots and drawn
    shares of 1.6, 1.2 and 0.8, nine frames are left:

        shares added up, of all          4/9  7/9  9/9
        as frames of the nine            4    7    9
        with the frames set aside        5    9    12
    """
    shares = np.array([0.6 + rng.random() for _ in range(num_shots)])
    ends = np.rint(np.cumsum(shares) / shares.sum() * (num_frames - num_shots)).astype(int)
    return ends + np.arange(1, num_shots + 1)
