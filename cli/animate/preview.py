"""`animate preview`: see a shot before thousands of clips are made of it."""

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

#: Filmed when no image is given.
DEMO_IMAGE = "demo/raccoon.jpg"


def preview(
    image: Annotated[
        Path | None, typer.Argument(help="A photograph; without one, a raccoon of the demo corpus.")
    ] = None,
    shot: Annotated[str, typer.Option(help="A preset or a component, by name.")] = "default",
    out: Annotated[
        Path, typer.Option(help="What to write: .mp4 or .gif, or a contact sheet as .png or .jpg.")
    ] = Path("preview.png"),
    everything: Annotated[
        bool, typer.Option("--all", help="One sheet with every component and preset.")
    ] = False,
    size: Annotated[int, typer.Option(help="Side of the frames in pixels.")] = 224,
    frames: Annotated[int, typer.Option(help="Frames of the clip.")] = 48,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 16,
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
) -> None:
    """Film one still and write the clip, or a contact sheet with the views drawn on the still."""
    from animate.codec import UndecodableImage, decode_still, encode_gif, encode_jpeg, encode_mp4, encode_png
    from animate.preview import contact_sheet, preview, sheet_of_all, shot_list
    from animate.recipe import SourceRecipe, VideoRecipe

    suffixes = (".png", ".jpg") if everything else (".mp4", ".gif", ".png", ".jpg")
    if out.suffix not in suffixes:
        raise typer.BadParameter(f"{out}: must end in {' or '.join(suffixes)}", param_hint="--out")
    if image is not None and not image.is_file():
        raise typer.BadParameter(f"{image}: no such file", param_hint="IMAGE")
    video = VideoRecipe(size=size, num_frames=frames, fps=fps)
    photograph = image.read_bytes() if image else (resources.files("animate") / DEMO_IMAGE).read_bytes()
    try:
        still = decode_still(photograph, SourceRecipe())
    except UndecodableImage as error:
        raise typer.BadParameter(f"{image}: {error}", param_hint="IMAGE") from None
    if everything:
        sheet, label = sheet_of_all(still, video, seed=seed), "every component and preset"
    else:
        take = preview(still, shot_list(shot), video, seed)
        sheet, label = contact_sheet(take, shot), take.label
    if out.suffix == ".mp4":
        data = encode_mp4(take.frames, fps=fps, crf=video.crf, preset=video.preset)
    elif out.suffix == ".gif":
        data = encode_gif(take.frames, fps)
    elif out.suffix == ".jpg":
        data = encode_jpeg(sheet, video.jpeg_quality)
    else:
        data = encode_png(sheet)
    out.write_bytes(data)
    typer.echo(f"{out}: {label}")
