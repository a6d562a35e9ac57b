"""How a program starts and ends, the same for both."""

import signal
import sys
from typing import Annotated

import typer

#: Between two lines of progress in a log file.
LINE_SECONDS = 30.0


def new_app(name: str, summary: str) -> typer.Typer:
    """A program without commands yet; alone, it prints its help."""
    app = typer.Typer(
        name=name,
        help=summary,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    def version(wanted: bool) -> None:
        if wanted:
            import animate

            print(f"{name} {animate.__version__}")
            raise typer.Exit

    @app.callback()
    def options(
        version: Annotated[
            bool,
            typer.Option("--version", callback=version, is_eager=True, help="Show the version and exit."),
        ] = False,
    ) -> None:
        pass  # with a callback, the command's name is part of the line even where there is one command

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
