"""One piece of a corpus in, one finished shard out: the composition of everything else.

`film` makes one clip of one still, `replay` its frames again from what the clip records, `build_shard` a
shard.
"""

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from animate.camera import View, source_scale, union_area, view_areas, view_corners
from animate.codec import UndecodableImage, decode_still, still_size
from animate.data import Clip, Rejected, Sample, ShardPlan, ShardRecord, Take, take_rng
from animate.recipe import BuildRecipe, SourceRecipe, VideoRecipe
from animate.render import render
from animate.render.prefilter import level_of
from animate.saliency import salient_point
from animate.shot import Film, Layer, StillTooSmall, describe, draw_film
from animate.sources import read_part
from animate.writers import WRITERS, ShardWriter

Frames = UInt8[np.ndarray, "t h w 3"]


class Still:
    """A sample opened for filming: its size at once, its pixels when they are needed and as large as needed.

    Raises `UndecodableImage` when opened or when decoded.
    """

    def __init__(self, image: bytes, source: SourceRecipe):
        self.image = image
        self.source = source
        self.size = still_size(image)
        self._pixels: dict[int, UInt8[np.ndarray, "h w 3"]] = {}

    def pixels(self, halvings: int) -> UInt8[np.ndarray, "h w 3"]:
        """The upright picture, or one up to 2 ** `halvings` times smaller where that decodes faster."""
        if halvings not in self._pixels:
            smallest = tuple(-(-side // 2**halvings) for side in self.size)
            self._pixels[halvings] = decode_still(
                self.image, self.source, at_least=(smallest[0], smallest[1])
            )
        return self._pixels[halvings]

    def salient_point(self) -> tuple[float, float]:
        return salient_point(self.pixels(_THUMBNAIL_HALVINGS))

    def view(self, video: VideoRecipe) -> View:
        return View(still_size=self.size, frame_size=(video.width, video.height))


#: How small a picture may be decoded where only its gist matters, or only whether it decodes at all.
_THUMBNAIL_HALVINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A take before it is filmed: of what stills, and what the camera will do."""

    take: Take
    samples: Sequence[Sample]
    stills: Sequence[Still]
    film: Film
    layers: Sequence[Layer]


def film(
    samples: Sequence[Sample], stills: Sequence[Still], take: Take, recipe: BuildRecipe, device: str = "cpu"
) -> Clip | Rejected:
    """One take of a still, or of several in order (a montage): the same on any worker.

    The first sample gives the clip its key; `stills` are the samples' pictures, opened.
    """
    drawn = draw(samples, stills, take, recipe)
    if isinstance(drawn, Rejected):
        return drawn
    try:
        if recipe.video.format == "virtual":
            stills[0].pixels(_THUMBNAIL_HALVINGS)
            frames = None
        else:
            frames = _expose(stills, drawn.layers, recipe.video, device)
    except UndecodableImage as error:
        return reject(samples[0], error.status, str(error))
    return finish(drawn, frames, recipe)


def draw(
    samples: Sequence[Sample], stills: Sequence[Still], take: Take, recipe: BuildRecipe
) -> Drawn | Rejected:
    """What the camera does in a take; see `film`."""
    views = [still.view(recipe.video) for still in stills]
    rng = take_rng(recipe.seed, recipe.source.name, take)
    try:
        drawn = draw_film(recipe.shot, recipe.video, views, rng, [still.salient_point for still in stills])
    except UndecodableImage as error:
        return reject(samples[0], error.status, str(error))
    except StillTooSmall as error:
        return reject(samples[0], "too_small", str(error))
    layers = drawn.layers(views, recipe.video.fps)
    return Drawn(take=take, samples=samples, stills=stills, film=drawn, layers=layers)


def finish(drawn: Drawn, frames: Frames | None, recipe: BuildRecipe) -> Clip:
    """The clip of a take from its frames (None for virtual)."""
    members = WRITERS[recipe.video.format](drawn.samples[0].image, frames, recipe.video)
    record = _record(drawn.samples, drawn.stills, drawn.take, drawn.film, drawn.layers, recipe)
    return Clip(take=drawn.take, members=members, record=record)


def replay(image: bytes, record: Mapping[str, Any], device: str = "cpu") -> Frames:
    """The frames of a recorded clip from the bytes of its still: bit for bit those that were first filmed.

    `record` is the clip's JSON. Montages cannot be replayed: they need more stills than a clip carries.
    """
    video = VideoRecipe(
        size=(record["width"], record["height"]),
        num_frames=record["num_frames"],
        fps=record["fps"],
        quality=record["quality"],
    )
    still = Still(image, replay_source(record))
    layers = Film.from_json(record["shot"]).layers([still.view(video)], video.fps)
    return _expose([still], layers, video, device)


def replay_source(record: Mapping[str, Any]) -> SourceRecipe:
    """How a recorded clip's still is decoded: no limits, they were checked when it was filmed."""
    return SourceRecipe(min_side=1, max_pixels=2**62, max_aspect=1e9, background=tuple(record["background"]))


def build_shard(
    plan: ShardPlan, recipe: BuildRecipe, out: str, plan_folder: str, device: str = "cpu"
) -> ShardRecord:
    """Films the rows of `plan` into shard `plan.name` of `out`, and counts every one of them.

    `plan_folder` holds the frozen listing of the source. `device` is "cpu", or any torch device,
    which films many clips at once.
    """
    rows = read_part(plan.part, plan.start, plan.stop, recipe.source, Path(plan_folder))
    with ShardWriter(out, plan.name) as writer:
        groups = _grouped(rows, recipe.shot.edit.stills)
        if device == "cpu" or recipe.video.format == "virtual":
            clips = itertools.chain.from_iterable(film_group(group, recipe) for group in groups)
        else:
            from animate.device import film_groups

            clips = film_groups(groups, recipe, device)
        for clip in clips:
            if isinstance(clip, Clip):
                writer.add(clip)
            else:
                writer.reject(*clip)
        return writer.finish()


def reject(sample: Sample, status: str, message: str) -> Rejected:
    """The rejection of a sample, carrying what the sample did."""
    return Rejected(
        key=sample.key, status=status, message=message, captions=sample.captions, meta=sample.meta
    )


def _grouped(rows: Iterator[Sample | Rejected], size: int) -> Iterator[list[Sample | Rejected]]:
    while group := list(itertools.islice(rows, size)):
        yield group


def film_group(
    group: Sequence[Sample | Rejected], recipe: BuildRecipe, device: str = "cpu"
) -> Iterator[Clip | tuple[Take, Rejected]]:
    """Every take of every row of a montage group (of one row, without montage), in order."""
    for take, scenes in takes(group, recipe):
        if isinstance(scenes, Rejected):
            yield take, scenes
        else:
            clip = film(
                [sample for sample, _ in scenes], [still for _, still in scenes], take, recipe, device
            )
            yield clip if isinstance(clip, Clip) else (take, clip)


def takes(
    group: Sequence[Sample | Rejected], recipe: BuildRecipe
) -> Iterator[tuple[Take, Sequence[tuple[Sample, Still]] | Rejected]]:
    """The takes of a montage group and the stills, opened, that each is filmed from.

    A row's montage begins with its own still and goes on through the group's others, around.
    """
    opened: list[tuple[Sample, Still] | Rejected] = [_open(row, recipe) for row in group]
    for i, entry in enumerate(opened):
        key = entry.key if isinstance(entry, Rejected) else entry[0].key
        for index in range(recipe.takes):
            take = Take(source_key=key, index=index)
            if isinstance(entry, Rejected):
                yield take, entry
            else:
                yield take, [x for x in (*opened[i:], *opened[:i]) if not isinstance(x, Rejected)]


def _open(row: Sample | Rejected, recipe: BuildRecipe) -> tuple[Sample, Still] | Rejected:
    if isinstance(row, Rejected):
        return row
    try:
        still = Still(row.image, recipe.source)
        if recipe.shot.edit.stills > 1:
            # The other clips of the group lean on this still: it must be known to decode before they do.
            still.pixels(0)
    except UndecodableImage as error:
        return reject(row, error.status, str(error))
    return row, still


def _expose(stills: Sequence[Still], layers: Sequence[Layer], video: VideoRecipe, device: str) -> Frames:
    """Decodes each still as large as its closest view needs, and renders."""
    pixels = []
    for number, still in enumerate(stills):
        exposures = [layer.exposures for layer in layers if layer.still == number]
        scales = [source_scale(homographies, still.view(video)).min() for homographies in exposures]
        finest = min(scales, default=1.0) / (2 if video.quality == "best" else 1)
        pixels.append(still.pixels(min(level_of(float(finest)).halvings, _THUMBNAIL_HALVINGS)))
    return render(pixels, layers, video, device)


def _record(
    samples: Sequence[Sample],
    stills: Sequence[Still],
    take: Take,
    drawn: Film,
    layers: Sequence[Layer],
    recipe: BuildRecipe,
) -> dict[str, Any]:
    """The clip's flat JSON: the same keys and types in every clip of a build."""
    sample, video = samples[0], recipe.video
    captions = _joined_captions(samples)
    shots, homographies = _seen(layers, video.num_frames)
    corners = view_corners(homographies)
    areas = view_areas(corners)
    width, height = stills[0].size
    return {
        **sample.meta,
        "key": take.key,
        "source_key": sample.key,
        "source_keys": [sample.key for sample in samples],
        "take": take.index,
        "status": "success",
        "error_message": "",
        "caption": captions[0],
        "captions": captions,
        "url": sample.meta.get("url") or "",
        "sha256": sample.meta.get("sha256") or hashlib.sha256(sample.image).hexdigest(),
        "width": video.width,
        "height": video.height,
        "original_width": width,
        "original_height": height,
        "num_frames": video.num_frames,
        "fps": video.fps,
        "duration": video.duration_seconds,
        "camera": describe(drawn, layers, video.fps),
        "homographies": homographies.reshape(-1, 9).tolist(),
        "shot": drawn.to_json(),
        "shot_starts": [int(np.argmax(shots == number)) for number in range(len(layers))],
        "view_areas": np.round(areas, 4).tolist(),
        "view_area_min": round(float(areas.min()), 4),
        "union_area": _union(layers, corners),
        "quality": video.quality,
        "background": list(recipe.source.background),
    }


def _seen(layers: Sequence[Layer], num_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Per frame, the number of the shot that gives it most light (of equals the last), and its homography."""
    shots, homographies = np.zeros(num_frames, int), np.empty((num_frames, 3, 3))
    weights = np.zeros(num_frames)
    for number, layer in enumerate(layers):
        frames = slice(layer.first, layer.first + len(layer.weight))
        seen = layer.weight >= weights[frames]
        shots[frames][seen] = number
        homographies[frames][seen] = layer.homographies[seen]
        weights[frames][seen] = layer.weight[seen]
    return shots, homographies


def _union(layers: Sequence[Layer], corners: np.ndarray) -> float:
    """Share of the first still that the clip shows in all."""
    if any(layer.still for layer in layers):
        corners = view_corners(np.concatenate([x.homographies for x in layers if x.still == 0]))
    return round(float(union_area(corners)), 4)


def _joined_captions(samples: Sequence[Sample]) -> list[str]:
    """A still's captions; of a montage the first ones of all stills joined in order, then the second."""
    if len(samples) == 1:
        return list(samples[0].captions)
    rounds = min(len(sample.captions) for sample in samples)
    return [" ".join(_sentence(sample.captions[i]) for sample in samples) for i in range(rounds)]


def _sentence(caption: str) -> str:
    return caption if caption[-1] in ".!?…。" else f"{caption}."
