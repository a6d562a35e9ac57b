"""`retrieval index MODEL VIDEOS --out GALLERY`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.retrieval_eval import MODEL_HELP


def index(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    videos: Annotated[Path, typer.Argument(help="Folder of videos, folders of frames and images.")],
    out: Annotated[Path, typer.Option(help="Folder that becomes the gallery.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A key, as frames.num_frames=12 or model.activation=gelu."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a gallery that is there.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Make a gallery to search in; states what it takes on disk."""
    from rich.console import Console
    from rich.progress import Progress

    from retrieval.reference import find_model

    found = find_model(model, set_ or ())

    from retrieval.index import build_gallery
    from retrieval.launch import pick_device
    from retrieval.pretrained import open_model

    place = pick_device(device)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("videos", total=None)
        facts = build_gallery(
            open_model(found, place),
            videos,
            out,
            device=place,
            overwrite=overwrite,
            on_video=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for video in facts["unreadable"]:
        typer.echo(f"left out ({video['status']}): {video['message']}", err=True)
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(facts["videos_by_status"].items()))
    sizes = ", ".join(f"{name} {size:,.0f}" for name, size in facts["bytes_per_video"].items())
    typer.echo(f"{facts['num_videos']:,} videos in {out} ({counts}); coarse stage: {facts['coarse']}")
    typer.echo(f"bytes per video: {facts['total_bytes_per_video']:,.0f} ({sizes})")
