"""Parameters of components: declared as fields of the component, checked in a recipe, drawn for each shot.

In a recipe a number is given as one value or as `[low, high]`, a choice as one of its options or as a list
of them, in which one that is repeated is drawn more often.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from animate.components.capabilities import C, Component
from animate.strict_toml import nearest

#: Drawn numbers are rounded to this, so that a shot's JSON is short and exact.
_DECIMALS = 6


def number(low: float, high: float, *, at_least: float, at_most: float, unit: str = "") -> Any:
    """A number drawn uniformly from `[low, high]`, or from what the recipe gives, `at_least` to `at_most`.

    `unit` may be left out where the parameter's name is its unit.
    """
    return dataclasses.field(metadata={"range": (low, high), "limits": (at_least, at_most), "unit": unit})


def choice(*options: str, also: tuple[str, ...] = ()) -> Any:
    """One of `options`, each with the same chance, or one of those that the recipe gives, `also` of these."""
    return dataclasses.field(metadata={"options": options, "also": also})


def seed() -> Any:
    """The seed of the component's own noise. It is always drawn and cannot be given in a recipe."""
    return dataclasses.field(metadata={"seed": True})


def check(component: type[Component], given: Mapping[str, Any]) -> None:
    """Raises `ValueError`, naming the parameter, if `component` cannot be drawn from `given`."""
    known = {field.name: field.metadata for field in dataclasses.fields(component)}
    drawable = [name for name, metadata in known.items() if "seed" not in metadata]
    for name, value in given.items():
        if name not in drawable:
            raise ValueError(
                f"unknown parameter {name!r}{nearest(name, drawable)}; "
                f"known ones: {', '.join(drawable) or 'none'}"
            )
        if "options" in known[name]:
            _check_choice(name, value, known[name]["options"] + known[name]["also"])
        else:
            _check_range(name, value, known[name]["limits"])


def draw(component: type[C], given: Mapping[str, Any], rng: np.random.Generator) -> C:
    """A `component`, its parameters drawn from what a recipe has `given`, the others from their defaults."""
    values: dict[str, Any] = {}
    for field in component.__dataclass_fields__.values():
        if "seed" in field.metadata:
            values[field.name] = int(rng.random() * 2**32)
        elif "options" in field.metadata:
            options = given.get(field.name, field.metadata["options"])
            options = [options] if isinstance(options, str) else options
            values[field.name] = options[int(rng.random() * len(options))]
        else:
            low, high = _range(given.get(field.name, field.metadata["range"]))
            values[field.name] = round(low + (high - low) * rng.random(), _DECIMALS)
    return component(**values)


def _range(value: Any) -> tuple[float, float]:
    return (value, value) if isinstance(value, int | float) else (value[0], value[1])


def _check_choice(name: str, value: Any, options: tuple[str, ...]) -> None:
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list | tuple) or not wanted or any(item not in options for item in wanted):
        raise ValueError(f"{name} = {value!r}: must be one or a list of {', '.join(options)}")


def _check_range(name: str, value: Any, limits: tuple[float, float]) -> None:
    ends = [value] if isinstance(value, int | float) else value
    numeric = isinstance(ends, list | tuple) and all(
        isinstance(end, int | float) and not isinstance(end, bool) for end in ends
    )
    if not numeric or len(ends) not in (1, 2):
        raise ValueError(f"{name} = {value!r}: must be a number or [low, high]")
    low, high = _range(value)
    if not limits[0] <= low <= high <= limits[1]:
        raise ValueError(f"{name} = {value!r}: must be in {limits[0]:g}..{limits[1]:g}, the lower end first")
