"""`animate stats`: what a shard set holds."""

from typing import Annotated

import typer


def stats(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set.")],
    png: Annotated[str, typer.Option(help="Where to write the plots; empty writes none.")] = "stats.png",
) -> None:
    """Count statuses, sizes, caption lengths, camera moves, view areas and speeds; plot them into a PNG."""
    from pathlib import Path

    import numpy as np

    from animate.shards.stats import plot
    from animate.shards.stats import stats as count

    found = count(shards)
    total = sum(found.statuses.values())
    print(f"{total:,} inputs")
    for status, number in found.statuses.items():
        print(f"  {status:<28} {number:>10,}  {number / total:6.1%}")
    print(f"camera moves of {found.looked_at:,} clips")
    for component, number in found.components.items():
        print(f"  {component:<28} {number:>10,}")
    print(f"{'':30} {'5 %':>10} {'median':>10} {'95 %':>10}")
    for name, values in found.measures.items():
        low, middle, high = np.percentile(values, [5, 50, 95]) if len(values) else (0.0, 0.0, 0.0)
        print(f"{name:<30} {low:>10.4g} {middle:>10.4g} {high:>10.4g}")
    if png:
        Path(png).write_bytes(plot(found))
        print(f"plots in {png}")
