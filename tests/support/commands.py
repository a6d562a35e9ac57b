"""Commands as a user runs them."""

from pathlib import Path

from typer.testing import CliRunner

from cli.retrieval.main import app


def retrieval(*arguments: str | Path) -> str:
    """Stdout of a command that must succeed, in this process."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout
