"""`animate export`: a shard set in the layout of another project."""

import sys
from typing import Annotated

import typer

from .options import Device

#: What --to takes; a test holds it against the table.
TARGETS = ("webvid", "clip4clip", "msrvtt", "umt", "lavis", "hf", "mds", "litdata", "dali", "kinetics")


def export(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set, in any format.")],
    to: Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(TARGETS[:-1])} or {TARGETS[-1]}.")],
    out: Annotated[str, typer.Option(help="Folder for the export.")],
    license_: Annotated[
        str | None,
        typer.Option(
            "--license",
            metavar="NAME,…",
            help="Export clips under these licences alone: cc-by,cc0. cc-by is every release of it, and no "
            "cc-by-nc.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SHARES",
            help="Shares of train,val or train,val,test, by still: 0.9,0.1. Else all is train.",
            show_default=False,
        ),
    ] = None,
    finished_only: Annotated[
        bool, typer.Option("--finished-only", help="Of a set that is not finished, the shards that are.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Ray workers that encode; 0 works in this process. Default: the CPUs of this machine, this "
            "process where that is as quick.",
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Write a shard set as another project reads it; run again to go on after any interruption.

    Clips stored as mp4 are copied, frames and virtual clips are encoded. The same set gives the same bytes.
    """
    from animate.executor import Workforce
    from animate.export import export_shards

    from ..progress import CountProgress
    from ..raw_lines import raw_lines_kept_off

    licences, shares = _licences(license_), _shares(split)
    work = Workforce(workers=workers, device=device)
    try:
        with raw_lines_kept_off("animate"), CountProgress("clips") as progress:
            report = export_shards(
                shards,
                out,
                to=to,
                licences=licences,
                split=shares,
                finished_only=finished_only,
                workforce=work,
                on_clips=progress.show,
            )
    except KeyboardInterrupt:
        print("\nanimate: stopped; the same command goes on from the shards that are done", file=sys.stderr)
        raise typer.Exit(130) from None
    exported, left_out = sum(report.clips.values()), sum(report.left_out.values())
    if exported and not report.made:
        print("Nothing to do: every clip is exported.")
    by_split = ", ".join(f"{count:,} {name}" for name, count in report.clips.items())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.left_out.items())
    print(f"exported  {exported:,} of {exported + left_out:,} clips ({by_split})")
    print(f"left out  {left_out:,}" + (f" ({reasons})" if reasons else ""))
    print(f"where     {out}")
    for warning in report.warnings:
        print(f"note: {warning}", file=sys.stderr)
    if not exported:
        licences = f"; {shards.rstrip('/')}/_animate/card.md counts its licences" if license_ else ""
        print(f"animate: no clip was exported{licences}", file=sys.stderr)
        raise typer.Exit(1)


def _licences(text: str | None) -> list[str]:
    """The names given. None is refused: an empty variable of a script would let every licence by."""
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    if text is not None and not names:
        raise typer.BadParameter(
            f"{text!r}: names no licence; write some, as cc-by,cc0", param_hint="--license"
        )
    return names


def _shares(text: str | None) -> list[float]:
    try:
        return [] if text is None else [float(share) for share in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write shares, as 0.9,0.1", param_hint="--split") from None
