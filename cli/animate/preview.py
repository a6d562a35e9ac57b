"""`animate preview`: see a shot before thousands of clips are made of it."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import writable
from .options import size_override

if TYPE_CHECKING:
    from animate.arrays import Frames, Picture
    from animate.recipe import SourceRecipe, VideoRecipe

#: Photographs of the demo corpus: the first is filmed when no image is given, and all stand behind the images
#: that are given where more are needed.
DEMO_IMAGES = ("raccoon.jpg", "coffee.jpg", "rocket.jpg")

#: Of all frames of a preview together.
MOST_PIXELS = 200_000_000


def preview(
    image: Annotated[
        list[Path] | None,
        typer.Argument(help="A photograph, or the photographs of a montage; without one, those of the demo."),
    ] = None,
    shot: Annotated[str, typer.Option(help="A preset or a component, by name; else the recipe's.")] = "",
    recipe: Annotated[
        str, typer.Option(help="TOML file of `animate build`: films as it says, shot list, frames and all.")
    ] = "",
    out: Annotated[
        Path, typer.Option(help="What to write: .mp4 or .gif, or a contact sheet as .png or .jpg.")
    ] = Path("preview.png"),
    shards: Annotated[
        str, typer.Option(help="A shard set of which --clip is filmed again, just as it was.")
    ] = "",
    clip: Annotated[str, typer.Option(help="The clip's key.")] = "",
    source: Annotated[
        str, typer.Option(help="Where the corpus of --shards lies; not needed for virtual sets and the demo.")
    ] = "",
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="One sheet with every component, preset and transition. "
            "Where it needs more photographs, those of the demo follow yours.",
        ),
    ] = False,
    size: Annotated[str, typer.Option(help="Side of the frames in pixels, or WIDTHxHEIGHT.")] = "",
    frames: Annotated[
        int | None, typer.Option(help="Frames of the clip; without a recipe 48.", show_default=False)
    ] = None,
    fps: Annotated[
        str, typer.Option(metavar="RATE", help="Frames a second; without a recipe 16.", show_default=False)
    ] = "",
    seed: Annotated[int | None, typer.Option(help="Another seed is another take.")] = None,
) -> None:
    """Film a still, or several as a montage, and write the clip, or a contact sheet with the views drawn."""
    from animate.preview import contact_sheet, preview, sheet_of_all, shot_list
    from animate.recipe import read_recipe

    suffixes = (".png", ".jpg") if everything else (".mp4", ".gif", ".png", ".jpg")
    writable(out, "--out", suffixes)
    if shards or clip:
        if not (shards and clip):
            raise typer.BadParameter(
                "go together: a clip is found by its key in a set", param_hint="--shards, --clip"
            )
        if image or shot or recipe or everything or size or fps or (frames, seed) != (None, None):
            raise typer.BadParameter(
                "films a clip as it is recorded: leave out images, and options that say how",
                param_hint="--shards",
            )
        _film_again(shards, clip, source, out)
        return
    if source:
        raise typer.BadParameter("is where the corpus of --shards lies: give both", param_hint="--source")
    if everything and shot:
        raise typer.BadParameter("shows every shot: leave out --shot", param_hint="--all")
    if recipe and (everything or shot):
        raise typer.BadParameter(
            "has a shot list of its own: leave out --all and --shot", param_hint="--recipe"
        )
    if not recipe:
        frames, fps = 48 if frames is None else frames, fps or "16"
    options = {
        "video.size": size_override(size),
        "video.num_frames": frames,
        "video.fps": fps or None,
        "seed": seed,
    }
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    wanted = read_recipe(recipe or None, given)
    video, seed = wanted.video, wanted.seed
    if video.num_frames * video.width * video.height > MOST_PIXELS:
        raise typer.BadParameter(
            f"{video.num_frames} frames of {video.width} x {video.height} pixels: a preview is held in "
            f"memory, and has at most {MOST_PIXELS:,} pixels in all",
            param_hint="--size, --frames",
        )
    stills = [_given(path, wanted.source) for path in image or ()]
    if everything:
        stills += [_demo(name) for name in DEMO_IMAGES]
        told = "every component, preset and transition"
        _write(out, video, sheet_of_all(stills, video, seed=seed))
    else:
        shots = wanted.shot if recipe else shot_list(shot or "default")
        stills = stills or [_demo(name) for name in DEMO_IMAGES[: shots.edit.stills]]
        take = preview(stills, shots, video, seed)
        told = f"{take.label}\n{take.caption}"
        _write(out, video, contact_sheet(take, wanted.name if recipe else shots.preset), take.frames)
    typer.echo(f"{out}: {told}")


def _film_again(shards: str, clip: str, source: str, out: Path) -> None:
    """A clip of a shard set, from its still and its recorded camera."""
    from animate.inspect.again import film_again
    from animate.inspect.opened import open_set
    from animate.preview import contact_sheet

    shard_set = open_set(shards)
    take = film_again(shard_set, clip, source)
    _write(out, shard_set.recipe.video, contact_sheet(take, clip), take.frames)
    typer.echo(f"{out}: {take.label}\n{take.caption}")


def _write(out: Path, video: "VideoRecipe", sheet: "Picture", frames: "Frames | None" = None) -> None:
    """The sheet or, where the suffix says so, the frames."""
    from animate.codec import encode_gif, encode_jpeg, encode_mp4, encode_png

    if frames is not None and out.suffix == ".mp4":
        data = encode_mp4(frames, fps=video.fps, crf=video.crf, preset=video.preset)
    elif frames is not None and out.suffix == ".gif":
        data = encode_gif(frames, video.fps)
    elif out.suffix == ".jpg":
        data = encode_jpeg(sheet, video.jpeg_quality)
    else:
        data = encode_png(sheet)
    out.write_bytes(data)


def _given(path: Path, source: "SourceRecipe") -> "Picture":
    from animate.codec import UndecodableImage, decode_still

    if path.is_dir():
        raise typer.BadParameter(f"{path}: is a folder; name an image", param_hint="IMAGE")
    if not path.is_file():
        raise typer.BadParameter(f"{path}: no such file", param_hint="IMAGE")
    try:
        return decode_still(path.read_bytes(), source)
    except UndecodableImage as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="IMAGE") from None


def _demo(name: str) -> "Picture":
    from animate.codec import decode_still
    from animate.recipe import SourceRecipe

    return decode_still((resources.files("animate") / "demo" / name).read_bytes(), SourceRecipe())
