"""Golden lists: what users may rely on changes only together with these."""

import typer.main

import animate
from cli.animate.main import app

PUBLIC_NAMES = [
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

COMMANDS = {
    "build": [
        "--out --src --recipe --format --takes --limit --seed --size --frames --fps --set",
        "--urls --root --sample --keep-images --allow-private",
        "--workers --address --device --overwrite --retry-failed --time-limit",
    ],
    "doctor": [],
    "fetch": ["--out --urls --root --recipe --set --retry-failed --allow-private src"],
    "materialize": ["--format --out shards", "--workers --address --device --overwrite --time-limit"],
    "plan": ["--src --out --urls --root --recipe --set --workers"],
    "preview": ["--all --fps --frames --out --seed --shot --size image"],
    "sources": ["--root name"],
    "stats": ["--png shards"],
    "verify": ["--repair --workers shards"],
}


def test_public_names():
    assert sorted(animate.__all__) == PUBLIC_NAMES
    for name in PUBLIC_NAMES:
        assert getattr(animate, name).__doc__


def test_commands_and_their_options():
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    found = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.items()
    }
    assert found == {name: set(" ".join(lines).split()) for name, lines in COMMANDS.items()}
