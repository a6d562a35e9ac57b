"""`animate status`: how far a build is, from another terminal."""

import sys
from typing import Annotated

import typer


def status(shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")]) -> None:
    """Say how far a build is: what is planned, finished and rejected, how fast, and what is left."""
    from animate.shards.status import status as look

    from .report import size

    found = look(shards)
    planned = "" if found.inputs_planned is None else f" of {found.inputs_planned:,} planned"
    reasons = ", ".join(f"{status} {count:,}" for status, count in found.rejected.items())
    rows = {
        "shards": f"{found.shards_finished:,} of {found.shards_planned:,}"
        + (f", {found.in_hand:,} in hand" if found.in_hand else ""),
        "inputs": f"{found.inputs:,}{planned}",
        "clips": f"{found.clips:,}, {size(found.size_bytes)}",
        "rejected": f"{sum(found.rejected.values()):,}" + (f" ({reasons})" if reasons else ""),
    }
    if found.complete:
        rows["state"] = "finished"
    elif found.seconds_a_shard is None or found.seconds_since is None:
        rows["state"] = "not finished; too few shards to say how fast it goes"
    else:
        rows["speed"] = (
            f"{_span(found.seconds_a_shard)} a shard, the last one {_span(found.seconds_since)} ago"
        )
        rows["state"] = f"not finished; {_span(found.seconds_left or 0)} left at that speed"
    for name, value in rows.items():
        print(f"{name:<9} {value}")
    if found.damaged:
        print(
            f"animate: damaged: {', '.join(found.damaged)}; `animate verify --repair` has them made anew",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _span(seconds: float) -> str:
    """As 4.2 s, or as hours:minutes:seconds."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
