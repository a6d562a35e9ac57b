"""`retrieval`: train, judge and search a video-text retriever. Registers the commands and says how they end.

Each command lives in a file of its own beside this one and imports what it needs when it is called, so that
`retrieval --help` answers at once.
"""

import signal
import sys

import typer

from cli.retrieval_check import check
from cli.retrieval_eval import evaluate
from cli.retrieval_index import index
from cli.retrieval_search import search
from cli.retrieval_train import train

#: Every command, in the order of `--help`, by name.
COMMANDS = {"train": train, "eval": evaluate, "check": check, "index": index, "search": search}

app = typer.Typer(
    name="retrieval",
    help="Coarse-to-fine video-text retrieval: train it, judge it, search with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, command in COMMANDS.items():
    app.command(name)(command)


@app.callback()
def _commands() -> None:
    """Keeps the command's name part of the line even while there is one command."""


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 stopped by its numbers, 2 cannot be meant, 130 stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's stop is as clean as Ctrl-C
    try:
        app()
    except (ValueError, RuntimeError) as error:
        code = _exit_code(error)
        if code is None:
            raise
        print(f"retrieval: {error}", file=sys.stderr)
        sys.exit(code)


def _exit_code(error: ValueError | RuntimeError) -> int | None:
    """The exit code of an error whose message is for whoever typed the command; None for a bug's."""
    from animate.strict_toml import RecipeError
    from retrieval.datasets.errors import DataError

    if isinstance(error, RecipeError | DataError):
        return 2
    # Whoever raised these has loaded torch; the others are said without waiting for it.
    from retrieval.checkpoint import CheckpointError
    from retrieval.train import NotFinite

    if isinstance(error, CheckpointError):
        return 2
    return 1 if isinstance(error, NotFinite) else None
