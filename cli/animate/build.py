"""`animate build`."""

import json
import re
from typing import Annotated

import typer

from .options import (
    Address,
    AllowOutside,
    AllowPrivate,
    Device,
    Overwrite,
    Recipe,
    Root,
    Set,
    Src,
    TimeLimit,
    Urls,
    Workers,
    source_overrides,
    workforce,
)
from .report import run_shown


def build(
    out: Annotated[str, typer.Option(help="Folder or fsspec URL for the shards.")],
    src: Src = "",
    urls: Urls = "",
    root: Root = "",
    recipe: Recipe = "",
    format: Annotated[str, typer.Option(help="mp4, frames or virtual.")] = "",
    takes: Annotated[int | None, typer.Option(help="How often each still is filmed.")] = None,
    sample: Annotated[
        float | None, typer.Option(help="Use this share of the samples, chosen by key.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use the first so many samples; 0 is all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, other camera moves.")] = None,
    size: Annotated[str, typer.Option(help="Side of the frames in pixels, or WIDTHxHEIGHT.")] = "",
    frames: Annotated[int | None, typer.Option(help="Frames a clip.")] = None,
    fps: Annotated[int | None, typer.Option(help="Frames a second.")] = None,
    set_: Set = None,
    workers: Workers = None,
    address: Address = None,
    device: Device = "cpu",
    keep_images: Annotated[
        str, typer.Option(help="Keep downloaded images as tars in this folder; else they go once filmed.")
    ] = "",
    allow_private: AllowPrivate = False,
    allow_outside: AllowOutside = False,
    overwrite: Overwrite = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try addresses that gave no image again, in shards after the last."
        ),
    ] = False,
    time_limit: TimeLimit = "",
) -> None:
    """Film a corpus of captioned stills into a shard set; run again to go on after any interruption.

    Options up to --set decide the clips and belong to the recipe; the rest only where and how long it runs.
    """
    from animate.build import build_shards
    from animate.recipe import read_recipe

    overrides = [
        *source_overrides(src, urls, root),
        *_content(format, takes, limit, seed, size, frames, fps),
        *([f"source.sample={sample}"] if sample is not None else []),
        *([f"source.fetch.keep_images={json.dumps(keep_images)}"] if keep_images else []),
        *(["source.fetch.allow_private=true"] if allow_private else []),
        *(["source.allow_outside=true"] if allow_outside else []),
        *(set_ or []),
    ]
    wanted = read_recipe(recipe or None, overrides)
    work = workforce(workers, address, device, time_limit)
    run_shown(
        lambda on_progress: build_shards(
            wanted, out, work, overwrite=overwrite, retry_failed=retry_failed, on_progress=on_progress
        )
    )


def _content(
    format: str,
    takes: int | None,
    limit: int | None,
    seed: int | None,
    size: str,
    frames: int | None,
    fps: int | None,
) -> list[str]:
    """The recipe overrides that the options stand for."""
    width_height = re.fullmatch(r"(\d+)x(\d+)", size)
    options = {
        "video.format": format or None,
        "takes": takes,
        "source.limit": limit,
        "seed": seed,
        "video.size": f"[{width_height[1]}, {width_height[2]}]" if width_height else size or None,
        "video.num_frames": frames,
        "video.fps": fps,
    }
    return [f"{key}={value}" for key, value in options.items() if value is not None]
