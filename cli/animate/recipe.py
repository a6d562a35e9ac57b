"""`animate recipe`: a page to begin a recipe with."""

from typing import Annotated

import typer


def recipe(
    preset: Annotated[str, typer.Option(help="The shot list to print; recipes/shots has them.")] = "default",
) -> None:
    """Print a whole recipe as TOML, every key with its default and what it means."""
    import json

    from animate.recipe import read_recipe
    from animate.recipe_page import recipe_page

    page = recipe_page(read_recipe(None, [f"shot.preset={json.dumps(preset)}"]), left_open=["source.name"])
    print(page, end="")
