"""What a shot looks like: a clip of one still or several, and contact sheets with the views drawn on them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from animate.arrays import Frames, Picture
from animate.camera import View, view_corners
from animate.components import COMPONENTS, RETIMES
from animate.data import Take, take_rng
from animate.edit import Edit, Layer, draw_edit
from animate.label import label_of, words_of
from animate.leeway import check_shots
from animate.recipe import (
    EditRecipe,
    ShotKind,
    ShotRecipe,
    SourceRecipe,
    VideoRecipe,
    preset_names,
    read_preset,
)
from animate.render import render
from animate.saliency import salient_point
from animate.sentences import camera_caption
from animate.strict_toml import RecipeError

#: Pixels between and around the pictures of a sheet, and the height of its text line.
_GAP, _TEXT = 6, 20

#: Colours of a sheet and of its text.
_PAPER, _INK = (255, 255, 255), (40, 40, 40)

#: Colours of the first and the last view, green and red; those in between are mixtures.
_FIRST, _LAST = np.array([40, 200, 80]), np.array([235, 50, 40])


#: The rows of a sheet of everything that show what an open shutter does, and how far it is open in degrees.
SHUTTERS = {"whip_pan, shutter closed": 0.0, "whip_pan, shutter open for half of the time": 180.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`stills` that have been filmed: their `frames`, the `layers` and `edit`, and the camera `label` and
    `caption`."""

    stills: tuple[Picture, ...]
    frames: Frames
    layers: tuple[Layer, ...]
    edit: Edit
    label: str
    caption: str


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


def demonstrations(num_frames: int, video: VideoRecipe) -> dict[str, tuple[ShotRecipe, VideoRecipe]]:
    """Title -> what to film for every row of a sheet of everything, and as what clip.

    After the components and presets come transitions between two stills, and a whip pan without and with an
    open shutter, so short that `num_frames` show all of it.
    """
    rows = {name: (shot_list(name), video) for name in (*COMPONENTS, *preset_names())}
    push_in = shot_list("dolly").shots
    for kind in ("cut", "dissolve", "fade"):
        seconds = video.duration_seconds / 2
        edit = EditRecipe(stills=2, transitions=(kind,), transition_seconds=(seconds, seconds))
        rows[kind] = (ShotRecipe(preset=kind, shots=push_in, edit=edit), video)
    short = dataclasses.replace(video, num_frames=num_frames)
    whip_pan = {"degrees": 30.0, "at": 0.5, "seconds": short.duration_seconds}
    whip_pan_alone = ShotKind(name="whip_pan", components={"whip_pan": whip_pan})
    for title, degrees in SHUTTERS.items():
        # The same preset: with the same draws the two differ in the shutter alone.
        recipe = ShotRecipe(preset="whip_pan", shots=(whip_pan_alone,), shutter_degrees=degrees)
        rows[title] = (recipe, short)
    return rows


def preview(stills: Sequence[Picture], recipe: ShotRecipe, video: VideoRecipe, seed: int = 0) -> Preview:
    """A clip of one still or of a montage's. `RecipeError` for another number of stills than the recipe
    films, and for bounds that contradict its shots.
    """
    if len(stills) != recipe.edit.stills:
        raise RecipeError(
            f"shot {recipe.preset!r}: a clip of it shows {recipe.edit.stills} "
            f"image{'s' if recipe.edit.stills > 1 else ''}, {len(stills)} given"
        )
    limits = SourceRecipe()
    check_shots(recipe, video, limits.max_pixels, limits.max_aspect)
    size = (video.width, video.height)
    views = [View(still_size=(still.shape[1], still.shape[0]), frame_size=size) for still in stills]
    rng = take_rng(seed, "preview", Take(source_key=recipe.preset, index=0))
    points = [partial(salient_point, still) for still in stills]
    edit, layers = draw_edit(recipe, video, views, rng, points)
    words = words_of(edit, layers, views, video.fps)
    return Preview(
        stills=tuple(stills),
        frames=render(stills, layers, video),
        layers=layers,
        edit=edit,
        label=label_of(edit, words),
        caption=camera_caption(words, [transition.kind for transition in edit.transitions], rng),
    )


def contact_sheet(preview: Preview, title: str, num_frames: int = 8) -> Picture:
    """Each still with every view drawn on it, then `num_frames` frames in order, under a line of text.

    Each still after the first takes the place of one frame.
    """
    frames = preview.frames
    num_frames = max(2, num_frames - len(preview.stills) + 1)
    chosen = np.unique(np.linspace(0, len(frames) - 1, num_frames).round().astype(int))
    height = frames.shape[1]
    views = [_with_views(preview, number, height) for number in range(len(preview.stills))]
    row = [*views, *frames[chosen]]
    blank = np.full((height, _GAP, 3), _PAPER, np.uint8)
    strip = np.concatenate([piece for picture in row for piece in (picture, blank)][:-1], axis=1)
    text = f"{title}: {preview.label}" if title else preview.label
    return np.concatenate([text_line(text, strip.shape[1]), strip])


def sheet_of_all(
    stills: Sequence[Picture], video: VideoRecipe, num_frames: int = 8, seed: int = 0
) -> Picture:
    """A contact sheet with one row for each of `demonstrations`.

    Each films as many of the stills as it shows, the first ones; `RecipeError` where there are fewer.
    """
    rows = [
        contact_sheet(preview(stills[: recipe.edit.stills], recipe, clip, seed), title, num_frames)
        for title, (recipe, clip) in demonstrations(num_frames, video).items()
    ]
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


def _with_views(preview: Preview, number: int, height: int) -> Picture:
    """Still `number`, `height` pixels high, with the views of its shots."""
    still = preview.stills[number]
    width = round(still.shape[1] * height / still.shape[0])
    picture = cv2.resize(still, (width, height), interpolation=cv2.INTER_AREA)
    picture = cv2.addWeighted(picture, 0.75, np.full_like(picture, 255), 0.25, 0)
    total = max(1, len(preview.frames) - 1)
    for layer in preview.layers:
        if layer.still != number:
            continue
        for i, corners in enumerate(view_corners(layer.homographies)):
            share = (layer.first + i) / total
            colour = tuple(int(c) for c in _FIRST * (1 - share) + _LAST * share)
            # In sixteenths of a pixel, so that lines of slow moves do not snap to whole pixels.
            points = np.rint((corners * (width, height) - 0.5) * 16).astype(np.int32)
            cv2.polylines(picture, [points], True, colour, 1, cv2.LINE_AA, 4)
    return picture


def text_line(text: str, width: int) -> Picture:
    """A line of text on white paper, `width` pixels long; letters that are not ASCII are question marks."""
    line = np.full((_TEXT, width, 3), _PAPER, np.uint8)
    cv2.putText(line, text, (1, _TEXT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return line
