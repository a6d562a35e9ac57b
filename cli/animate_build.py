"""`animate build`."""

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from animate.build import BuildReport

SECONDS = {"s": 1, "m": 60, "h": 3600}


def build(
    out: Annotated[str, typer.Option(help="Folder or fsspec URL for the shards.")],
    src: Annotated[
        str, typer.Option(help="A source by name (`animate sources` lists them), or a path or URL of one.")
    ] = "",
    urls: Annotated[
        str, typer.Option(help="The list, archive or folder of the corpus that --src names.")
    ] = "",
    root: Annotated[
        str, typer.Option(help="Folder with a folder for each named corpus (else ANIMATE_DATA).")
    ] = "",
    recipe: Annotated[str, typer.Option(help="TOML file with the recipe; all defaults without one.")] = "",
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
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of the recipe: table.key=value; repeatable.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Ray workers; 0 works in this process. Default: the CPUs of this machine (of the cluster "
            "with --address), this process where that is as quick.",
        ),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Join this running Ray cluster (`auto` finds it).")
    ] = None,
    keep_images: Annotated[
        str, typer.Option(help="Keep downloaded images as tars in this folder; else they go once filmed.")
    ] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Download from addresses off the public internet, too.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the shard set and start afresh.")
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="Try addresses that gave no image again, in shards after the last."
        ),
    ] = False,
    time_limit: Annotated[
        str, typer.Option(help="Start no shard after this long: 90, 90s, 30m or 2h. Run again to go on.")
    ] = "",
) -> None:
    """Film a corpus of captioned stills into a shard set; run again to go on after any interruption.

    Options up to --set decide the clips and belong to the recipe; the rest only where and how long it runs.
    """
    from animate.build import build as run_build
    from animate.recipe import read_recipe
    from cli.animate_progress import BuildProgress

    overrides = [
        *source_overrides(src, urls, root),
        *_content(format, takes, limit, seed, size, frames, fps),
        *([f"source.sample={sample}"] if sample is not None else []),
        *([f"source.fetch.keep_images={json.dumps(keep_images)}"] if keep_images else []),
        *(["source.fetch.allow_private=true"] if allow_private else []),
        *(set_ or []),
    ]
    wanted = read_recipe(recipe or None, overrides)
    seconds = parse_seconds(time_limit) if time_limit else None
    with BuildProgress() as progress:
        try:
            report = run_build(
                wanted,
                out,
                workers=workers,
                address=address,
                overwrite=overwrite,
                retry_failed=retry_failed,
                time_limit=seconds,
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


def source_overrides(src: str, urls: str, root: str) -> list[str]:
    """The recipe overrides that --src, --urls and --root stand for."""
    if not src:
        return []
    from animate.sources import resolve_src

    return [
        f"source.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in resolve_src(src, urls=urls, root=root).items()
    ]


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


def parse_seconds(text: str) -> float:
    """A time limit in seconds; `typer.BadParameter` if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"{text!r}: write seconds, or 90s, 30m, 2h", param_hint="--time-limit")
    return float(found[1]) * SECONDS[found[2] or "s"]


def print_report(report: "BuildReport") -> None:
    """The summary on stdout, what failed on stderr."""
    if report.complete and not report.shards_made:
        print("Nothing to do: every shard is finished.")
    reasons = ", ".join(f"{status} {count:,}" for status, count in report.rejected.items())
    rows = {
        "clips": f"{report.clips:,} of {report.inputs:,} inputs",
        "rejected": f"{sum(report.rejected.values()):,}" + (f" ({reasons})" if reasons else ""),
        "shards": f"{report.shards_finished:,} of {report.shards_planned:,}",
        "size": _size(report.size_bytes),
        "time": f"{report.seconds:.1f} s"
        + (f", {report.clips_per_second:.1f} clips/s" if report.clips_made else ""),
        "where": report.out,
    }
    for name, value in rows.items():
        print(f"{name:<9} {value}")
    for failure in report.failures:
        print(f"shard {failure.name} failed {failure.attempts} times: {failure.message}", file=sys.stderr)
    if report.failures:
        print(f"\nthe last traceback of shard {report.failures[0].name}:", file=sys.stderr)
        print(report.failures[0].details, file=sys.stderr)
    missing = report.shards_planned - report.shards_finished
    if missing:
        verb = "shard is" if missing == 1 else "shards are"
        print(
            f"animate: {missing:,} {verb} not finished; the same command goes on with the rest",
            file=sys.stderr,
        )


def _size(size_bytes: int) -> str:
    size, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
