"""How a program starts and ends, the same for both."""

import os
import signal
import sys
from pathlib import Path

import typer

#: Between two lines of progress in a log file.
LINE_SECONDS = 30.0


def new_app(name: str, summary: str) -> typer.Typer:
    """A program without commands yet; alone, it prints its help."""
    app = typer.Typer(
        name=name,
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_commands)
    return app


def run(app: typer.Typer) -> None:
    """Run the command line.

    Exit codes: 0 done, 1 not all done or nothing came of it, 2 cannot be meant, 130 stopped.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's stop is as clean as Ctrl-C
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        app()
    except KeyboardInterrupt:  # a second one, while what the first stopped was cleared up
        sys.exit(130)
    except ValueError as error:
        from animate.errors import UserError

        if not isinstance(error, UserError):
            raise
        print(f"{app.info.name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def writable(path: Path, option: str, suffixes: tuple[str, ...]) -> None:
    """`typer.BadParameter` unless a file may be written there, of a kind that its suffix tells: said before
    the work that leads to it."""
    if path.suffix not in suffixes:
        raise typer.BadParameter(f"{path}: must end in {' or '.join(suffixes)}", param_hint=option)
    if path.is_dir():
        raise typer.BadParameter(f"{path}: is a folder; name a file", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"{path}: there is no folder {path.parent}", param_hint=option)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path}: may not be written", param_hint=option)


def _commands() -> None:
    """Keeps the command's name part of the line even while there is one command."""
