"""`retrieval check RECIPE`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def check(
    recipe: Annotated[Path, typer.Argument(help="A TOML file whose data is looked at, or demo, msrvtt, ….")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="A recipe key, as table.key=value.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for one JSON line a video that is not ok.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Videos read at once.")] = 2,
) -> None:
    """Read every video as training and evaluation will, and count what cannot be read.

    Such videos are left out of training, and are failed queries in an evaluation: not an error here.
    """
    import json

    from rich.console import Console
    from rich.progress import track

    from retrieval.paths import check_result
    from retrieval.recipe import load_recipe

    check_result(out)
    resolved = load_recipe(recipe, set_ or ())

    from retrieval.datasets import open_dataset

    dataset = open_dataset(resolved.data)

    from retrieval.health import check_part, parts_of

    console = Console(stderr=True)
    lines: list[str] = []
    for part, clips in parts_of(dataset).items():
        looked_at = check_part(clips, resolved.frames, resolved.data.cache, threads)
        shown = track(looked_at, part, total=len(clips), console=console, disable=not console.is_terminal)
        counts: dict[str, int] = {}
        for health in shown:
            counts[health.status] = counts.get(health.status, 0) + 1
            if health.status != "ok":
                lines.append(
                    json.dumps(
                        {
                            "part": part,
                            "video": health.video_id,
                            "status": health.status,
                            "usable": health.usable,
                            "message": health.message,
                        },
                        ensure_ascii=False,
                    )
                )
                if len(lines) <= 20:
                    print(f"{part}: {health.status}: {health.message}", file=sys.stderr)
        described = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        print(f"{part}: {len(clips):,} videos: {described}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        print(f"{len(lines):,} lines: {out}")
