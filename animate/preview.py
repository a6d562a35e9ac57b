"""What a shot looks like: a clip of one still, and contact sheets with the views drawn on the still."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from animate.arrays import Frames, Picture
from animate.camera import View, view_corners
from animate.components import COMPONENTS, RETIMES
from animate.data import Take, take_rng
from animate.edit import Edit, Layer, draw_edit
from animate.label import describe
from animate.leeway import check_shots
from animate.recipe import ShotKind, ShotRecipe, SourceRecipe, VideoRecipe, preset_names, read_preset
from animate.render import render
from animate.saliency import salient_point
from animate.strict_toml import RecipeError

#: Pixels between and around the pictures of a sheet, and the height of its text line.
_GAP, _TEXT = 6, 20

#: Colours of a sheet and of its text.
_PAPER, _INK = (255, 255, 255), (40, 40, 40)

#: Colours of the first and the last view, green and red; those in between are mixtures.
_FIRST, _LAST = np.array([40, 200, 80]), np.array([235, 50, 40])


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A `still` that has been filmed: its `frames`, their `layers` and `edit`, and its camera `label`."""

    still: Picture
    frames: Frames
    layers: tuple[Layer, ...]
    edit: Edit
    label: str


def shot_list(name: str) -> ShotRecipe:
    """The preset called `name`, or a shot of the component called so alone; `RecipeError` lists both."""
    if name in preset_names():
        return read_preset(name)
    if name not in COMPONENTS:
        raise RecipeError(
            f"shot {name!r}: must be a preset ({', '.join(preset_names())}) "
            f"or a component ({', '.join(COMPONENTS)})"
        )
    components: dict[str, dict] = {name: {}}
    if name in RETIMES:
        # A change of time can only be seen in a move.
        components = {"truck": {"amount": 0.3, "ease": "linear"}, **components}
    return ShotRecipe(preset=name, shots=(ShotKind(name=name, components=components),))


def preview(still: Picture, recipe: ShotRecipe, video: VideoRecipe, seed: int = 0) -> Preview:
    """A clip of `still`. Raises `RecipeError` for a montage, which needs several stills, and for bounds that
    contradict the shots."""
    if recipe.edit.stills > 1:
        raise RecipeError(f"shot.edit.stills = {recipe.edit.stills}: a preview has one still, not a montage")
    limits = SourceRecipe()
    check_shots(recipe, video, limits.max_pixels, limits.max_aspect)
    view = View(still_size=(still.shape[1], still.shape[0]), frame_size=(video.width, video.height))
    rng = take_rng(seed, "preview", Take(source_key=recipe.preset, index=0))
    edit, layers = draw_edit(recipe, video, [view], rng, [lambda: salient_point(still)])
    return Preview(
        still=still,
        frames=render([still], layers, video),
        layers=layers,
        edit=edit,
        label=describe(edit, layers, [view], video.fps),
    )


def contact_sheet(preview: Preview, title: str, num_frames: int = 8) -> Picture:
    """The still with every view drawn on it, then `num_frames` frames in order, under a line of text."""
    frames = preview.frames
    chosen = np.unique(np.linspace(0, len(frames) - 1, num_frames).round().astype(int))
    height = frames.shape[1]
    row = [_with_views(preview, height), *frames[chosen]]
    blank = np.full((height, _GAP, 3), _PAPER, np.uint8)
    strip = np.concatenate([piece for picture in row for piece in (picture, blank)][:-1], axis=1)
    text = f"{title}: {preview.label}" if title else preview.label
    return np.concatenate([_text_line(text, strip.shape[1]), strip])


def sheet_of_all(still: Picture, video: VideoRecipe, num_frames: int = 8, seed: int = 0) -> Picture:
    """A contact sheet with one row for each component and each preset."""
    names = [*COMPONENTS, *(name for name in preset_names() if read_preset(name).edit.stills == 1)]
    rows = [contact_sheet(preview(still, shot_list(name), video, seed), name, num_frames) for name in names]
    return stack(rows)


def stack(rows: Sequence[Picture]) -> Picture:
    """Pictures under each other on white paper."""
    width = max(row.shape[1] for row in rows) + 2 * _GAP
    padded = []
    for row in rows:
        paper = np.full((row.shape[0] + _GAP, width, 3), _PAPER, np.uint8)
        paper[: row.shape[0], _GAP : _GAP + row.shape[1]] = row
        padded.append(paper)
    return np.concatenate(padded)


def _with_views(preview: Preview, height: int) -> Picture:
    width = round(preview.still.shape[1] * height / preview.still.shape[0])
    picture = cv2.resize(preview.still, (width, height), interpolation=cv2.INTER_AREA)
    picture = cv2.addWeighted(picture, 0.75, np.full_like(picture, 255), 0.25, 0)
    total = max(1, len(preview.frames) - 1)
    for layer in preview.layers:
        for i, corners in enumerate(view_corners(layer.homographies)):
            share = (layer.first + i) / total
            colour = tuple(int(c) for c in _FIRST * (1 - share) + _LAST * share)
            # In sixteenths of a pixel, so that lines of slow moves do not snap to whole pixels.
            points = np.rint((corners * (width, height) - 0.5) * 16).astype(np.int32)
            cv2.polylines(picture, [points], True, colour, 1, cv2.LINE_AA, 4)
    return picture


def _text_line(text: str, width: int) -> Picture:
    line = np.full((_TEXT, width, 3), _PAPER, np.uint8)
    cv2.putText(line, text, (1, _TEXT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return line
