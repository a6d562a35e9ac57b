"""What shots are made of, for whoever writes a shot list: components, and parameters from their fields."""

import dataclasses
import difflib
import inspect
from collections.abc import Iterator

from animate.components import COMPONENTS
from animate.recipe import preset_names
from animate.strict_toml import RecipeError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter: what is drawn where a recipe says nothing, and what a recipe may say."""

    name: str
    unit: str
    default: str
    allowed: str


def overview() -> list[tuple[str, str]]:
    """Each component with the first sentence about it."""
    return [(name, about(name).partition("\n\n")[0].replace("\n", " ")) for name in COMPONENTS]


def about(name: str) -> str:
    """What is said of the component; `RecipeError` lists the known ones."""
    if name not in COMPONENTS:
        close = difflib.get_close_matches(name, COMPONENTS, n=3)
        known = f"close: {', '.join(close)}" if close else f"known ones: {', '.join(COMPONENTS)}"
        preset = "; it is a preset: `animate recipe --preset` prints it" if name in preset_names() else ""
        raise RecipeError(f"component {name!r}: there is none of that name{preset}; {known}")
    return inspect.getdoc(COMPONENTS[name]) or ""


def parameters(name: str) -> Iterator[Parameter]:
    """The parameters of a component, in order, but for the seeds of its noise, which no recipe gives."""
    for field in dataclasses.fields(COMPONENTS[name]):
        known = field.metadata
        if "options" in known:
            yield Parameter(
                name=field.name,
                unit="",
                default=" | ".join(known["options"]),
                allowed=" | ".join(known["options"] + known["also"]),
            )
        elif "range" in known:
            (low, high), (least, most) = known["range"], known["limits"]
            yield Parameter(
                name=field.name,
                unit=known["unit"] or field.name,
                default=f"[{low:g}, {high:g}]",
                allowed=f"{least:g}..{most:g}",
            )
