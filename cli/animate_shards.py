"""`animate verify` and `animate materialize`: what there is to do with a shard set once it is built."""

from typing import Annotated

import typer


def verify(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete leftovers and faulty shards; a build makes them again.")
    ] = False,
) -> None:
    """Read every shard again and list whatever is wrong with it."""
    raise typer.Exit(1)


def materialize(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a virtual shard set.")],
    out: Annotated[str, typer.Option(help="Folder or fsspec URL for the new shards.")],
    format: Annotated[str, typer.Option(help="mp4 or frames.")] = "mp4",
) -> None:
    """Render the clips of a virtual shard set."""
    raise typer.Exit(1)
