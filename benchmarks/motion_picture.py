"""The picture of `camera_motion.py`: one still, four moves, and the take that each camera sentence finds.

The demo's photographs, which nothing was trained on, are cut to squares of 224 pixels as the bed's are and
filmed in its eight takes; `tokens`, trained as in the benchmark, scores each sentence with all eight. Printed
is what was found of every photograph; shown is the first of which all four forward takes were.

    pip install animate[experiments]
    python benchmarks/motion_picture.py --photographs FOLDER [--cache FOLDER] --out docs/motion.jpg
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import camera_motion, measure
from benchmarks.camera_motion import CASES, RECIPE, WORDINGS, MotionData, scores_of, trained
from benchmarks.frozen_towers import text_features
from benchmarks.motion_data import LABELS, MOVES, NUM_TAKES, VIDEO, frames_of, load_bed, still_of

SIDE, GAP, TEXT = 112, 4, 44


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        stills = squares(sorted((measure.ROOT / "animate" / "demo").glob("*.jpg")), Path(folder))
        own, dropped = load_bed(stills, Path(folder), seed=2, wordings=1)
        assert not dropped, "a label of a take is not the expected one"
        train = sorted((options.photographs / "images").glob("*.jpg"))[: options.train]
        bed, _ = load_bed(train, options.cache, seed=0, wordings=WORDINGS)
        texts = [text for one in (bed, own) for takes in one.wordings for take in takes for text in take]
        data = MotionData(train=bed, held_out=own, texts=text_features(texts, options.cache), dropped=0)
        model = trained(CASES["tokens"], data, replace(RECIPE, seed=0), steps=options.steps)
        scores = scores_of(model, own)["fused"]
        found = scores.argmax(axis=2)
        right = found == np.arange(NUM_TAKES)
        for still, hits in zip(stills, right, strict=True):
            print(f"{still.stem:<14} {int(hits.sum())} of {NUM_TAKES}", *np.array(LABELS)[~hits], sep=", ")
        whole = np.flatnonzero(right[:, ::2].all(axis=1))
        print(f"{right.sum()} of {right.size} sentences; all four moves of {len(whole)} photographs")
        shown = int(whole[0]) if len(whole) else 0
        sentences = [take[0] for take in own.wordings[shown]]
        sheet(sentences, found[shown], stills[shown]).save(options.out, quality=90)


def squares(photographs: list[Path], folder: Path) -> list[Path]:
    """The middle of each, 224 x 224, as PNG files."""
    made = []
    for photograph in photographs:
        made.append(folder / f"{photograph.stem}.png")
        with Image.open(photograph) as image:
            ImageOps.fit(image.convert("RGB"), (224, 224), Image.Resampling.LANCZOS).save(made[-1])
    return made


def sheet(sentences: list[str], found: np.ndarray, photograph: Path) -> Image.Image:
    """A row a move: its sentence, the frames of the take, and what the sentence found."""
    still = still_of(photograph)
    width = VIDEO.num_frames * (SIDE + GAP) - GAP
    page = Image.new("RGB", (width, len(MOVES) * (SIDE + TEXT)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    for number, move in enumerate(MOVES):
        top, take = number * (SIDE + TEXT), 2 * number
        frames = frames_of(still, move)
        right = found[take] == take
        said = "found first of the eight takes" if right else f"found: {LABELS[found[take]]}"
        draw.text((0, top + 4), f"“{sentences[take]}”", "black", font)
        draw.text((0, top + 22), said, "green" if right else "firebrick", font)
        for place, frame in enumerate(frames):
            small = Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (place * (SIDE + GAP), top + TEXT))
    return page


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-camera-motion")
    parser.add_argument("--train", type=int, default=camera_motion.TRAIN)
    parser.add_argument("--steps", type=int, default=camera_motion.STEPS)
    parser.add_argument("--out", type=Path, default=measure.ROOT / "docs" / "motion.jpg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
