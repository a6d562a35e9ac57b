"""`animate fetch`: downloads a list and films nothing."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Address, Workers, with_recipe, workforce

if TYPE_CHECKING:
    from animate.recipe import BuildRecipe


@with_recipe
def fetch(
    wanted: "BuildRecipe",
    src: Annotated[str, typer.Argument(help="A list by name (cc3m, laion400m, …), or `urls`, or its path.")],
    out: Annotated[str, typer.Option(help="Folder for the tars.")],
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try what failed again, into parts after the last.")
    ] = False,
    workers: Workers = None,
    address: Address = None,
) -> None:
    """Download the images of a list into img2dataset's tars; run again to go on after any interruption.

    Options up to --allow-outside are those of `animate build`; what says how to film does nothing here.
    """
    from animate.fetch import FAILED
    from animate.fetch import fetch as run_fetch
    from animate.leeway import check_leeway
    from animate.record import SUCCESS

    from ..progress import CountProgress
    from ..raw_lines import raw_lines_kept_off

    check_leeway(wanted)
    try:
        with raw_lines_kept_off("animate"), CountProgress("rows") as progress:
            report = run_fetch(
                wanted.source,
                out,
                workforce(workers, address, "cpu", ""),
                retry_failed=retry_failed,
                on_rows=progress.show,
            )
    except KeyboardInterrupt:
        print("\nanimate: stopped; the same command goes on from the parts that are done", file=sys.stderr)
        raise typer.Exit(130) from None
    for status, count in report.statuses.items():
        print(f"{status:<20} {count:>12,}")
    print(f"{report.parts:,} parts in {out}; what failed is in {out}/{FAILED}")
    if SUCCESS in report.statuses:
        print(f"next: animate build --src {json.dumps(f'{out}/*.tar')} --out shards/")
    if report.broken_parts:
        print("\n".join(report.broken_parts), file=sys.stderr)
    if SUCCESS not in report.statuses:
        print(f"animate: no address gave an image; {out}/{FAILED} says why of each", file=sys.stderr)
    if report.broken_parts or SUCCESS not in report.statuses:
        raise typer.Exit(1)
