"""Golden lists: what users may rely on changes only together with these."""

import importlib
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import animate
from cli.animate.main import app
from cli.animate.main import app as animate_app
from cli.examples import EXAMPLES
from cli.retrieval.main import app as retrieval_app

PUBLIC_NAMES = [
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

#: Of every command that reads a recipe.
RECIPE = (
    "--recipe --format --takes --limit --seed --size --frames --fps --set --urls --root --sample "
    "--keep-images --allow-private --allow-outside"
)
COMMANDS = {
    "build": [
        RECIPE,
        "--out --src",
        "--workers --address --device --overwrite --retry-failed --time-limit --log --metrics",
    ],
    "doctor": ["--json --load"],
    "export": ["--to --out --license --split --finished-only --workers --device shards"],
    "fetch": [RECIPE, "--out --retry-failed --workers --address src"],
    "inspect": ["--limit --out --port --serve --sheet --source shards"],
    "materialize": ["--format --out shards", "--workers --address --device --overwrite --time-limit"],
    "estimate": [RECIPE, "--src --out --workers"],
    "preview": ["--all --clip --fps --frames --out --recipe --seed --shards --shot --size --source image"],
    "recipe": ["--preset"],
    "shots": ["name"],
    "sources": ["--root name"],
    "stats": ["--out --png shards"],
    "status": ["shards"],
    "verify": ["--quick --repair --source --workers shards"],
}


def test_public_names():
    assert sorted(animate.__all__) == PUBLIC_NAMES
    for name in PUBLIC_NAMES:
        assert getattr(animate, name).__doc__


def test_a_public_name_hides_no_module():
    """`import animate.build as b` gives the module, whatever else the package has."""
    folder = Path(animate.__file__).parent
    modules = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    modules += [path.parent.name for path in folder.glob("*/__init__.py")]
    for name in modules:
        assert importlib.import_module(f"animate.{name}") is getattr(animate, name)


def test_a_command_runs_what_is_found_under_its_name():
    """In `animate` itself, or in the room that it is about."""
    for name in COMMANDS:
        found = [room for room in ("animate", "animate.shards") if find_spec(f"{room}.{name}") is not None]
        assert len(found) == 1, name
        assert find_spec(f"cli.animate.{name}") is not None


def test_commands_and_their_options():
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    found = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.items()
        if not command.hidden
    }
    assert found == {name: set(" ".join(lines).split()) for name, lines in COMMANDS.items()}


@pytest.mark.parametrize(("name", "program"), [("animate", animate_app), ("retrieval", retrieval_app)])
def test_every_commands_help_ends_with_examples_that_can_be_meant(name, program):
    commands = typer.main.get_command(program).commands  # pyright: ignore[reportAttributeAccessIssue]
    shown = {f"{name} {command}" for command, found in commands.items() if not found.hidden}
    assert shown == {command for command in EXAMPLES if command.startswith(f"{name} ")}
    for full in shown:
        command = full.split()[1]
        help_page = CliRunner().invoke(program, [command, "--help"]).output
        assert help_page.count("Examples:") == 1
        for line in EXAMPLES[full]:
            assert f"  {line}\n" in help_page and len(line) < 78
            words = shlex.split(line.partition(" >")[0])
            assert words[:2] == full.split()
            commands[command].make_context(full, words[2:])  # raises where an option or a value is none


@pytest.mark.parametrize("program", [animate_app, retrieval_app])
def test_help_shows_whole_sentences(program):
    shown = CliRunner().invoke(program, ["--help"]).output
    assert "…" not in shown and "..." not in shown.partition("Commands:")[2]
    for command in typer.main.get_command(program).commands.values():  # pyright: ignore[reportAttributeAccessIssue]
        if not command.hidden:
            assert " ".join((command.callback.__doc__ or "").partition("\n\n")[0].split()) in " ".join(
                shown.split()
            )
