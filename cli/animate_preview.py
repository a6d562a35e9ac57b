"""`animate preview`: see a shot before thousands of clips are made of it."""

from pathlib import Path
from typing import Annotated

import typer


def preview(
    image: Annotated[Path | None, typer.Argument(help="A photograph; without one, the demo's first.")] = None,
    shot: Annotated[str, typer.Option(help="A preset or a component, by name.")] = "default",
    out: Annotated[Path, typer.Option(help="What to write: .mp4, .gif or .png (a contact sheet).")] = Path(
        "preview.png"
    ),
    everything: Annotated[
        bool, typer.Option("--all", help="One sheet with every component and preset.")
    ] = False,
    size: Annotated[int, typer.Option(help="Side of the frames in pixels.")] = 224,
    frames: Annotated[int, typer.Option(help="Frames of the clip.")] = 48,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 16,
    seed: Annotated[int, typer.Option(help="Another seed is another take.")] = 0,
) -> None:
    """Film one still and write the clip, or a contact sheet with the views drawn on the still."""
    from animate.sources import demo_image

    from animate.codec import decode_still, encode_gif, encode_mp4, encode_png
    from animate.preview import contact_sheet, preview, sheet_of_all, shot_list
    from animate.recipe import SourceRecipe, VideoRecipe

    suffixes = (".png",) if everything else (".mp4", ".gif", ".png")
    if out.suffix not in suffixes:
        raise typer.BadParameter(f"{out}: must end in {' or '.join(suffixes)}", param_hint="--out")
    if image is not None and not image.is_file():
        raise typer.BadParameter(f"{image}: no such file", param_hint="IMAGE")
    video = VideoRecipe(size=size, num_frames=frames, fps=fps)
    still = decode_still(image.read_bytes() if image else demo_image(), SourceRecipe())
    if everything:
        out.write_bytes(encode_png(sheet_of_all(still, video, seed=seed)))
        typer.echo(f"{out}: every component and preset")
        return
    take = preview(still, shot_list(shot), video, seed)
    if out.suffix == ".mp4":
        data = encode_mp4(take.frames, fps=fps, crf=video.crf, preset=video.preset)
    elif out.suffix == ".gif":
        data = encode_gif(take.frames, fps)
    else:
        data = encode_png(contact_sheet(take, shot))
    out.write_bytes(data)
    typer.echo(f"{out}: {take.label}")
