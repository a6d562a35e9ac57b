"""Options that several commands of `animate` share, and what they stand for."""

import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from animate.executor import Workforce

Src = Annotated[
    str, typer.Option(help="A source by name (`animate sources` lists them), or a path or URL of one.")
]
Urls = Annotated[str, typer.Option(help="The list, archive or folder of the corpus that --src names.")]
Root = Annotated[str, typer.Option(help="Folder with a folder for each named corpus (else ANIMATE_DATA).")]
Recipe = Annotated[str, typer.Option(help="TOML file with the recipe; all defaults without one.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any key of the recipe: table.key=value; repeatable.")
]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Download from addresses off the public internet, too.")
]

AllowOutside = Annotated[
    bool, typer.Option("--allow-outside", help="Film images that a table names outside of its folder, too.")
]

Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Ray workers; 0 works in this process. Default: the CPUs of this machine (of the cluster "
        "with --address), this process where that is as quick.",
    ),
]
Address = Annotated[str | None, typer.Option(help="Join this running Ray cluster (`auto` finds it).")]
Device = Annotated[
    str, typer.Option(help="Where frames are rendered: cpu (OpenCV), or a torch device as cuda (kornia).")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Delete the shard set and start afresh.")]
TimeLimit = Annotated[
    str, typer.Option(help="Start no shard after this long: 90, 90s, 30m or 2h. Run again to go on.")
]

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def source_overrides(src: str, urls: str, root: str) -> list[str]:
    """The recipe overrides that --src, --urls and --root stand for."""
    if not src:
        return []
    from animate.sources.resolve import resolve_src

    return [
        f"source.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in resolve_src(src, urls=urls, root=root).items()
    ]


def workforce(workers: int | None, address: str | None, device: str, time_limit: str) -> "Workforce":
    """What --workers, --address, --device and --time-limit stand for."""
    from animate.executor import Workforce

    seconds = parse_seconds(time_limit)
    return Workforce(workers=workers, address=address, device=device, time_limit=seconds)


def parse_seconds(text: str) -> float | None:
    """A time limit in seconds, None for no text; `typer.BadParameter` if it is none."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"{text!r}: write seconds, or 90s, 30m, 2h", param_hint="--time-limit")
    return float(found[1]) * _SECONDS[found[2] or "s"]
