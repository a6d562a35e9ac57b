"""The bed of `camera_motion.py`: photographs filmed in eight takes, four moves and each of them backwards.

A take and its reversal hold the same frames, so features are made of the forward takes alone. Label and
sentences are the product's own. A still counts only if the label of each of its takes is the expected word.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float16
from safetensors.torch import load_file
from torch import Tensor

from animate.arrays import Frames
from animate.camera import View
from animate.edit import Edit, Layer, draw_edit
from animate.film import Still
from animate.label import label_of, words_of
from animate.recipe import ShotKind, ShotRecipe, SourceRecipe, VideoRecipe
from animate.render import render
from animate.sentences import camera_caption
from benchmarks.frozen_towers import IMAGE_WIDTH, frame_features, image_network, keep
from retrieval.batch import Batch, Facts
from retrieval.order import epoch_order

VIDEO = VideoRecipe(size=128, num_frames=6, fps=3, format="frames")
#: 128 pixels give EfficientNet-Lite0 a feature map of just this many cells.
GRID = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A component of the camera with its amount, its direction and the other one, and the label of each."""

    component: str
    amount: dict[str, float]
    directions: tuple[str, str]
    labels: tuple[str, str]


#: So large that what is at the edge of the first frame passes most of the way to the other edge. A pan goes
#: two and a half times as far as a truck, in widths of its frame: its keystone, one edge a tenth longer than
#: the other whatever the angle (the lens closes in until the still fills the frame), is hardly seen.
MOVES = (
    Move(
        component="pan",
        amount={"degrees": 30},
        directions=("right", "left"),
        labels=("pan right", "pan left"),
    ),
    Move(
        component="tilt", amount={"degrees": 25}, directions=("up", "down"), labels=("tilt up", "tilt down")
    ),
    Move(component="dolly", amount={"amount": 0.4}, directions=("in", "out"), labels=("push in", "pull out")),
    Move(
        component="truck",
        amount={"amount": 0.4},
        directions=("right", "left"),
        labels=("truck right", "truck left"),
    ),
)
#: Take 2 m is move m forward, take 2 m + 1 its reversal.
LABELS = tuple(label for move in MOVES for label in move.labels)
NUM_TAKES = len(LABELS)
_STILLS_PER_PART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """n stills: features of their four forward takes, and sentences of all eight.

    `wordings[i][k]` are those of take k of still i, `captions[i]` are what people wrote of the still.
    """

    frames: Float16[Tensor, "n 4 t p 1280"]
    wordings: tuple[tuple[tuple[str, ...], ...], ...]
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.wordings)

    def first(self, count: int) -> "Bed":
        """Its first stills."""
        return Bed(frames=self.frames[:count], wordings=self.wordings[:count], captions=self.captions[:count])

    def take(self, still: int, number: int) -> Float16[Tensor, "t p 1280"]:
        """Features of one of the eight takes: of a reversal those of its forward take, last frame first."""
        forward = self.frames[still, number // 2]
        return forward.flip(0) if number % 2 else forward


def wordings_of(still: Still, rng: np.random.Generator, count: int) -> tuple[tuple[str, ...], ...] | None:
    """Sentences of the eight takes of one still; None where the label of one is not what it should be."""
    view = still.view(VIDEO)
    texts: list[tuple[str, ...]] = []
    for move in MOVES:
        takes = [_draw(move, direction, view) for direction in move.directions]
        (_, [forward]), (_, [backward]) = takes
        reversal = np.abs(forward.homographies[::-1] - backward.homographies).max()
        assert reversal <= 1e-9, f"{move.component}: its reversal is another path, by {reversal}"
        for (edit, layers), label in zip(takes, move.labels, strict=True):
            words = words_of(edit, layers, [view], VIDEO.fps)
            if label_of(edit, words) != label:
                return None
            texts.append(tuple(camera_caption(words, (), rng) for _ in range(count)))
    return tuple(texts)


def load_bed(photographs: Sequence[Path], cache: Path, *, seed: int, wordings: int) -> tuple[Bed, int]:
    """The stills that count, and the number of those that do not; features lie in `cache`, of some stills and
    one move in a file, so that another amount of one move costs no more than that move."""
    frames = torch.empty(
        len(photographs), len(MOVES), VIDEO.num_frames, 1 + GRID * GRID, IMAGE_WIDTH, dtype=torch.float16
    )
    for first in range(0, len(photographs), _STILLS_PER_PART):
        files = photographs[first : first + _STILLS_PER_PART]
        for number, move in enumerate(MOVES):
            kept = cache / f"{move.component}_{_digest(move, files)}.safetensors"
            if not kept.is_file():
                keep(kept, {"frames": _features(move, files)})
            frames[first : first + len(files), number] = load_file(kept)["frames"]
    texts = [
        wordings_of(still_of(file), np.random.default_rng([seed, number]), wordings)
        for number, file in enumerate(photographs)
    ]
    captions = _captions(photographs[0].parent.parent / "captions.jsonl")
    good = [number for number, own in enumerate(texts) if own is not None]
    bed = Bed(
        # Indexed, a gigabyte and more would be copied for nothing.
        frames=frames if len(good) == len(photographs) else frames[good],
        wordings=tuple(own for own in texts if own is not None),
        captions=tuple(captions[photographs[number].stem] for number in good),
    )
    return bed, len(photographs) - len(bed)


def still_of(photograph: Path) -> Still:
    """A photograph, opened for filming."""
    return Still(photograph.read_bytes(), SourceRecipe())


def frames_of(still: Still, move: Move) -> Frames:
    """The forward take of a move."""
    _, layers = _draw(move, move.directions[0], still.view(VIDEO))
    return render([still.pixels(0)], layers, VIDEO)


class MotionLoader:
    """`retrieval.batch.TrainData` over a bed: all takes of a still in one batch, a wording of each drawn.

    Facts as `retrieval.loader` states them with data.caption_of = "camera": a sentence is right of every clip
    with the same label or the same sentence. With `captions`, as with data.caption_of = "both" and
    data.camera_for = "fine": one text in two is a caption of the still, the others are for the fine stage.
    """

    def __init__(self, bed: Bed, *, seed: int, captions: bool = False) -> None:
        self.bed, self.seed, self.captions = bed, seed, captions

    def batches_per_epoch(self, batch_size: int) -> int:
        return len(self.bed) * NUM_TAKES // batch_size

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        assert workers == 1 and rank == 0, "frozen features are trained on by one process"
        rng = np.random.default_rng([self.seed, epoch])
        stills = np.repeat(np.arange(len(self.bed)), NUM_TAKES)
        order = epoch_order(stills, rng, together=NUM_TAKES, batch_size=batch_size)
        drawn = rng.random(len(order))
        of_still = rng.random(len(order)) < 0.5 if self.captions else np.zeros(len(order), bool)
        for step in range(start, self.batches_per_epoch(batch_size)):
            places = order[step * batch_size : (step + 1) * batch_size]
            yield self._batch(places.tolist(), drawn[places].tolist(), of_still[places].tolist())

    def _batch(self, places: list[int], shares: list[float], of_still: list[bool]) -> Batch:
        rows = [divmod(place, NUM_TAKES) for place in places]
        texts = [
            self.bed.captions[still] if plain else self.bed.wordings[still][take]
            for (still, take), plain in zip(rows, of_still, strict=True)
        ]
        captions = [own[int(share * len(own))] for own, share in zip(texts, shares, strict=True)]
        frames = torch.stack([self.bed.take(still, take) for still, take in rows])
        names = [f"{still}/{take}" for still, take in rows]
        motions = [f"motion {LABELS[take]}" for _, take in rows]
        words = [f"words {caption}" for caption in captions]
        stills = [f"still {still}" for still, _ in rows]
        return Batch(
            frames=frames,
            mask=torch.ones(frames.shape[:2], dtype=torch.bool),
            captions=captions,
            video_ids=names,
            keys=names,
            facts=Facts(
                said=[
                    (still if plain else motion, word)
                    for still, motion, word, plain in zip(stills, motions, words, of_still, strict=True)
                ],
                shown=list(zip(stills, motions, words, strict=True)),
            ),
            fine_only=[not plain for plain in of_still] if self.captions else None,
        )


def _captions(file: Path) -> dict[str, tuple[str, ...]]:
    """By the stem of the photograph's name."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {Path(row["image"]).stem: tuple(row["captions"]) for row in rows}


def _digest(move: Move, files: Sequence[Path]) -> str:
    """Of all that features of a forward take depend on but the code."""
    parts = [repr((VIDEO, move, GRID)), *(file.name for file in files)]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _draw(move: Move, direction: str, view: View) -> tuple[Edit, tuple[Layer, ...]]:
    given = {**move.amount, "direction": direction, "ease": "linear"}
    kind = ShotKind(name=move.component, components={move.component: given})
    # Large moves show little of a still at a time, and that is meant.
    recipe = ShotRecipe(min_view_area=0.1, min_union_area=0.3, shots=(kind,))
    return draw_edit(recipe, VIDEO, [view], np.random.default_rng(0), [lambda: (0.5, 0.5)])


def _features(move: Move, files: Sequence[Path]) -> Float16[Tensor, "n t p 1280"]:
    """Of the forward take of each still."""
    network = image_network()
    rows: list[Tensor] = []
    for still in map(still_of, files):
        frames = torch.from_numpy(frames_of(still, move)).movedim(3, 1)
        rows.append(frame_features(network, frames, GRID).half())
    return torch.stack(rows)
