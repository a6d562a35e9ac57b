"""The page of a recipe is the recipe, and says of every key what it means."""

import dataclasses
import re

import pytest
from typer.testing import CliRunner

from animate.errors import UserError
from animate.recipe import BuildRecipe, preset_names, read_recipe
from animate.recipe_page import COMMENTS, recipe_page
from animate.strict_toml import RecipeError
from cli.animate.main import app


@pytest.mark.parametrize("preset", preset_names())
def test_a_page_is_read_as_the_recipe_it_was_made_of(tmp_path, preset):
    wanted = read_recipe(None, [f"shot.preset={preset}"])
    page = tmp_path / "recipe.toml"
    page.write_text(recipe_page(wanted), encoding="utf-8")
    assert read_recipe(page) == wanted


def test_a_page_keeps_what_differs_from_the_defaults(tmp_path):
    wanted = read_recipe(
        None, ["source.path='a \\ b \t\"ü'", "source.filters.min_similarity=0.3", "video.size=[320, 180]"]
    )
    page = tmp_path / "recipe.toml"
    page.write_text(recipe_page(wanted), encoding="utf-8")
    assert read_recipe(page) == wanted


def keys(cls: type, where: str = "") -> set[str]:
    """Dotted names of all keys of a recipe's class, but for those that are tables."""
    found = set()
    for field in dataclasses.fields(cls):
        inner = [kind for kind in re.findall(r"\w+(?:Recipe|Kind)\b", str(field.type))]
        if inner:
            from animate import recipe

            found |= keys(getattr(recipe, inner[0]), f"{where}{field.name}.")
        else:
            found.add(f"{where}{field.name}")
    return found


def test_every_key_has_a_comment_and_no_comment_is_of_a_key_that_is_gone():
    assert keys(BuildRecipe) == set(COMMENTS)


def test_every_line_of_the_page_with_a_key_says_what_it_means():
    for line in recipe_page(BuildRecipe()).splitlines():
        assert not line or line.startswith(("[", "#", "components.")) or " # " in line, line


def test_the_command_prints_the_page(tmp_path):
    done = CliRunner().invoke(app, ["recipe", "--preset", "documentary"], catch_exceptions=False)
    page = tmp_path / "recipe.toml"
    page.write_text(done.stdout, encoding="utf-8")
    assert read_recipe(page) == read_recipe(None, ["shot.preset=documentary"])
    with pytest.raises(RecipeError, match="must be one of"):
        CliRunner().invoke(app, ["recipe", "--preset", "none"], catch_exceptions=False)


def test_a_printed_recipe_names_no_corpus(tmp_path):
    """It named the demo, which was filmed wherever --src was forgotten beside it."""
    done = CliRunner().invoke(app, ["recipe"], catch_exceptions=False)
    page = tmp_path / "recipe.toml"
    page.write_text(done.stdout, encoding="utf-8")
    arguments = ["build", "--recipe", str(page), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match="--src is missing"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
