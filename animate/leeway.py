"""Recipes whose bounds leave no room for what their shots are meant to do: refused before anything is filmed.

Every bound holds by scaling a shot's path down (`animate.fit`). A bound that scales a kind of shot to next
to nothing, however it is drawn, contradicts the shot list: the clips would be static under the name of a
move. `check_leeway` draws each kind of shot a few times, on the largest still that the source lets in, and
tells.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from animate.camera import View, widest_fit
from animate.components import MOVES
from animate.fit import HELD_BACK, StillTooSmall, bounds_kept, fit_shot
from animate.recipe import BuildRecipe, ShotKind, ShotRecipe, VideoRecipe
from animate.shot import draw_shot
from animate.strict_toml import RecipeError

#: A kind of shot is refused if so many draws of it are all held back.
_DRAWS = 8


def check_leeway(recipe: BuildRecipe) -> None:
    """Raises `RecipeError`, naming the bound and the shot, if the recipe contradicts itself."""
    source = recipe.source
    check_shots(recipe.shot, recipe.video, source.max_pixels, source.max_aspect)


def check_shots(shot: ShotRecipe, video: VideoRecipe, max_pixels: int, max_aspect: float) -> None:
    """See `check_leeway`; stills have at most `max_pixels` and sides of at most 1 : `max_aspect`."""
    view = _largest_still(video, max_pixels, max_aspect)
    needed = 1 / view.source_pixels_per_frame_pixel
    if needed > shot.max_magnification * (1 + 1e-6):
        raise RecipeError(
            f"shot.max_magnification = {shot.max_magnification:g} asks for larger stills than "
            f"source.max_pixels = {max_pixels} lets in: frames of {video.width}x{video.height} magnify the "
            f"largest, {view.still_size[0]}x{view.still_size[1]}, {needed:.3g} times"
        )
    for number, kind in enumerate(shot.shots):
        if kind.weight > 0:
            _check_kind(number, kind, shot, video, view)


def _check_kind(number: int, kind: ShotKind, shot: ShotRecipe, video: VideoRecipe, view: View) -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    # The longest that a shot of this recipe can last: the more time, the more room under a bound of speed.
    num_frames = max(1, video.num_frames // max(shot.edit.shots[0], shot.edit.stills))
    alone = dataclasses.replace(shot, shots=(kind,))
    broken = ""
    for _ in range(_DRAWS):
        drawn = draw_shot(alone, 0, range(num_frames), lambda: (0.5, 0.5), rng)
        try:
            fitted, _ = fit_shot(drawn, shot, video, view)
        except StillTooSmall:
            fitted = None
        if fitted is not None and fitted.amplitude >= HELD_BACK:
            return
        path = drawn.poses(drawn.timeline(video.fps, drawn.frames), view)
        # What breaks even when so little is left is what holds it back; others may break only before.
        for amplitude in (HELD_BACK, 1.0):
            broken = broken or _broken_bound(amplitude * path, shot, video, view)
    cause = f"shot.{broken} = {getattr(shot, broken):g}" if broken else "the edge of every still"
    raise RecipeError(
        f"{cause} leaves no room for shot.shots[{number}] ({kind.name!r}): {_parameters(kind.components)} "
        f"would be scaled below {HELD_BACK:g} of what is drawn; give one of them other values, or the shot "
        "a weight of 0"
    )


def _broken_bound(path: np.ndarray, shot: ShotRecipe, video: VideoRecipe, view: View) -> str:
    """The bound that a path breaks; empty where it breaks none, or its views do not even fit the still."""
    tighten, homographies = widest_fit(path[None], view)
    if tighten[0] <= 0:
        return ""
    kept = bounds_kept(homographies, len(path), shot, video, view)
    return next((bound for bound, keeps in kept.items() if not keeps[0]), "")


def _parameters(components: Mapping[str, Mapping[str, Any]]) -> str:
    """What the recipe gives for the components that move: "components.zoom.ratio = [3, 4]"."""
    given = []
    for name, parameters in components.items():
        if name in MOVES and name != "static":
            numbers = {key: value for key, value in parameters.items() if not _is_choice(value)}
            given += [f"components.{name}.{key} = {_toml(value)}" for key, value in numbers.items()]
            if not numbers:
                given.append(f"components.{name}")
    return ", ".join(given)


def _is_choice(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and isinstance(value[0], str))


def _toml(value: Any) -> str:
    return str(list(value)) if isinstance(value, list | tuple) else str(value)


def _largest_still(video: VideoRecipe, max_pixels: int, max_aspect: float) -> View:
    """The largest still that may be filmed, of the frame's own shape or as near to it as may be."""
    aspect = min(max(video.width / video.height, 1 / max_aspect), max_aspect)
    height = max(1, int((max_pixels / aspect) ** 0.5))
    return View(still_size=(max(1, int(height * aspect)), height), frame_size=(video.width, video.height))
