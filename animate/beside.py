"""What comes with the packages and is none: command lines and recipes.

In a checkout they are folders beside the packages, in an installation they lie inside of `animate`, so that
no other top-level name is taken.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).parent


def recipes() -> Path:
    """The folder of recipes."""
    installed = _PACKAGE / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def run_program(name: str) -> None:
    """Run `animate` or `retrieval` with the arguments of this process."""
    checkout = find_spec("cli")
    beside = checkout is not None and checkout.origin == str(_PACKAGE.parent / "cli" / "__init__.py")
    import_module(f"{'cli' if beside else 'animate.cli'}.{name}.main").main()
