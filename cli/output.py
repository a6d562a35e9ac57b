"""Files that a command is to write, looked at before the work that leads to them."""

import os
from pathlib import Path

import typer


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
