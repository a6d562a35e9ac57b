"""Film captioned stills with a virtual camera into sharded video-text data."""

from animate.build import BuildReport, build
from animate.errors import UserError
from animate.film import replay
from animate.flow import flow
from animate.load import load, recipe_beside, retake
from animate.recipe import BuildRecipe, read_recipe

__all__ = [
    "BuildRecipe",
    "BuildReport",
    "UserError",
    "build",
    "flow",
    "load",
    "read_recipe",
    "recipe_beside",
    "replay",
    "retake",
]
