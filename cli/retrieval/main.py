"""`retrieval`: train, judge and search a video-text retriever. Registers the commands and says how they end.

Each command lives in a file of its own beside this one and imports what it needs when it is called, so that
`retrieval --help` answers at once.
"""

from ..examples import epilog
from ..program import first_sentence, new_app, run
from .check import check
from .eval import evaluate
from .index import index
from .search import search
from .train import train

#: Every command, in the order of `--help`, by name.
COMMANDS = {"train": train, "eval": evaluate, "check": check, "index": index, "search": search}

app = new_app("retrieval", "Coarse-to-fine video-text retrieval: train it, judge it, search with it.")
for name, command in COMMANDS.items():
    help_ends = epilog(f"retrieval {name}")
    app.command(name, short_help=first_sentence(command), epilog=help_ends)(command)


def main() -> None:
    """Run `retrieval`; see `run` for the exit codes."""
    run(app)
