"""A drawn shot fitted to its still.

**Every bound holds by construction.** A shot's components add up to a path of poses. `fit_shot` then finds
two numbers for the still: `amplitude` in 0..1 scales the whole path towards rest, `tighten` in 0..1 narrows
the frame until its corners stay inside the still. At amplitude 0 the camera rests on the widest view, where
every bound holds; the fit takes the largest amplitude it finds at which they still do. So no frame is ever
rejected, and a bound can only fail where even the widest view breaks it: `StillTooSmall`.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from animate.camera import Homographies, Poses, View, Views, side_by_side, view_corners, widest_fit
from animate.recipe import ShotRecipe, VideoRecipe
from animate.shot import Seen, Shot
from animate.shutter import moments_per_frame
from animate.views import max_magnification, max_speed, union_area, view_areas

#: Amplitudes tried when the drawn path does not fit, the largest first.
_AMPLITUDES = np.linspace(1.0, 0.0, 17)

#: A shot with less than this amplitude is held back: little is left of what was drawn.
HELD_BACK = 0.3

#: Relative slack for a bound that is met exactly at rest: it allows for rounding and nothing else.
_SLACK = 1e-6

#: A frame is not narrowed to less than this: it would show a point, and have no inverse.
_NARROWEST = 1e-3


class StillTooSmall(ValueError):
    """The widest view of a still already needs more magnification than the recipe allows."""


def fit_shot(shot: Shot, recipe: ShotRecipe, video: VideoRecipe, view: View) -> tuple[Shot, Seen]:
    """`fit_shots` of one; raises `StillTooSmall` where no amplitude will do."""
    [fitted] = fit_shots([shot], recipe, video, [view])
    if isinstance(fitted, StillTooSmall):
        raise fitted
    return fitted


def fit_shots(
    shots: Sequence[Shot], recipe: ShotRecipe, video: VideoRecipe, views: Sequence[View]
) -> list[tuple[Shot, Seen] | StillTooSmall]:
    """Each shot with the largest amplitude at which every bound holds and, for that amplitude, the widest
    frame; and what it then sees. `StillTooSmall` for a shot where no amplitude will do.

    No shot's fit depends on the others. All are tried together as they are drawn, and most are kept: for 24
    shots of 9 frames that takes 0.3 ms in place of 3.
    """
    plain = [number for number, shot in enumerate(shots) if not shot.shutter_degrees]
    paths = {number: shots[number].path(views[number], video.fps) for number in plain}
    tried = _as_drawn(list(paths.values()), recipe, video, [views[number] for number in plain])
    as_drawn = dict(zip(plain, tried, strict=True))
    fitted: list[tuple[Shot, Seen] | StillTooSmall] = []
    for number, (shot, view) in enumerate(zip(shots, views, strict=True)):
        try:
            if shot.shutter_degrees:
                shot, fit = _fit_open(shot, recipe, video, view)
            else:
                fit = as_drawn[number] or _fit(
                    paths[number], _AMPLITUDES[1:], shot.num_frames, recipe, video, view
                )
        except StillTooSmall as error:
            fitted.append(error)
            continue
        shot = dataclasses.replace(shot, amplitude=fit.amplitude, tighten=fit.tighten)
        fitted.append((shot, shot.sees(fit.homographies)))
    return fitted


class _Fit(NamedTuple):
    """Of the amplitudes tried, the first that keeps every bound, and the views of its path."""

    amplitude: float
    tighten: float
    homographies: Homographies


def _fit_open(shot: Shot, recipe: ShotRecipe, video: VideoRecipe, view: View) -> tuple[Shot, _Fit]:
    """A shot whose shutter is open, and its fit. How many moments a frame needs depends on the fit, which is
    then made once more, with all of them."""
    probed = _fit(shot.probed_path(view, video.fps), _AMPLITUDES, shot.num_frames, recipe, video, view)
    by_frame = probed.homographies[shot.num_frames :].reshape(shot.num_frames, -1, 3, 3)
    counts = moments_per_frame(by_frame, view.frame_size)
    shot = dataclasses.replace(shot, shutter_moments=tuple(counts.tolist()))
    left = _AMPLITUDES[probed.amplitude >= _AMPLITUDES]
    return shot, _fit(shot.path(view, video.fps), left, shot.num_frames, recipe, video, view)


def _as_drawn(
    paths: Sequence[Poses], recipe: ShotRecipe, video: VideoRecipe, views: Sequence[View]
) -> list[_Fit | None]:
    """The fit at amplitude 1 of each path, one pose a frame; None for those that then break a bound."""
    fits: list[_Fit | None] = [None] * len(paths)
    if not paths:
        return fits
    tighten, homographies = widest_fit(side_by_side(paths), Views.of(views))
    inside = np.flatnonzero(tighten > _NARROWEST)
    if len(inside):
        among = Views.of([views[number] for number in inside.tolist()])
        bounds = bounds_kept(homographies[inside], homographies.shape[1], recipe, video, among)
        for number in inside[np.all(list(bounds.values()), axis=0)].tolist():
            fits[number] = _Fit(1.0, float(tighten[number]), homographies[number, : len(paths[number])])
    return fits


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
            kept = np.all(list(bounds_kept(homographies, num_frames, recipe, video, view).values()), axis=0)
            if kept.any():
                best = int(np.argmax(kept))
                return _Fit(float(tried[best]), float(tighten[best]), homographies[best])
    raise StillTooSmall(
        f"{view.still_size[0]}x{view.still_size[1]} filmed at {view.frame_size[0]}x{view.frame_size[1]} is "
        f"magnified {1 / view.source_pixels_per_frame_pixel:.2f} times; "
        f"shot.max_magnification = {recipe.max_magnification:g}"
    )


def bounds_kept(
    homographies: Float64[np.ndarray, "a n 3 3"],
    num_frames: int,
    recipe: ShotRecipe,
    video: VideoRecipe,
    view: View | Views,
) -> dict[str, Bool[np.ndarray, " a"]]:
    """By name of each bound: whether every path keeps it.

    The first `num_frames` homographies are the frames', the others those of the open shutter. What the
    shutter sees is held to the bounds of a single view; a speed and a union only make sense from frame to
    frame. The union takes far longer than the others, and is only looked at where it decides.
    """
    corners = view_corners(homographies)
    areas = view_areas(corners) / view.widest_area
    frames = homographies[:, :num_frames]
    magnification = max_magnification(homographies, view)
    kept = {
        "min_view_area": areas.min(axis=-1) >= recipe.min_view_area,
        "max_magnification": magnification <= recipe.max_magnification * (1 + _SLACK),
        "max_speed": max_speed(frames, 1 / video.fps, view) <= recipe.max_speed / 100,
    }
    # One frame that shows enough is enough.
    wide = areas[:, :num_frames].max(axis=-1) >= recipe.min_union_area
    open_yet = np.all(list(kept.values()), axis=0) & ~wide
    if open_yet.any():
        widest = np.broadcast_to(view.widest_area, (len(wide), 1))[open_yet, 0]
        wide[open_yet] = union_area(corners[open_yet, :num_frames]) / widest >= recipe.min_union_area
    return {**kept, "min_union_area": wide}
