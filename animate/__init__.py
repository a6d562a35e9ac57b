"""Film captioned stills with a virtual camera into sharded video-text data.

A public name is imported when it is first asked for, so that `import animate` loads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from animate.build import build_shards
    from animate.errors import UserError
    from animate.executor import Workforce
    from animate.film import replay
    from animate.flow import optical_flow
    from animate.load import load_clips, recipe_beside, retake
    from animate.recipe import BuildRecipe, read_recipe
    from animate.report import BuildReport

    __version__: str

__all__ = [
    "BuildRecipe",
    "BuildReport",
    "UserError",
    "Workforce",
    "build_shards",
    "load_clips",
    "optical_flow",
    "read_recipe",
    "recipe_beside",
    "replay",
    "retake",
]

#: Public name -> the module that defines it.
_HOMES = {
    "BuildRecipe": "animate.recipe",
    "BuildReport": "animate.report",
    "UserError": "animate.errors",
    "Workforce": "animate.executor",
    "build_shards": "animate.build",
    "load_clips": "animate.load",
    "optical_flow": "animate.flow",
    "read_recipe": "animate.recipe",
    "recipe_beside": "animate.load",
    "replay": "animate.film",
    "retake": "animate.load",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("animate")
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
