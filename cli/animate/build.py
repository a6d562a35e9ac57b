"""`animate build`."""

from typing import TYPE_CHECKING, Annotated

import typer

from .options import Address, Device, Overwrite, TimeLimit, Workers, with_recipe, workforce
from .report import run_shown

if TYPE_CHECKING:
    from animate.recipe import BuildRecipe


@with_recipe
def build(
    wanted: "BuildRecipe",
    out: Annotated[str, typer.Option(help="Folder or fsspec URL for the shards.")],
    workers: Workers = None,
    address: Address = None,
    device: Device = "cpu",
    overwrite: Overwrite = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try addresses that gave no image again, in shards after the last."
        ),
    ] = False,
    time_limit: TimeLimit = "",
    log: Annotated[str, typer.Option(help="Append what happens to this file, a line of JSON an event.")] = "",
    metrics: Annotated[
        str, typer.Option(help="Keep this file (.prom) of metrics for Prometheus's node_exporter.")
    ] = "",
) -> None:
    """Film a corpus of captioned stills into a shard set; run again to go on after any interruption.

    Options up to --set decide the clips and belong to the recipe; the rest only where and how long it runs.
    """
    from animate.build import build_shards
    from animate.journal import watched
    from animate.stores import shown

    work = workforce(workers, address, device, time_limit)
    with watched(log, metrics, out=shown(out)) as on_event:
        run_shown(
            lambda on_progress: build_shards(
                wanted,
                out,
                work,
                overwrite=overwrite,
                retry_failed=retry_failed,
                on_progress=on_progress,
                on_event=on_event,
            )
        )
