"""`animate inspect`: a shard set in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import writable

#: Clips of a file, where nothing else is asked for.
FILE_CLIPS = 500


def inspect(
    shards: Annotated[str, typer.Argument(help="Folder or URL of a shard set, finished or not.")],
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to browsers of this machine, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1; 0 takes a free port.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the page as one .html file, pictures and all. Alone, the command writes report.html."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Show so many clips, chosen by a hash of their keys. "
            f"Default: {FILE_CLIPS} in a file, all with --serve.",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of clips of the set, as .png or .jpg.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Where the corpus lies that the set was filmed from: stills and rejected images come from "
            "there. A set of the demo finds it."
        ),
    ] = "",
) -> None:
    """Look at a shard set: clips that play, their camera's way over the still, rejected inputs, plots."""
    if out is not None:
        writable(out, "--out", (".html",))
    if sheet is not None:
        writable(sheet, "--sheet", (".png", ".jpg"))
    if out is None and sheet is None and not serve:
        out = Path("report.html")
        writable(out, "--out", (".html",))

    from animate.inspect.catalogue import read_catalogue
    from animate.inspect.opened import open_set
    from animate.inspect.originals import find_originals

    shard_set = open_set(shards)
    originals = find_originals(shard_set, source)
    catalogue = read_catalogue(shard_set)
    some = catalogue.at_most(limit or FILE_CLIPS)
    if sheet is not None:
        from animate.codec import encode_jpeg, encode_png
        from animate.inspect.sheet import SHEET_CLIPS, set_sheet

        picture = set_sheet(some)
        sheet.write_bytes(encode_png(picture) if sheet.suffix == ".png" else encode_jpeg(picture, 90))
        print(f"{sheet}: at most {SHEET_CLIPS} clips of {some.choice}")
    if out is not None:
        from animate.inspect.page import written_page

        from ..progress import CountProgress

        with CountProgress("clips") as progress:
            page = written_page(some, originals, shards, source, progress.show)
        out.write_text(page, encoding="utf-8")
        print(f"{out}: {some.choice}, {out.stat().st_size / 1e6:.1f} MB")
    if serve:
        from animate.inspect.site import open_site

        shown = catalogue.at_most(limit) if limit else catalogue
        with open_site(shown, originals, shards=shards, source=source, port=port) as site:
            print(f"{site.address} shows {shown.choice}; Ctrl-C ends it", flush=True)
            site.serve()
