"""`animate stats`: what a shard set holds."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from ..output import writable

#: What can be written, by suffix.
_SUFFIXES = (".png", ".svg", ".json")


def stats(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "--png", help="Write plots here, too (.png or .svg), or all numbers (.json)."),
    ] = None,
) -> None:
    """Count statuses, sizes, caption lengths, camera moves, view areas and speeds, and plot them if asked."""
    if out is not None:
        writable(out, "--out", _SUFFIXES)

    import numpy as np

    from animate.shards.plots import plot_png, plot_svg
    from animate.shards.stats import stats as count

    found = count(shards)
    total = sum(found.statuses.values())
    print(f"{total:,} inputs")
    for status, number in found.statuses.items():
        print(f"  {status:<28} {number:>10,}  {number / total:6.1%}")
    print(f"camera moves of {found.looked_at:,} clips")
    for component, number in found.components.items():
        print(f"  {component:<28} {number:>10,}")
    print(f"{'':30} {'5 %':>10} {'median':>10} {'95 %':>10}  at least")
    for name, values in found.measures.items():
        low, middle, high = np.percentile(values, [5, 50, 95]) if len(values) else (0.0, 0.0, 0.0)
        bound = f"  {found.least[name]:g}" if name in found.least else ""
        print(f"{name:<30} {low:>10.4g} {middle:>10.4g} {high:>10.4g}{bound}")
    if out is None:
        return
    if out.suffix == ".json":
        out.write_text(json.dumps(dataclasses.asdict(found), indent=1) + "\n", encoding="utf-8")
    else:
        out.write_bytes(plot_png(found) if out.suffix == ".png" else plot_svg(found))
    print(f"{'numbers' if out.suffix == '.json' else 'plots'} in {out}")
