"""`animate materialize`: a virtual shard set as video."""

from typing import Annotated

import typer

from .options import Address, Device, Overwrite, TimeLimit, Workers, workforce
from .report import run_shown


def materialize(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a virtual shard set.")],
    out: Annotated[str, typer.Option(help="Folder or fsspec URL for the new shards.")],
    format: Annotated[str, typer.Option(help="mp4 or frames.")] = "mp4",
    workers: Workers = None,
    address: Address = None,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    time_limit: TimeLimit = "",
) -> None:
    """Render the clips of a virtual shard set; run again to go on after any interruption."""
    from animate.materialize import materialize as run_materialize

    work = workforce(workers, address, device, time_limit)
    run_shown(
        lambda on_progress: run_materialize(
            shards, out, work, format=format, overwrite=overwrite, on_progress=on_progress
        )
    )
