"""Film captioned stills with a virtual camera into sharded video-text data."""

from animate.build import BuildReport, build
from animate.load import load
from animate.recipe import BuildRecipe, read_recipe

__all__ = ["BuildRecipe", "BuildReport", "build", "load", "read_recipe"]
