"""The page of a set as it is served: pictures are made when a browser asks for them, by the place of a clip
in the list. No name of a file is ever part of an address."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

from animate.codec import UndecodableImage
from animate.inspect.catalogue import Catalogue
from animate.inspect.held import clip_table
from animate.inspect.opened import read_clip
from animate.inspect.originals import Originals, stills_of
from animate.inspect.page import policy, served_grid, served_page
from animate.inspect.pictures import THUMBNAIL, Pictures, Unplayable
from animate.loopback import Loopback, NotFound, Reply, Request

T = TypeVar("T")

#: Longer side of a still, in pixels.
SERVED_STILL = 1280


def open_site(
    catalogue: Catalogue, originals: Originals | None, *, shards: str, source: str, port: int
) -> Loopback:
    """A server of the set's page, which listens already; `PortTaken` where it cannot.

    `shards` and `source` are as they were given: they stand in the commands that the page shows.
    """
    site = _Site(catalogue, originals, shards, source)
    routes = {
        "": site.page,
        "clip": site.clip,
        "strip": site.strip,
        "poster": site.poster,
        "frame": site.frame,
        "still": site.still,
        "video": site.video,
        "rejected": site.rejected,
    }
    return Loopback(routes, port=port, policy=policy())


class _Site:
    """Answers to what the page asks for."""

    def __init__(self, catalogue: Catalogue, originals: Originals | None, shards: str, source: str):
        grid = served_grid(catalogue)
        self._catalogue, self._originals = catalogue, originals
        self._shards, self._source = shards, source
        self._pictures = Pictures(catalogue.set, originals, grid)
        self._page = served_page(catalogue, originals, grid).encode()

    def page(self, request: Request) -> Reply:
        return Reply(body=self._page, content_type="text/html; charset=utf-8")

    def clip(self, request: Request) -> Reply:
        [number] = _numbers(request, 1, ".json")
        entry = _at(self._catalogue.clips, number)
        clip = read_clip(self._catalogue.set, entry.spot)
        origin, _ = stills_of(self._originals, clip, entry.spot)
        table = clip_table(clip, entry, origin, self._shards, self._source)
        return Reply(body=json.dumps(table).encode(), content_type="application/json")

    def strip(self, request: Request) -> Reply:
        [number] = _numbers(request, 1, ".jpg")
        try:
            return _jpeg(self._pictures.strip(_at(self._catalogue.clips, number)))
        except Unplayable as error:
            raise NotFound(str(error)) from None

    def poster(self, request: Request) -> Reply:
        [number] = _numbers(request, 1, ".jpg")
        return _jpeg(self._pictures.poster(_at(self._catalogue.clips, number)))

    def frame(self, request: Request) -> Reply:
        number, frame = _numbers(request, 2, ".jpg")
        entry = _at(self._catalogue.clips, number)
        if frame >= self._catalogue.set.recipe.video.num_frames:
            raise NotFound("the clip has no such frame")
        try:
            return _jpeg(self._pictures.frame(entry, frame))
        except Unplayable as error:
            raise NotFound(str(error)) from None

    def still(self, request: Request) -> Reply:
        number, which = _numbers(request, 2, ".jpg")
        entry = _at(self._catalogue.clips, number)
        clip = read_clip(self._catalogue.set, entry.spot)
        _, images = stills_of(self._originals, clip, entry.spot)
        try:
            return _jpeg(self._pictures.still(clip, _at(images, which), SERVED_STILL))
        except UndecodableImage as error:
            raise NotFound(f"the still does not decode here: {error}") from None

    def video(self, request: Request) -> Reply:
        [number] = _numbers(request, 1, ".mp4")
        video = self._pictures.video(_at(self._catalogue.clips, number))
        if video is None:
            raise NotFound("the clip is not stored as MP4")
        return Reply(body=video, content_type="video/mp4", keep=True)

    def rejected(self, request: Request) -> Reply:
        [number] = _numbers(request, 1, ".jpg")
        picture = self._pictures.rejected(_at(self._catalogue.rejected, number), THUMBNAIL)
        if picture is None:  # as most often: no fault that a browser should tell of
            return Reply(body=b"", content_type="image/jpeg", status=HTTPStatus.NO_CONTENT)
        return _jpeg(picture)


def _numbers(request: Request, count: int, suffix: str) -> list[int]:
    """The numbers that the words of a request are, the last of them with `suffix`."""
    words = list(request.words)
    if len(words) == count and words[-1].endswith(suffix):
        words[-1] = words[-1].removesuffix(suffix)
        if all(word.isdecimal() and len(word) < 10 for word in words):
            return list(map(int, words))
    raise NotFound("there is nothing of that name")


def _at(entries: Sequence[T], number: int) -> T:
    if number >= len(entries):
        raise NotFound(f"there are {len(entries):,} of these")
    return entries[number]


def _jpeg(picture: bytes | None) -> Reply:
    if picture is None:
        raise NotFound("there is no picture of it")
    return Reply(body=picture, content_type="image/jpeg", keep=True)
