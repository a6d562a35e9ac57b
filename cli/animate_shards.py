"""`animate verify` and `animate materialize`: what there is to do with a shard set once it is built."""

import sys
from typing import Annotated

import typer

from cli.animate_build import parse_seconds, print_report

Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Ray workers; 0 works in this process. Default: what suits the work."),
]


def verify(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete leftovers and faulty shards; a build makes them again.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Ray workers; 0 works in this process.")] = 0,
) -> None:
    """Read every shard again and list whatever is wrong with it."""
    from animate import verify as verification

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
    address: Annotated[
        str | None, typer.Option(help="Join this running Ray cluster (`auto` finds it).")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the new shard set and start afresh.")
    ] = False,
    time_limit: Annotated[
        str, typer.Option(help="Start no shard after this long: 90, 90s, 30m or 2h. Run again to go on.")
    ] = "",
) -> None:
    """Render the clips of a virtual shard set; run again to go on after any interruption."""
    from animate.materialize import materialize as run_materialize
    from cli.animate_progress import BuildProgress

    with BuildProgress() as progress:
        try:
            report = run_materialize(
                shards,
                out,
                format=format,
                workers=workers,
                address=address,
                overwrite=overwrite,
                time_limit=parse_seconds(time_limit) if time_limit else None,
                on_progress=progress.show,
            )
        except KeyboardInterrupt:
            progress.stop()
            print(
                f"\nanimate: stopped with {progress.finished}; the same command goes on from there",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None
    print_report(report)
    if not report.complete:
        raise typer.Exit(1)
