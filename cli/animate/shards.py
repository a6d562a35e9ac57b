"""`animate verify` and `animate materialize`: what there is to do with a shard set once it is built."""

import sys
from typing import Annotated

import typer

from .options import Address, Device, Overwrite, TimeLimit, Workers, parse_seconds
from .report import run_shown


def verify(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete leftovers and faulty shards; a build makes them again.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Ray workers; 0 works in this process.")] = 0,
) -> None:
    """Read every shard again and list whatever is wrong with it."""
    from animate.shards import verify as verification

    faults = (verification.repair if repair else verification.verify)(shards, workers=workers)
    for fault in faults:
        print(fault)
    if not faults:
        print(f"{shards}: no fault")
        return
    print(f"animate: {len(faults):,} {'fault' if len(faults) == 1 else 'faults'}", file=sys.stderr)
    if repair:
        print("animate: what was faulty is deleted; build again to make it anew", file=sys.stderr)
    raise typer.Exit(1)


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

    seconds = parse_seconds(time_limit)
    run_shown(
        lambda on_progress: run_materialize(
            shards,
            out,
            format=format,
            workers=workers,
            address=address,
            device=device,
            overwrite=overwrite,
            time_limit=seconds,
            on_progress=on_progress,
        )
    )
