"""What each component, transition and shutter costs: a clip's time beside a plain truck over the same still.

Render and JPEG encode of 12 frames of 224x224 (the frames format), processor time, rounds interleaved; the
ratio is taken within a round. Each component films the same stills, with parameters drawn several times from
its default ranges. The base is the plainest move in which every frame is sampled and encoded; a static clip
will not do, because a frame in which the camera rests is only rendered once. Components that change time show
nothing alone: they are measured with a truck, so their time includes that of the truck. Shutter and focus,
which blur in linear light, need not keep the bound. Dissolves and fades are not components; they are listed
for information.

    python benchmarks/component_cost.py --photos FOLDER [--quick]
"""

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.camera import View
from animate.codec import decode_jpeg
from animate.components import COMPONENTS, RETIMES
from animate.data import Take, take_rng
from animate.edit import Layer, draw_edit
from animate.formats import WRITERS
from animate.recipe import EditRecipe, ShotKind, ShotRecipe, VideoRecipe
from animate.render import render
from animate.saliency import salient_point
from benchmarks import measure
from benchmarks.measure import Spread

VIDEO = VideoRecipe(format="frames")

#: The component whose time the others are measured by.
BASE = "truck"
#: What the bound of twice the base's time does not cover.
EXCEPTED = ("focus_pull", "shutter 180", "shutter 360")

BOUND = 2.0


def main() -> None:
    options = measure.arguments(__doc__, rounds=0, draws=0)
    rounds = options.rounds or (3 if options.quick else 9)
    draws = options.draws or (2 if options.quick else 6)
    cv2.setNumThreads(1)
    stills = [decode_jpeg(path.read_bytes()) for path in measure.photographs(options.photos, draws)]
    recipes = _recipes()
    cases = {name: _timed(recipe, stills) for name, recipe in recipes.items()}
    seconds = measure.interleaved(cases, rounds)
    rows = [_row(name, seconds, draws) for name in recipes]
    measure.table(
        f"Render and encode 12 frames of 224x224, {draws} clips a row",
        ("", "ms a clip", f"times {BASE}", ""),
        [
            (r["name"], r["milliseconds"], r["times_base"], "excepted" if r["excepted"] else r["note"])
            for r in rows
        ],
    )
    targets = [
        measure.target(f"{r['name']}: times a plain {BASE}", r["times_base"].median, BOUND, at_most=True)
        for r in rows
        if r["component"] and not r["excepted"] and r["name"] != BASE
    ]
    measure.print_targets(targets)
    content = {
        "machine": measure.machine(),
        "rows": [
            r | {"milliseconds": r["milliseconds"].to_json(), "times_base": r["times_base"].to_json()}
            for r in rows
        ],
        "targets": targets,
    }
    measure.write(options.results, "component_cost", content)


def _recipes() -> dict[str, ShotRecipe]:
    """Name -> a recipe with one shot and nothing else that costs anything."""
    truck = {"truck": {}}
    recipes = {name: _one_shot({**(truck if name in RETIMES else {}), name: {}}) for name in COMPONENTS}
    for degrees in (180, 360):
        shutter = dataclasses.replace(_one_shot(truck), shutter_degrees=float(degrees))
        recipes[f"shutter {degrees}"] = shutter
    for kind in ("cut", "dissolve", "fade"):
        edit = EditRecipe(shots=(2, 2), transitions=(kind,))
        recipes[f"two shots, {kind}"] = dataclasses.replace(_one_shot(truck), edit=edit)
    return recipes


def _one_shot(components: dict[str, dict[str, Any]]) -> ShotRecipe:
    return ShotRecipe(shots=(ShotKind(name="measured", components=components),))


def _timed(recipe: ShotRecipe, stills: list[np.ndarray]) -> Callable[[], float]:
    films = [(still, _layers(recipe, still, number)) for number, still in enumerate(stills)]
    store = WRITERS["frames"]

    def run() -> float:
        started = time.process_time()
        for still, layers in films:
            store(b"", render([still], layers, VIDEO), VIDEO)
        return time.process_time() - started

    return run


def _layers(recipe: ShotRecipe, still: np.ndarray, number: int) -> tuple[Layer, ...]:
    view = View(still_size=(still.shape[1], still.shape[0]), frame_size=(VIDEO.width, VIDEO.height))
    rng = take_rng(0, "component cost", Take(source_key=str(number), index=0))
    return draw_edit(recipe, VIDEO, [view], rng, [lambda: salient_point(still)])[1]


def _row(name: str, seconds: dict[str, list[float]], draws: int) -> dict[str, Any]:
    ratios = [mine / base for mine, base in zip(seconds[name], seconds[BASE], strict=True)]
    return {
        "name": name,
        "component": name in COMPONENTS,
        "excepted": name in EXCEPTED,
        "note": "with a truck" if name in RETIMES else "" if name in COMPONENTS else "no component",
        "milliseconds": Spread.of([1000 * value / draws for value in seconds[name]]),
        "times_base": Spread.of(ratios),
    }


if __name__ == "__main__":
    main()
