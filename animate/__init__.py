"""Film captioned stills with a virtual camera into sharded video-text data."""

from animate.build import BuildReport, build_shards
from animate.errors import UserError
from animate.executor import Workforce
from animate.film import replay
from animate.flow import optical_flow
from animate.load import load_clips, recipe_beside, retake
from animate.recipe import BuildRecipe, read_recipe

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
