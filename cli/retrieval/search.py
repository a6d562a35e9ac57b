"""`retrieval search GALLERY TEXT`."""

from pathlib import Path
from typing import Annotated

import typer


def search(
    gallery: Annotated[Path, typer.Argument(help="A folder made by `retrieval index`.")],
    text: Annotated[str, typer.Argument(help="What to look for; with --serve it may be left out.")] = "",
    top: Annotated[int, typer.Option(help="Videos to show.")] = 10,
    candidates: Annotated[int, typer.Option(help="Videos the fine stage looks at.")] = 50,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
    model: Annotated[str, typer.Option(help="The model, where it is no longer in its old place.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Serve a page to search in to browsers of this machine, until Ctrl-C."),
    ] = False,
    port: Annotated[int, typer.Option(help="Where to listen on 127.0.0.1; 0 takes a free port.")] = 0,
) -> None:
    """Find videos by words: scores, times, and the moment in each video."""
    import json
    from dataclasses import asdict

    from retrieval.ahead import check_device, check_in_place, check_same_model, check_search
    from retrieval.paths import check_gallery
    from retrieval.reference import find_model
    from retrieval.runs import read_info

    check_device(device)
    candidates = max(top, candidates)
    if not (text or serve):
        raise typer.BadParameter("is missing: say what to look for, or --serve a page", param_hint="TEXT")
    check_search(text or "anything", top=top, candidates=candidates)
    facts = check_gallery(gallery)
    if not model:
        check_in_place(facts)
    found = find_model(model or facts["checkpoint"], model=facts.get("model"))
    if found.checkpoint is not None:
        check_same_model(facts, read_info(found.checkpoint)["digest"], found.reference)

    from retrieval.gallery import Gallery
    from retrieval.launch import pick_device
    from retrieval.pretrained import open_model
    from retrieval.search import search as run

    place = pick_device(device)
    opened = Gallery(gallery)
    loaded = open_model(found, place)
    check_same_model(facts, loaded.info["digest"], loaded.reference)
    if serve:
        from urllib.parse import urlencode

        from retrieval.site import open_site

        with open_site(loaded, opened, top=top, candidates=candidates, device=place, port=port) as site:
            shown = f"#{urlencode({'q': text})}" if text else ""
            print(f"{site.address}{shown} searches {len(opened):,} videos; Ctrl-C ends it", flush=True)
            site.serve()
    found = run(
        loaded.model,
        opened,
        text,
        top=top,
        candidates=candidates,
        device=place,
        precision=facts.get("precision", "fp32"),
    )
    if json_:
        print(json.dumps({"text": text, **asdict(found)}, ensure_ascii=False))
        return
    print(f"{'score':>8}{'coarse':>8}{'fine':>8}  {'moment':>15}  video")
    for hit in found.hits:
        moment = f"{clock(hit.moment)} - {clock(hit.moment_end)}"
        fine = "" if hit.fine is None else f"{hit.fine:.2f}"
        print(f"{hit.score:8.2f}{hit.coarse:8.2f}{fine:>8}  {moment:>15}  {hit.video_id}")
    spent = ", ".join(f"{name} {value:.1f} ms" for name, value in found.milliseconds.items())
    print(f"{found.num_videos:,} videos searched, {found.num_read} read by the fine stage; {spent}")


def clock(seconds: float) -> str:
    """Minutes and seconds with a tenth: 1:02.5."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
