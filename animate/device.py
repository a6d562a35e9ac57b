"""Filming on a torch device: many takes at once, so that the device has enough to do.

A batch is a number of clips, whatever stills they are of: plain JPEGs are decoded on the device (nvJPEG on a
GPU), others here; all are rendered together; the frames come back for the encoders of the CPU. What the
cameras do, and what is rejected and why, is the same as on any other device.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from animate.codec import UndecodableImage, decode_plain_jpegs
from animate.data import Clip, Rejected, Sample, Take
from animate.recipe import BuildRecipe
from animate.render import render_batch
from animate.render.mixing import Scene
from animate.shard import Drawn, Still, draw, finish, reject, takes

#: Clips rendered together: 64 of 12 frames of 224x224 are 115 MB, and 2 GB of gathered stills on the way.
CLIPS_A_BATCH = 64


def film_groups(
    groups: Iterable[Sequence[Sample | Rejected]],
    recipe: BuildRecipe,
    device: str,
    clips_a_batch: int = CLIPS_A_BATCH,
) -> Iterator[Clip | tuple[Take, Rejected]]:
    """Every take of every row of every montage group, in order; see `shard.film_group`."""
    planned = ((take, scenes) for group in groups for take, scenes in takes(group, recipe))
    while batch := list(itertools.islice(planned, clips_a_batch)):
        yield from _film_batch(batch, recipe, device)


def _film_batch(
    batch: Sequence[tuple[Take, Sequence[tuple[Sample, Still]] | Rejected]], recipe: BuildRecipe, device: str
) -> Iterator[Clip | tuple[Take, Rejected]]:
    drawn: dict[Take, Drawn | Rejected] = {}
    for take, scenes in batch:
        if isinstance(scenes, Rejected):
            drawn[take] = scenes
        else:
            samples, stills = [sample for sample, _ in scenes], [still for _, still in scenes]
            drawn[take] = draw(samples, stills, take, recipe)
    pixels = _decode([film for film in drawn.values() if isinstance(film, Drawn)], recipe, device)
    for take, film in drawn.items():
        errors = [pixels[id(still)] for still in film.stills] if isinstance(film, Drawn) else []
        error = next((error for error in errors if isinstance(error, UndecodableImage)), None)
        if isinstance(film, Drawn) and error is not None:
            drawn[take] = reject(film.samples[0], error.status, str(error))
    films = [film for film in drawn.values() if isinstance(film, Drawn)]
    scenes = [
        Scene(stills=[pixels[id(still)] for still in film.stills], layers=film.layers) for film in films
    ]
    frames = iter(render_batch(scenes, recipe.video, device) if scenes else ())
    for take, film in drawn.items():
        yield finish(film, next(frames), recipe) if isinstance(film, Drawn) else (take, film)


def _decode(films: Sequence[Drawn], recipe: BuildRecipe, device: str) -> dict[int, object]:
    """The full pictures of all stills, by `id`, or why there is none."""
    stills = list({id(still): still for film in films for still in film.stills}.values())
    pixels: dict[int, object] = {}
    there = decode_plain_jpegs([still.image for still in stills], recipe.source, device)
    for still, decoded in zip(stills, there, strict=True):
        if decoded is not None:
            pixels[id(still)] = decoded
            continue
        try:
            pixels[id(still)] = still.pixels(0)
        except UndecodableImage as error:
            pixels[id(still)] = error
    return pixels
