"""A picture of a set: clips that lie evenly over it, a row of frames each, under their captions."""

import numpy as np

from animate.arrays import Picture
from animate.inspect.catalogue import Catalogue
from animate.inspect.opened import NoClip, read_clip
from animate.inspect.pictures import within
from animate.preview import stack, text_line

#: Clips of a sheet, frames of each, and pixels between these and along their longer side, at most.
SHEET_CLIPS, _FRAMES, _GAP, _MOST_SIDE = 12, 8, 4, 224


def set_sheet(catalogue: Catalogue) -> Picture:
    """The sheet, without clips that do not decode; `NoClip` if the set has no clip to show."""
    clips = catalogue.clips
    if not clips:
        raise NoClip(f"{catalogue.set.place.shown('')}: has no clip to show")
    chosen = np.unique(np.linspace(0, len(clips) - 1, SHEET_CLIPS).round().astype(int))
    rows = []
    for number in chosen.tolist():
        entry = clips[number]
        try:
            frames = read_clip(catalogue.set, entry.spot).frames()
        except ValueError:  # the page tells of it
            continue
        shown = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))
        pictures = [within(frames[i], _MOST_SIDE) for i in shown]
        gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
        strip = np.concatenate([piece for picture in pictures for piece in (picture, gap)][:-1], axis=1)
        width = strip.shape[1]
        rows.append(np.concatenate([text_line(entry.caption, width), text_line(entry.camera, width), strip]))
    if not rows:
        raise NoClip(f"{catalogue.set.place.shown('')}: has no clip that decodes; see `animate verify`")
    return stack(rows)
