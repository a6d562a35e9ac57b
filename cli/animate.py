"""`animate`: captioned stills in, video-text shards out. Registers the commands and says how a program ends.

Each command lives in a file of its own beside this one and imports what it needs when it is called, so that
`animate --help` answers at once.
"""

import signal
import sys

import typer

from cli.animate_build import build
from cli.animate_doctor import doctor
from cli.animate_fetch import fetch
from cli.animate_plan import plan
from cli.animate_preview import preview
from cli.animate_shards import materialize, verify
from cli.animate_sources import sources
from cli.animate_stats import stats

#: Every command, in the order of `--help`; a function's name is the command's.
COMMANDS = (build, plan, verify, stats, materialize, preview, sources, fetch, doctor)

app = typer.Typer(
    name="animate",
    help="Film captioned stills with a virtual camera into sharded video-text data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 not all done, 2 cannot be meant, 130 stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's stop is as clean as Ctrl-C
    try:
        app()
    except ValueError as error:
        from animate.errors import UserError

        if not isinstance(error, UserError):
            raise
        print(f"animate: {error}", file=sys.stderr)
        sys.exit(2)
