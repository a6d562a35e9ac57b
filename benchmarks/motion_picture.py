"""The picture of `camera_motion.py`: one still, four moves, and the take that each camera sentence finds.

A photograph of the demo, which nothing was trained on, is filmed in the eight takes of the bed; `tokens`,
trained as in the benchmark, scores each sentence with all eight. Shown are the forward takes, whatever was
found.

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
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import camera_motion, measure
from benchmarks.camera_motion import CASES, RECIPE, WORDINGS, MotionData, scores_of, trained
from benchmarks.frozen_towers import text_features
from benchmarks.motion_data import LABELS, MOVES, VIDEO, frames_of, load_bed, still_of

SIDE, GAP, TEXT = 112, 4, 44


def main() -> None:
    options = _arguments()
    torch.set_num_threads(1)
    train = sorted((options.photographs / "images").glob("*.jpg"))[: options.train]
    own, dropped = load_bed([options.still], options.cache, seed=2, wordings=1)
    assert not dropped, f"{options.still}: a label of its takes is not the expected one"
    bed, _ = load_bed(train, options.cache, seed=0, wordings=WORDINGS)
    texts = [text for one in (bed, own) for takes in one.wordings for take in takes for text in take]
    data = MotionData(train=bed, held_out=own, texts=text_features(texts, options.cache), dropped=0)
    model = trained(CASES["tokens"], data, replace(RECIPE, seed=0), steps=options.steps)
    [scores] = scores_of(model, own)["fused"]
    [wordings] = own.wordings
    for label, takes, row in zip(LABELS, wordings, scores, strict=True):
        print(f"{label:<12} finds {LABELS[int(row.argmax())]:<12} {takes[0]}")
    sheet([take[0] for take in wordings], scores, options.still).save(options.out, quality=90)


def sheet(sentences: list[str], scores: np.ndarray, photograph: Path) -> Image.Image:
    """A row a move: its sentence, the frames of the take, and what the sentence found."""
    still = still_of(photograph)
    width = VIDEO.num_frames * (SIDE + GAP) - GAP
    page = Image.new("RGB", (width, len(MOVES) * (SIDE + TEXT)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    for number, move in enumerate(MOVES):
        top, take = number * (SIDE + TEXT), 2 * number
        frames = frames_of(still, move)
        found = int(scores[take].argmax())
        said = "found first of the eight" if found == take else f"found: {LABELS[found]}"
        draw.text((0, top + 4), f"“{sentences[take]}”", "black", font)
        draw.text((0, top + 22), said, "green" if found == take else "firebrick", font)
        for place, frame in enumerate(frames):
            small = Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (place * (SIDE + GAP), top + TEXT))
    return page


def _arguments() -> argparse.Namespace:
    data = measure.ROOT.parent / "shared" / "data"
    demo = measure.ROOT / "animate" / "demo"
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=data / "flickr8k-224")
    parser.add_argument("--still", type=Path, default=demo / "temple.jpg")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "animate-camera-motion")
    parser.add_argument("--train", type=int, default=camera_motion.TRAIN)
    parser.add_argument("--steps", type=int, default=camera_motion.STEPS)
    parser.add_argument("--out", type=Path, default=measure.ROOT / "docs" / "motion.jpg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
