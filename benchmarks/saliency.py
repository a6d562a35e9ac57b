"""Where the eye goes: `animate.saliency` beside other small measures, on photographs with marked subjects.

The boxes of `saliency_boxes.json` were drawn by one person around what the first caption of a photograph of
Flickr8k is about (its grammatical subject, several things together) and, for people, around the heads. By
the order of file names, `chosen_on` is every even photograph and `held_out` every fourth from the second on,
marked after the measure was settled. Of a point it is asked:

    inside      whether it lies in the subject's box
    distance    how far from it, in diagonals of the still, 0 inside
    close-up    whether a close-up on it (zoom 2, square, clamped into the still) holds the box's middle
    head        whether that close-up holds the middle of the heads' box
    whole head  whether it holds all of that box, where the box is small enough

Intervals are those of 95 % over photographs, by bootstrap.

    python benchmarks/saliency.py --photos FOLDER [--sheet SHEET.png]
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import simplejpeg

from animate.saliency import salient_point
from benchmarks import measure, saliency_maps
from benchmarks.measure import Spread
from benchmarks.saliency_maps import Pointer, highest, window

BOXES = Path(__file__).parent / "saliency_boxes.json"

#: The measure in use before, and the one in use.
BEFORE, NOW = "spectral residual, highest (before)", "animate.saliency"

QUESTIONS = ("inside", "distance", "close-up", "head", "whole head")

ZOOM = 2.0


def pointers() -> dict[str, Pointer]:
    maps = saliency_maps
    both = maps.product(maps.spectral_residual, maps.geodesic)
    before = highest(maps.spectral_residual)
    return {
        NOW: salient_point,
        BEFORE: before,
        "middle": lambda still: (0.5, 0.5),
        "middle, raised": lambda still: (0.5, 0.44),
        "spectral residual, middle preferred more": highest(maps.spectral_residual, middle=0.2),
        "spectral residual, centre of mass": window(maps.spectral_residual, steps=0),
        "spectral residual, faces first": maps.faces(before),
        "spectral residual, window": window(maps.spectral_residual),
        "geodesic, highest": highest(maps.geodesic),
        "geodesic, window": window(maps.geodesic),
        "minimum barrier, highest": highest(maps.minimum_barrier),
        "minimum barrier, window": window(maps.minimum_barrier),
        "boolean maps, highest": highest(maps.boolean_maps),
        "boolean maps, window": window(maps.boolean_maps),
        "frequency-tuned, highest": highest(maps.frequency_tuned),
        "frequency-tuned, window": window(maps.frequency_tuned),
        "border colours, highest": highest(maps.border_colours),
        "border colours, window": window(maps.border_colours),
        "spectral residual x geodesic, highest": highest(both),
        "spectral residual x geodesic, centre of mass": window(both, steps=0),
    }


def main() -> None:
    options = measure.arguments(__doc__, sheet="")
    cv2.setNumThreads(1)
    files = {path.name: path for path in options.photos.rglob("*.jpg")}
    sets: dict[str, list[dict[str, Any]]] = json.loads(BOXES.read_text(encoding="utf-8"))
    for photograph in (one for photographs in sets.values() for one in photographs):
        photograph["still"] = simplejpeg.decode_jpeg(files[photograph["file"]].read_bytes(), "RGB")
    measures = pointers()
    answers = {
        name: {which: np.array([answer(pointer, one) for one in ones]) for which, ones in sets.items()}
        for name, pointer in measures.items()
    }
    for which, ones in sets.items():
        rows = [(name, *np.nanmean(answers[name][which], axis=0)) for name in measures]
        measure.table(f"{which}: {len(ones)} photographs", ("", *QUESTIONS), rows)
    cases = {name: partial(_seconds, pointer, sets["held_out"]) for name, pointer in measures.items()}
    seconds = measure.interleaved(cases, rounds=5)
    times = {name: Spread.of([1000 * value for value in values]) for name, values in seconds.items()}
    measure.table("Processor time of a still, ms", ("", "ms"), list(times.items()))
    everything = {name: np.concatenate(list(by_set.values())) for name, by_set in answers.items()}
    gains = {name: _interval(everything[NOW] - everything[name]) for name in (BEFORE, "middle")}
    for name, gain in gains.items():
        measure.table(
            f"{NOW} less {name}, all photographs",
            ("", "mean", "low", "high"),
            [(q, *gain[q].values()) for q in QUESTIONS],
        )
    content = {
        "machine": measure.machine(),
        "photographs": {which: len(ones) for which, ones in sets.items()},
        "asked": {
            which: dict(zip(QUESTIONS, (~np.isnan(by)).sum(axis=0).tolist(), strict=True))
            for which, by in answers[NOW].items()
        },
        "measures": {
            name: {
                "milliseconds": times[name].to_json(),
                **{which: _interval(values) for which, values in by_set.items()},
                "all": _interval(everything[name]),
            }
            for name, by_set in answers.items()
        },
        "gains_over_all_photographs": gains,
    }
    measure.write(options.results, "saliency", content)
    if options.sheet:
        shown = [one for photographs in sets.values() for one in photographs]
        cv2.imwrite(options.sheet, sheet(shown, {NOW: measures[NOW], BEFORE: measures[BEFORE]})[..., ::-1])


def answer(pointer: Pointer, photograph: dict[str, Any]) -> list[float]:
    """The answers to `QUESTIONS`, 0 or 1 but for the distance; NaN where there is no head to ask about."""
    still = photograph["still"]
    height, width = still.shape[:2]
    point = np.array(pointer(still))
    box, head = np.array(photograph["subject"]), photograph["head"]
    away = np.maximum(np.maximum(box[:2] - point, point - box[2:]), 0) * (width, height)
    distance = float(np.hypot(*away) / np.hypot(width, height))
    half = min(width, height) / (2 * ZOOM) / np.array([width, height])
    middle = np.clip(point, half, 1 - half)

    def holds(where: np.ndarray) -> bool:
        return bool((np.abs(where - middle) <= half).all())

    close_up = holds((box[:2] + box[2:]) / 2)
    head_middle = whole_head = np.nan
    if head:
        head = np.array(head)
        head_middle = holds((head[:2] + head[2:]) / 2)
        if (head[2:] - head[:2] <= 2 * half).all():
            whole_head = holds(head[:2]) and holds(head[2:])
    return [distance == 0, distance, close_up, head_middle, whole_head]


def sheet(photographs: list[dict[str, Any]], measures: dict[str, Pointer], across: int = 10) -> np.ndarray:
    """The photographs with the subject's box in white, the heads' in yellow, the first measure's point and
    close-up in green, the second's point in red."""
    cells = [_cell(photograph, list(measures.values())) for photograph in photographs]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % across)
    return np.concatenate([np.concatenate(cells[i : i + across], 1) for i in range(0, len(cells), across)])


def _cell(photograph: dict[str, Any], measures: list[Pointer], side: int = 190) -> np.ndarray:
    still = photograph["still"]
    height, width = still.shape[:2]
    scale = side / max(height, width)
    picture = cv2.resize(still, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    size = np.array(picture.shape[1::-1])
    for box, colour in ((photograph["subject"], (255, 255, 255)), (photograph["head"], (255, 230, 0))):
        if box:
            corners = np.rint(np.array(box) * np.tile(size - 1, 2)).astype(int).tolist()
            cv2.rectangle(picture, corners[:2], corners[2:], colour, 1)
    for pointer, colour in reversed(list(zip(measures, ((0, 220, 0), (255, 0, 0)), strict=True))):
        point = np.array(pointer(still)) * size
        cv2.circle(picture, np.rint(point).astype(int).tolist(), 5, colour, 2, cv2.LINE_AA)
    half = min(size) / (2 * ZOOM)
    middle = np.clip(np.array(measures[0](still)) * size, half, size - half)
    cv2.rectangle(
        picture,
        np.rint(middle - half).astype(int).tolist(),
        np.rint(middle + half - 1).astype(int).tolist(),
        (0, 220, 0),
        1,
    )
    cell = np.full((side + 6, side + 6, 3), 255, np.uint8)
    cell[: picture.shape[0], : picture.shape[1]] = picture
    return cell


def _seconds(pointer: Pointer, photographs: list[dict[str, Any]]) -> float:
    """Processor seconds a still."""
    started = time.process_time()
    for photograph in photographs:
        pointer(photograph["still"])
    return (time.process_time() - started) / len(photographs)


def _interval(values: np.ndarray, resamples: int = 2000) -> dict[str, dict[str, float]]:
    """For each question the mean over photographs and its interval of 95 %."""
    chosen = np.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
    means = np.nanmean(values[chosen], axis=1)
    low, high = np.nanpercentile(means, [2.5, 97.5], axis=0)
    return {
        question: {"mean": round(float(mean), 3), "low": round(float(a), 3), "high": round(float(b), 3)}
        for question, mean, a, b in zip(QUESTIONS, np.nanmean(values, axis=0), low, high, strict=True)
    }


if __name__ == "__main__":
    main()
