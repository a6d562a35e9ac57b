"""`retrieval index MODEL VIDEOS --out GALLERY`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .eval import MODEL_HELP


def index(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    videos: Annotated[Path, typer.Argument(help="Folder of videos, folders of frames, images; or a file.")],
    out: Annotated[Path, typer.Option(help="Folder that becomes the gallery.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A key, as frames.num_frames=12 or model.activation=gelu."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a gallery that is there.")] = False,
    add: Annotated[
        bool, typer.Option("--add", help="Index only videos that are new or have changed since.")
    ] = False,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="Take out videos by id, path or pattern ('clips/*'); may be repeated."),
    ] = None,
    remove_gone: Annotated[
        bool, typer.Option("--remove-gone", help="Take out videos whose files are gone.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Make a gallery to search in, or change one; states what it takes on disk.

    Stopped at any moment, the same command goes on where it was.
    """
    from retrieval.ahead import check_device
    from retrieval.errors import DataError
    from retrieval.find import find_gallery_videos
    from retrieval.paths import check_free, check_gallery, check_removed, check_videos, state_folder

    check_device(device)
    patterns = remove or []
    changes = bool(patterns) or remove_gone
    if overwrite and (add or changes):
        raise DataError("--overwrite: replaces a gallery; --add and --remove change one: give either")
    check_videos(videos)
    if add or changes:
        if not state_folder(out).exists():  # else one may be on its way there, from before a crash
            check_gallery(out)
            check_removed(out, patterns)
    else:
        check_free(out, overwrite=overwrite)
    if changes and not add:
        from retrieval.index import remove_from_gallery

        _report(remove_from_gallery(out, patterns, gone=remove_gone), out)
        return

    from retrieval.reference import find_model

    from ..progress import CountProgress

    found = find_model(model, set_ or ())
    if not add:
        find_gallery_videos(videos)

    from retrieval.index import add_to_gallery, build_gallery
    from retrieval.launch import pick_device
    from retrieval.pretrained import open_model

    place = pick_device(device)
    loaded = open_model(found, place)
    with CountProgress("videos") as progress, _says_that_it_goes_on():
        show = progress.show
        if add:
            facts = add_to_gallery(
                loaded,
                videos,
                out,
                device=place,
                remove=patterns,
                remove_gone=remove_gone,
                on_video=show,
            )
        else:
            facts = build_gallery(loaded, videos, out, device=place, overwrite=overwrite, on_video=show)
    _report(facts, out)


@contextmanager
def _says_that_it_goes_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the videos that are not in yet", file=sys.stderr)
        raise


def _report(facts: dict[str, Any], out: Path) -> None:
    for video in facts["unreadable"]:
        print(f"left out ({video['status']}): {video['message']}", file=sys.stderr)
    for reason, some in facts["left_out"].items():
        more = ", …" if some["count"] > len(some["examples"]) else ""
        print(
            f"not indexed: {some['count']:,} {reason} ({', '.join(some['examples'])}{more})", file=sys.stderr
        )
    if facts["removed"]:
        print(f"{facts['removed']:,} taken out")
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(facts["videos_by_status"].items()))
    sizes = ", ".join(f"{name} {size:,.0f}" for name, size in facts["bytes_per_video"].items())
    print(f"{facts['num_videos']:,} videos in {out} ({counts}); coarse stage: {facts['coarse']}")
    print(f"bytes per video: {facts['total_bytes_per_video']:,.0f} ({sizes})")
