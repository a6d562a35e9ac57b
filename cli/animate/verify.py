"""`animate verify`: read a shard set again."""

import sys
from typing import Annotated

import typer


def verify(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete leftovers and faulty shards; a build makes them again.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare checksums and counts alone; decode nothing.")
    ] = False,
    source: Annotated[
        str,
        typer.Option(
            help="Compare the corpus that lies here with the one that the set was planned from, too; `demo` "
            "for the one inside the package."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=0, help="Ray workers; 0 works in this process.")] = 0,
) -> None:
    """Read every shard again and list whatever is wrong with it."""
    from animate.executor import Workforce
    from animate.shards.verify import repair as run_repair
    from animate.shards.verify import verify as run_verify

    found = []
    if source:
        from animate.shards.origin import source_faults

        found = source_faults(shards, source)
    found += (run_repair if repair else run_verify)(shards, Workforce(workers=workers), quick=quick)
    for damage in found:
        print(damage)
    if not found:
        print(f"{shards}: no fault")
        return
    faults = sum(not damage.unfinished for damage in found)
    if not faults:
        print("animate: no fault in what is there", file=sys.stderr)
        raise typer.Exit(1)
    print(f"animate: {faults:,} {'fault' if faults == 1 else 'faults'}", file=sys.stderr)
    if repair:
        print("animate: what was faulty is deleted; build again to make it anew", file=sys.stderr)
    raise typer.Exit(1)
