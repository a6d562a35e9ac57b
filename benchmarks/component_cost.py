"""What a clip of each component costs, relative to a static one: drawn, rendered and encoded as JPEG frames.

A shot of the one component, on the same photographs, at a wide to medium scale. Time is `shard.film`'s for an
opened still, so decoding is left out of both sides: with it the ratios would be nearer to one.

    python benchmarks/component_cost.py --photos FOLDER [--quick]
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate import executor
from animate.components import COMPONENTS
from animate.data import Clip, Sample, Take
from animate.recipe import BuildRecipe, EditRecipe, ShotKind, ShotRecipe, VideoRecipe
from animate.shard import Still, film
from benchmarks import measure
from benchmarks.measure import Spread

#: May cost more than twice a static clip: they average many exposures, or blur each frame in linear light.
EXEMPT = ("focus_pull", "shutter")

_FRAMING = {"shot_scale": {"first": ["wide", "medium"], "last": ["wide", "medium"]}}


def shots() -> dict[str, ShotRecipe]:
    """Every component alone, then what else a shot recipe can ask for."""
    recipes = {name: _alone(name) for name in COMPONENTS}
    recipes["dissolve"] = replace(
        _alone("static"),
        edit=EditRecipe(shots=(2, 2), transitions=("dissolve",), transition_seconds=(0.5, 0.5)),
    )
    recipes["shutter"] = replace(_alone("pan"), shutter_degrees=180.0)
    return recipes


def main() -> None:
    options = measure.arguments(__doc__)
    number, rounds = (4, 3) if options.quick else (16, 7)
    executor.prepare_process()
    samples = [
        Sample(key=str(i), image=path.read_bytes(), captions=("A photograph.",))
        for i, path in enumerate(measure.photographs(options.photos, number))
    ]
    source = BuildRecipe().source
    opened = [Still(sample.image, source) for sample in samples]
    cases = {name: _case(samples, opened, recipe) for name, recipe in shots().items()}
    seconds = measure.interleaved(cases, rounds)
    static = seconds["static"]
    rows = [
        {
            "component": name,
            "milliseconds": Spread.of([1000 * value / number for value in values]),
            # Of the same round, so that a busy moment weighs on both.
            "of_static": Spread.of([value / base for value, base in zip(values, static, strict=True)]),
        }
        for name, values in seconds.items()
    ]
    measure.table(
        f"A clip of 12 frames of 224x224 to JPEG, {number} photographs, decoding left out",
        ("component", "ms a clip", "of static"),
        [(row["component"], row["milliseconds"], row["of_static"]) for row in rows],
    )
    targets = [
        measure.target(row["component"], row["of_static"].median, 2.0, at_most=True)
        for row in rows
        if row["component"] not in EXEMPT
    ]
    missed = [entry["claim"] for entry in targets if not entry["met"]]
    print(f"\nmore than double: {', '.join(missed) or 'none'} (exempt: {', '.join(EXEMPT)})")
    content = {
        "machine": measure.machine(),
        "photographs": number,
        "rows": [
            row | {field: row[field].to_json() for field in ("milliseconds", "of_static")} for row in rows
        ],
        "exempt": EXEMPT,
        "targets": targets,
    }
    measure.write(options.results, "component_cost", content)


def _alone(name: str) -> ShotRecipe:
    kind = ShotKind(name=name, components={**_FRAMING, name: _FRAMING.get(name, {})})
    return ShotRecipe(shots=(kind,))


def _case(samples: list[Sample], opened: list[Still], shot: ShotRecipe) -> Callable[[], float]:
    recipe = BuildRecipe(shot=shot, video=VideoRecipe(format="frames"))

    def run() -> float:
        return measure.seconds_of(
            lambda: [_film(sample, still, recipe) for sample, still in zip(samples, opened, strict=True)]
        )

    return run


def _film(sample: Sample, still: Still, recipe: BuildRecipe) -> None:
    clip = film([sample], [still], Take(source_key=sample.key, index=0), recipe)
    assert isinstance(clip, Clip), clip


if __name__ == "__main__":
    main()
