"""Options that several commands of `animate` share, and what they stand for."""

import functools
import inspect
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Concatenate

import typer

if TYPE_CHECKING:
    from animate.executor import Workforce
    from animate.recipe import BuildRecipe

Src = Annotated[
    str, typer.Option(help="A source by name (`animate sources` lists them), or a path or URL of one.")
]
Root = Annotated[str, typer.Option(help="Folder with a folder for each named corpus (else ANIMATE_DATA).")]
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


def read_options(
    src: Src = "",
    urls: Annotated[
        str, typer.Option(help="The list, archive or folder of the corpus that --src names.")
    ] = "",
    root: Root = "",
    recipe: Annotated[str, typer.Option(help="TOML file with the recipe; all defaults without one.")] = "",
    format: Annotated[str, typer.Option(help="mp4, frames or virtual.")] = "",
    takes: Annotated[int | None, typer.Option(help="How often each still is filmed.")] = None,
    sample: Annotated[
        float | None, typer.Option(help="Use this share of the samples, chosen by key.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use the first so many samples; 0 is all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, other camera moves.")] = None,
    size: Annotated[
        str, typer.Option(metavar="PIXELS|WxH", help="Side of the frames in pixels, or width x height.")
    ] = "",
    frames: Annotated[int | None, typer.Option(help="Frames a clip.")] = None,
    fps: Annotated[str, typer.Option(metavar="RATE", help="Frames a second: 8, 29.97 or 30000/1001.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any key of the recipe: table.key=value; repeatable.")
    ] = None,
    keep_images: Annotated[
        str, typer.Option(help="Keep downloaded images as tars in this folder; else they go once filmed.")
    ] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Download from addresses off the public internet, too.")
    ] = False,
    allow_outside: Annotated[
        bool,
        typer.Option("--allow-outside", help="Film images that a table names outside of its folder, too."),
    ] = False,
) -> "BuildRecipe":
    """The recipe that these options stand for: the one table of options of every command that reads a recipe.

    `set_` has the last word.
    """
    from animate.errors import UserError
    from animate.recipe import names_source, read_recipe

    options = {
        "video.format": format or None,
        "takes": takes,
        "source.limit": limit,
        "seed": seed,
        "video.size": size_override(size),
        "video.num_frames": frames,
        "video.fps": fps or None,
        "source.sample": sample,
        "source.fetch.keep_images": json.dumps(keep_images) if keep_images else None,
        "source.fetch.allow_private": "true" if allow_private else None,
        "source.allow_outside": "true" if allow_outside else None,
    }
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    overrides = [*_source_overrides(src, urls, root), *given, *(set_ or [])]
    if not names_source(recipe or None, overrides):
        raise UserError(
            "--src is missing: a folder, a table or tars of captioned images, or a name that `animate "
            "sources` lists; `--src demo` films the photographs that come with the package"
        )
    return read_recipe(recipe or None, overrides)


def size_override(size: str) -> str | None:
    """The value of `video.size` that --size stands for; None where it is not given."""
    width_height = re.fullmatch(r"(\d+)x(\d+)", size)
    if size and not width_height and not size.isdecimal():
        raise typer.BadParameter(f"{size!r}: write PIXELS or WxH, as 224 or 320x180", param_hint="--size")
    return f"[{width_height[1]}, {width_height[2]}]" if width_height else size or None


def with_recipe(command: "Callable[Concatenate[BuildRecipe, ...], None]") -> Callable[..., None]:
    """`command`, which takes a recipe first, as one with the options of `read_options` in its place.

    A parameter of its own of the same name stands for one of these: `fetch` takes `src` as an argument.
    """
    _, *parameters = inspect.signature(command).parameters.values()
    table, own = inspect.signature(read_options).parameters, {x.name: x for x in parameters}
    shared = [own.get(name, parameter) for name, parameter in table.items()]
    rest = [parameter for name, parameter in own.items() if name not in table]
    # What must be given comes first in the help.
    merged = sorted([*shared, *rest], key=lambda parameter: parameter.default is not inspect.Parameter.empty)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        wanted = read_options(**{name: given[name] for name in table if name in given})
        command(wanted, **{name: given[name] for name in own if name in given})

    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature([x.replace(kind=keyword) for x in merged])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in merged}
    return run


def _source_overrides(src: str, urls: str, root: str) -> list[str]:
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
    from animate.apart import can_be_apart
    from animate.executor import Workforce

    return Workforce(
        workers=workers,
        address=address,
        device=device,
        time_limit=parse_seconds(time_limit),
        apart=can_be_apart(device),
    )


def parse_seconds(text: str) -> float | None:
    """A time limit in seconds, None for no text; `typer.BadParameter` if it is none."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise typer.BadParameter(f"{text!r}: write seconds, or 90s, 30m, 2h", param_hint="--time-limit")
    return float(found[1]) * _SECONDS[found[2] or "s"]
