"""The page of a gallery as it is served: searches and strips of frames, made when a browser asks for them.

A video is asked for by its place in the gallery. No name of a file is ever part of an address.
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from importlib import resources
from threading import Lock, Semaphore
from typing import Any

import torch

from animate.loopback import POLICY, Loopback, NotFound, Reply, Request, text_reply, with_inline
from retrieval.checkpoint import Checkpoint
from retrieval.datasets import FrameReader
from retrieval.errors import DataError
from retrieval.gallery import Gallery
from retrieval.search import SearchResult, search
from retrieval.video import Unreadable, encode_strip, printable_path

#: Height of the frames of a strip, pixels.
STRIP_HEIGHT = 96
#: The most videos that are shown, and the most strips that are decoded at once.
MOST_SHOWN, DECODED_AT_ONCE = 100, 2


def open_site(
    checkpoint: Checkpoint,
    gallery: Gallery,
    *,
    top: int,
    candidates: int,
    device: torch.device,
    port: int = 0,
) -> Loopback:
    """A server of the gallery's page, which listens already; `animate.loopback.PortTaken` where it cannot.

    `top` videos are shown where the page asks for no other number, and `candidates` (or as many as are shown)
    read by the fine stage.
    """
    site = _Site(checkpoint, gallery, top, candidates, device)
    return Loopback(
        {"": site.page, "search": site.search, "strip": site.strip},
        port=port,
        policy=with_inline(POLICY, scripts=(_asset("page.js"),), styles=(_asset("page.css"),)),
    )


class _Site:
    """Answers to what the page asks for."""

    def __init__(
        self, checkpoint: Checkpoint, gallery: Gallery, top: int, candidates: int, device: torch.device
    ):
        self._checkpoint, self._gallery = checkpoint, gallery
        self._top, self._candidates, self._device = top, candidates, device
        # One search at a time, so that the timings are those of a search.
        self._searching, self._decoding = Lock(), Semaphore(DECODED_AT_ONCE)
        self._reader = FrameReader.of(checkpoint.recipe.frames)
        self._page = _page(self._facts()).encode()

    def page(self, request: Request) -> Reply:
        return Reply(body=self._page, content_type="text/html; charset=utf-8")

    def search(self, request: Request) -> Reply:
        """`q` are the words, `top` how many videos are wanted."""
        try:
            top = min(int(request.query.get("top", self._top)), MOST_SHOWN)
            with self._searching:
                found = search(
                    self._checkpoint.model,
                    self._gallery,
                    request.query.get("q", ""),
                    top=top,
                    candidates=max(self._candidates, top),
                    device=self._device,
                    precision=self._gallery.facts.get("precision", "fp32"),
                )
        except (DataError, ValueError) as error:
            return text_reply(str(error), HTTPStatus.BAD_REQUEST)
        return Reply(body=json.dumps(_table(found)).encode(), content_type="application/json")

    def strip(self, request: Request) -> Reply:
        """Frames of the video at a place in the gallery, side by side."""
        name = request.words[0] if len(request.words) == 1 else ""
        place = name.removesuffix(".jpg")
        known = name.endswith(".jpg") and place.isdecimal() and len(place) < 12
        if not known or int(place) >= len(self._gallery):
            raise NotFound("the gallery has no such video")
        row = self._gallery.row(int(place))
        with self._decoding:
            film = self._reader.see(row.file)
        if isinstance(film, Unreadable):
            raise NotFound(f"cannot be read any more: {film.message}")
        if len(film.frames) != len(row.seconds):
            raise NotFound(f"{row.path} is another file than when it was indexed")
        return Reply(body=encode_strip(film.frames, STRIP_HEIGHT), content_type="image/jpeg", keep=True)

    def _facts(self) -> dict[str, Any]:
        facts = self._gallery.facts
        return {
            "videos": len(self._gallery),
            "folder": facts.get("videos", ""),
            "model": printable_path(self._checkpoint.reference),
            "fine": self._checkpoint.model.interaction is not None,
            "top": self._top,
            "most": MOST_SHOWN,
            # Of addresses that browsers keep: another gallery on this port has others.
            "edition": time.time_ns(),
        }


def _table(found: SearchResult) -> dict[str, Any]:
    """A result as the page reads it: both rankings name videos by their place in the gallery."""
    videos = {hit.row: dataclasses.asdict(hit) for hit in (*found.hits, *found.coarse_hits)}
    return {
        "videos": videos,
        "coarse": [hit.row for hit in found.coarse_hits],
        "final": [hit.row for hit in found.hits],
        "milliseconds": found.milliseconds,
        "num_videos": found.num_videos,
        "num_read": found.num_read,
    }


def _page(facts: Mapping[str, Any]) -> str:
    # JSON in ASCII without `<`, so that nothing in it ends the element that it stands in.
    known = json.dumps(facts).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    written = {"style": _asset("page.css"), "known": known, "script": _asset("page.js")}
    pieces = _asset("page.html").split("@@")
    pieces[1::2] = [written[name] for name in pieces[1::2]]
    return "".join(pieces)


def _asset(name: str) -> str:
    return (resources.files("retrieval.site") / "page" / name).read_text(encoding="utf-8")
