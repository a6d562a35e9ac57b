"""`animate preview`: see a shot before thousands of clips are made of it."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..output import writable

if TYPE_CHECKING:
    from animate.arrays import Picture

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
    shot: Annotated[str, typer.Option(help="A preset or a component, by name.")] = "default",
    out: Annotated[
        Path, typer.Option(help="What to write: .mp4 or .gif, or a contact sheet as .png or .jpg.")
    ] = Path("preview.png"),
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="One sheet with every component, preset and transition. "
            "Where it needs more photographs, those of the demo follow yours.",
        ),
    ] = False,
    size: Annotated[int, typer.Option(help="Side of the frames in pixels.")] = 224,
    frames: Annotated[int, typer.Option(help="Frames of the clip.")] = 48,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 16,
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
) -> None:
    """Film a still, or several as a montage, and write the clip, or a contact sheet with the views drawn."""
    from animate.codec import encode_gif, encode_jpeg, encode_mp4, encode_png
    from animate.preview import contact_sheet, preview, sheet_of_all, shot_list
    from animate.recipe import VideoRecipe
    from animate.strict_toml import from_table

    suffixes = (".png", ".jpg") if everything else (".mp4", ".gif", ".png", ".jpg")
    writable(out, "--out", suffixes)
    if frames * size * size > MOST_PIXELS:
        raise typer.BadParameter(
            f"{frames} frames of {size} x {size} pixels: a preview is held in memory, and has at most "
            f"{MOST_PIXELS:,} pixels in all",
            param_hint="--size, --frames",
        )
    video = from_table(VideoRecipe, {"size": size, "num_frames": frames, "fps": fps}, "video")
    stills = [_given(path) for path in image or ()]
    if everything:
        stills += [_demo(name) for name in DEMO_IMAGES]
        sheet, told = sheet_of_all(stills, video, seed=seed), "every component, preset and transition"
    else:
        recipe = shot_list(shot)
        stills = stills or [_demo(name) for name in DEMO_IMAGES[: recipe.edit.stills]]
        take = preview(stills, recipe, video, seed)
        sheet, told = contact_sheet(take, shot), f"{take.label}\n{take.caption}"
    if out.suffix == ".mp4":
        data = encode_mp4(take.frames, fps=fps, crf=video.crf, preset=video.preset)
    elif out.suffix == ".gif":
        data = encode_gif(take.frames, fps)
    elif out.suffix == ".jpg":
        data = encode_jpeg(sheet, video.jpeg_quality)
    else:
        data = encode_png(sheet)
    out.write_bytes(data)
    typer.echo(f"{out}: {told}")


def _given(path: Path) -> "Picture":
    from animate.codec import UndecodableImage, decode_still
    from animate.recipe import SourceRecipe

    if not path.is_file():
        raise typer.BadParameter(f"{path}: no such file", param_hint="IMAGE")
    try:
        return decode_still(path.read_bytes(), SourceRecipe())
    except UndecodableImage as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="IMAGE") from None


def _demo(name: str) -> "Picture":
    from animate.codec import decode_still
    from animate.recipe import SourceRecipe

    return decode_still((resources.files("animate") / "demo" / name).read_bytes(), SourceRecipe())
