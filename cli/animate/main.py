"""`animate`: captioned stills in, video-text shards out. Registers the commands and says how a program ends.

Each command lives in a file of its own beside this one and imports what it needs when it is called, so that
`animate --help` answers at once.
"""

from ..examples import epilog
from ..program import first_sentence, new_app, run
from .build import build
from .doctor import doctor
from .estimate import estimate
from .export import export
from .fetch import fetch
from .inspect import inspect
from .materialize import materialize
from .preview import preview
from .recipe import recipe
from .shots import shots
from .sources import sources
from .stats import stats
from .status import status
from .verify import verify

#: Every command, in the order of `--help`; a function's name is the command's.
COMMANDS = (
    build,
    estimate,
    status,
    verify,
    stats,
    inspect,
    materialize,
    export,
    preview,
    recipe,
    shots,
    sources,
    fetch,
    doctor,
)

app = new_app("animate", "Film captioned stills with a virtual camera into sharded video-text data.")
for command in COMMANDS:
    help_ends = epilog(f"animate {command.__name__}")
    app.command(short_help=first_sentence(command), epilog=help_ends)(command)
app.command("plan", hidden=True)(estimate)  # its name until 0.1


def main() -> None:
    """Run `animate`; see `run` for the exit codes."""
    run(app)
