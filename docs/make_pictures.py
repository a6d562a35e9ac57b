"""The picture that the README opens with: photographs of the demo, and the films that are made of them.

Above lies each still with the view of the moment drawn on it, below is the frame that this view gives. The
same versions give the same bytes.

    python docs/make_pictures.py --out docs/alive.gif
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from animate.arrays import Frames, Picture
from animate.camera import view_corners
from animate.codec import decode_still, encode_gif
from animate.preview import Preview, preview
from animate.recipe import EditRecipe, ShotKind, ShotRecipe, SourceRecipe, VideoRecipe

DEMO = Path(__file__).resolve().parent.parent / "animate" / "demo"

#: Photograph -> the components that film it.
MOVES = {
    "raccoon": {"dolly": {"amount": 0.35, "direction": "in"}, "interest": {"point": "saliency"}},
    "coffee": {"pan": {"degrees": 22.0}, "roll": {"degrees": 6.0}},
    "temple": {"pedestal": {"amount": 0.3, "direction": "up"}},
    "cat": {"zoom": {"ratio": 1.8, "direction": "in"}, "handheld": {"degrees": 0.4}},
}

#: Of one frame of the picture, in pixels; the line between two pictures; the colour of the view.
WIDTH, HEIGHT, GAP, VIEW = 116, 88, 4, (40, 200, 80)

FPS, NUM_FRAMES, STILL_FRAMES = 10, 32, 6


def filmed(name: str, components: dict) -> Preview:
    """The demo's photograph `name`, filmed by these components, slow at both ends of the move."""
    still = decode_still((DEMO / f"{name}.jpg").read_bytes(), SourceRecipe())
    first = next(iter(components))
    components = {**components, first: {**components[first], "ease": "ease_in_out"}}
    kind = ShotKind(name=name, components=components)
    recipe = ShotRecipe(preset=name, shots=(kind,), edit=EditRecipe(), min_union_area=0.3)
    video = VideoRecipe(size=(WIDTH, HEIGHT), num_frames=NUM_FRAMES, fps=FPS, quality="best")
    return preview([still], recipe, video, seed=1)


def column(film: Preview) -> Frames:
    """[t, 2 h, w, 3]: the still with the view on it above, the frame below; a while nothing moves."""
    [still], [layer] = film.stills, film.layers
    scale = min(WIDTH / still.shape[1], HEIGHT / still.shape[0])
    w, h = round(still.shape[1] * scale), round(still.shape[0] * scale)
    small = cv2.resize(still, (w, h), interpolation=cv2.INTER_AREA)
    x, y = (WIDTH - w) // 2, (HEIGHT - h) // 2
    pairs = []
    for frame, corners in zip(film.frames, view_corners(layer.homographies), strict=True):
        with_view = small.copy()
        points = np.rint((corners * (w, h) - 0.5) * 16).astype(np.int32)
        cv2.polylines(with_view, [points], True, VIEW, 2, cv2.LINE_AA, 4)
        paper = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
        paper[y : y + h, x : x + w] = with_view
        gap = np.full((GAP, WIDTH, 3), 255, np.uint8)
        pairs.append(np.concatenate([paper, gap, frame]))
    return np.stack([pairs[0]] * STILL_FRAMES + pairs + [pairs[-1]] * STILL_FRAMES)


def alive() -> Frames:
    """All columns side by side."""
    columns = [column(filmed(name, components)) for name, components in MOVES.items()]
    gap: Picture = np.full((len(columns[0]), columns[0].shape[1], GAP, 3), 255, np.uint8)
    pieces = [piece for one in columns for piece in (one, gap)][:-1]
    return np.concatenate(pieces, axis=2)


def main() -> None:
    parser = argparse.ArgumentParser(description="The picture that the README opens with.")
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.write_bytes(encode_gif(alive(), FPS))


if __name__ == "__main__":
    main()
