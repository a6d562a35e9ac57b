"""`animate sources`: the corpora that have a name, and which of them are on this machine."""

from typing import Annotated

import typer

from .options import Root


def sources(
    name: Annotated[str, typer.Argument(help="A corpus to explain; without it, all are listed.")] = "",
    root: Root = "",
) -> None:
    """List the named corpora, or explain one: files, page, licence, what was found, and the next command."""
    from animate.sources.named.find import explain, overview

    if name:
        print(explain(name, root=root))
        return
    rows = overview(root)
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row.where]))
