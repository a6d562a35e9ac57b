"""One clip of one still: staged, filmed, recorded, and filmed again from its record.

Filming has three steps: `stage` draws the camera work, `expose` decodes the stills, renders frames and
encodes them, `develop` writes the record. `film_together` stages many takes at once: of arrays as small as
one camera path, numpy's calls cost more than their arithmetic. No clip depends on which others are filmed
with it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from animate.arrays import Frames, Picture
from animate.camera import Homographies, View, view_corners
from animate.codec import UndecodableImage, decode_still, still_size
from animate.data import Clip, Fault, Rejected, Sample, Take, take_rng
from animate.edit import Edit, Layer, draw_shots, fit_edits
from animate.fit import StillTooSmall
from animate.formats import WRITERS
from animate.label import ShotWords, label_of, words_together
from animate.recipe import BuildRecipe, SourceRecipe, VideoRecipe
from animate.record import SUCCESS, ClipRecord, read_record
from animate.render import RenderJob, render_jobs
from animate.render.prefilter import halvings_of
from animate.saliency import salient_point
from animate.sentences import as_sentence, camera_caption, stored_caption
from animate.views import source_scale, union_area, view_areas


class Still:
    """A sample opened for filming: its size at once, its pixels when they are needed and as large as needed.

    Raises `UndecodableImage` when opened or when decoded.
    """

    def __init__(self, image: bytes, source: SourceRecipe):
        self.image = image
        self.source = source
        self.size = still_size(image)
        self._pixels: dict[int, Picture] = {}

    def pixels(self, halvings: int) -> Picture:
        """The upright picture, or one up to 2 ** `halvings` times smaller where that decodes faster."""
        if halvings not in self._pixels:
            smallest = tuple(-(-side // 2**halvings) for side in self.size)
            self._pixels[halvings] = decode_still(
                self.image, self.source, at_least=(smallest[0], smallest[1])
            )
        return self._pixels[halvings]

    def salient_point(self, view: View) -> tuple[float, float]:
        """Where the eye goes first, from as many pixels as the view at rest needs: most likely those that
        rendering will ask for."""
        halvings = halvings_of(view.source_pixels_per_frame_pixel)
        return salient_point(self.pixels(min(halvings, _THUMBNAIL_HALVINGS)))

    def check(self) -> None:
        """Decodes the picture, as small as possible, unless that has been done."""
        if not self._pixels:
            self.pixels(_THUMBNAIL_HALVINGS)

    def view(self, video: VideoRecipe) -> View:
        return View(still_size=self.size, frame_size=(video.width, video.height))


#: How small a picture is decoded where only its gist matters, or only whether it decodes at all.
_THUMBNAIL_HALVINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a take films: a still, or several in order (a montage).

    The first sample gives the clip its key; `stills` are the samples' pictures, opened.
    """

    samples: tuple[Sample, ...]
    stills: tuple[Still, ...]
    take: Take

    def rejected(self, fault: Fault) -> Rejected:
        return Rejected.of(self.samples[0], fault)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A take with its camera work, and what its frames come to show.

    `words` say what is seen in each shot, `camera_caption` says it in sentences; it is empty where the recipe
    wants none.
    """

    setup: Setup
    edit: Edit
    layers: tuple[Layer, ...]
    shown: "Shown"
    words: tuple[ShotWords, ...]
    camera_caption: str


#: The media members of a clip, by suffix.
Members = Mapping[str, bytes]


def film(
    samples: Sequence[Sample], stills: Sequence[Still], take: Take, recipe: BuildRecipe, device: str = "cpu"
) -> Clip | Rejected:
    """One take, start to end: the same on any worker. See `Setup` for the arguments."""
    [clip] = film_together([Setup(samples=tuple(samples), stills=tuple(stills), take=take)], recipe, device)
    return clip


def film_together(setups: Sequence[Setup], recipe: BuildRecipe, device: str = "cpu") -> list[Clip | Rejected]:
    """Several takes, each as it would be alone. All their stills may be in memory at once."""
    staged = stage(setups, recipe)
    scenes = [scene for scene in staged if isinstance(scene, Scene)]
    exposed = iter(expose(scenes, recipe, device))
    clips: list[Clip | Rejected] = []
    for scene in staged:
        if isinstance(scene, Scene):
            members = next(exposed)
            clips.append(members if isinstance(members, Rejected) else develop(scene, members, recipe))
        else:
            clips.append(scene)
    return clips


def stage(setups: Sequence[Setup], recipe: BuildRecipe) -> list[Scene | Rejected]:
    """The camera work of each take. Stills are decoded only where the camera looks at what they show."""
    video = recipe.video
    staged: dict[int, Scene | Rejected] = {}
    drawn: dict[int, tuple[Edit, list[View], np.random.Generator]] = {}
    for number, setup in enumerate(setups):
        views = [still.view(video) for still in setup.stills]
        rng = take_rng(recipe.seed, recipe.source.name, setup.take)
        points = [partial(still.salient_point, view) for still, view in zip(setup.stills, views, strict=True)]
        try:
            drawn[number] = draw_shots(recipe.shot, video, views, rng, points), views, rng
        except UndecodableImage as error:
            staged[number] = setup.rejected(error.fault)
    edits, views_of = [edit for edit, _, _ in drawn.values()], [views for _, views, _ in drawn.values()]
    fitted: dict[int, tuple[Edit, tuple[Layer, ...], Sequence[View]]] = {}
    fits = fit_edits(edits, recipe.shot, video, views_of)
    for number, views, fit in zip(drawn, views_of, fits, strict=True):
        if isinstance(fit, StillTooSmall):
            staged[number] = setups[number].rejected(Fault("too_small", str(fit)))
        else:
            fitted[number] = (*fit, views)
    words_by_clip = words_together(list(fitted.values()), video.fps)
    shown_by_clip = _shown([layers for _, layers, _ in fitted.values()], video.num_frames)
    for (number, (edit, layers, _)), words, shown in zip(
        fitted.items(), words_by_clip, shown_by_clip, strict=True
    ):
        # Drawn last: the camera's own draws must not depend on whether there is a sentence about it.
        kinds, rng = [transition.kind for transition in edit.transitions], drawn[number][2]
        said = "" if recipe.captions.camera == "none" else camera_caption(words, kinds, rng)
        staged[number] = Scene(
            setup=setups[number], edit=edit, layers=layers, shown=shown, words=words, camera_caption=said
        )
    return [staged[number] for number in range(len(setups))]


def expose(scenes: Sequence[Scene], recipe: BuildRecipe, device: str = "cpu") -> list[Members | Rejected]:
    """The media members of each take, or why its still does not decode."""
    video = recipe.video
    opened = [_opened(scene, video) for scene in scenes]
    frames = render_jobs([job for job in opened if isinstance(job, RenderJob)], video, device)
    write = WRITERS[video.format]
    exposed: list[Members | Rejected] = []
    for scene, job in zip(scenes, opened, strict=True):
        if isinstance(job, Rejected):
            exposed.append(job)
        else:
            exposed.append(write(scene.setup.samples[0].image, next(frames) if job else None, video))
    return exposed


def develop(scene: Scene, members: Members, recipe: BuildRecipe) -> Clip:
    """The clip of a take, given its media members."""
    return Clip(members=members, record=_record(scene, recipe), carried=scene.setup.samples[0].meta)


def replay(image: bytes, record: Mapping[str, Any], device: str = "cpu") -> Frames:
    """The frames of a recorded clip from the bytes of its still: bit for bit those that were first filmed.

    `record` is the clip's JSON; `ValueError` if it is not. Montages cannot be replayed: they need more stills
    than a clip carries.
    """
    return replay_record(image, read_record(record)[0], device)


def replay_record(image: bytes, record: ClipRecord, device: str) -> Frames:
    """See `replay`."""
    return replay_shots([image], record, device)[0]


def replay_shots(
    images: Sequence[bytes], record: ClipRecord, device: str = "cpu"
) -> tuple[Frames, Edit, tuple[Layer, ...]]:
    """As `replay`, of a montage too: the frames, and the recorded camera work, as an edit and as layers.

    `images` are the stills in the order of the record's `source_keys`.
    """
    video = VideoRecipe(
        size=(record.width, record.height),
        num_frames=record.num_frames,
        fps=record.fps,
        quality=record.quality,  # pyright: ignore[reportArgumentType]
    )
    stills = [Still(image, replay_source(record)) for image in images]
    edit = Edit.from_json(record.shot)
    layers = edit.layers([still.view(video) for still in stills], video.fps)
    [frames] = render_jobs([_job(stills, layers, video)], video, device)
    return frames, edit, layers


def replay_source(record: ClipRecord) -> SourceRecipe:
    """How a recorded clip's still is decoded: no limits, they were checked when it was filmed."""
    red, green, blue = record.background
    return SourceRecipe(min_side=1, max_pixels=2**62, max_aspect=1e9, background=(red, green, blue))


def _opened(scene: Scene, video: VideoRecipe) -> RenderJob | Rejected | None:
    """What there is to render of a take: nothing of a virtual clip, whose still must only decode."""
    stills = scene.setup.stills
    try:
        if video.format == "virtual":
            stills[0].check()
            return None
        return _job(stills, scene.layers, video)
    except UndecodableImage as error:
        return scene.setup.rejected(error.fault)


def _job(stills: Sequence[Still], layers: Sequence[Layer], video: VideoRecipe) -> RenderJob:
    """What to render: each still decoded as large as its closest view needs."""
    pixels, reduced = [], []
    for number, still in enumerate(stills):
        exposures = [layer.exposures for layer in layers if layer.still == number]
        scales = [source_scale(homographies, still.view(video)).min() for homographies in exposures]
        finest = min(scales, default=1.0) / (2 if video.quality == "best" else 1)
        pixels.append(still.pixels(min(halvings_of(float(finest)), _THUMBNAIL_HALVINGS)))
        reduced.append(round(math.log2(still.size[0] / pixels[-1].shape[1])))
    return RenderJob(stills=tuple(pixels), layers=tuple(layers), reduced=tuple(reduced))


def _record(scene: Scene, recipe: BuildRecipe) -> ClipRecord:
    samples, take, layers, video = scene.setup.samples, scene.setup.take, scene.layers, recipe.video
    sample, captions = samples[0], _joined_captions(samples)
    shown = scene.shown
    width, height = scene.setup.stills[0].size
    return ClipRecord(
        key=take.key,
        source_key=sample.key,
        source_keys=[sample.key for sample in samples],
        take=take.index,
        status=SUCCESS,
        error_message="",
        caption=stored_caption(captions[0], scene.camera_caption, recipe.captions),
        captions=captions,
        url=str(sample.meta.get("url") or ""),
        sha256=str(sample.meta.get("sha256") or hashlib.sha256(sample.image).hexdigest()),
        width=video.width,
        height=video.height,
        original_width=width,
        original_height=height,
        num_frames=video.num_frames,
        fps=video.fps,
        duration=video.duration_seconds,
        camera=label_of(scene.edit, scene.words),
        camera_caption=scene.camera_caption,
        homographies=shown.homographies.reshape(-1, 9).tolist(),
        shot=scene.edit.to_json(),
        shot_starts=[
            shown.shots.index(number) if number in shown.shots else 0 for number in range(len(layers))
        ],
        view_areas=shown.areas,
        view_area_min=min(shown.areas),
        union_area=shown.union,
        quality=video.quality,
        background=list(recipe.source.background),
    )


class Shown(NamedTuple):
    """What the frames of a clip show: which of its `shots` gives each most light (of equals the last), that
    one's `homographies`, and the shares of the first still, `areas` by frame and `union` in all."""

    shots: list[int]
    homographies: Homographies
    areas: list[float]
    union: float


def _shown(clips: Sequence[Sequence[Layer]], num_frames: int) -> list[Shown]:
    """Of each clip, given its layers."""
    if not clips:
        return []
    shots, homographies = zip(*(_seen(layers, num_frames) for layers in clips), strict=True)
    corners = view_corners(np.stack(homographies))
    areas = np.round(view_areas(corners), 4).tolist()
    unions = union_area(corners)
    for number, layers in enumerate(clips):
        if any(layer.still for layer in layers):
            first = np.concatenate([layer.homographies for layer in layers if layer.still == 0])
            unions[number] = union_area(view_corners(first))
    return list(map(Shown, shots, homographies, areas, [round(union, 4) for union in unions.tolist()]))


def _seen(layers: Sequence[Layer], num_frames: int) -> tuple[list[int], Homographies]:
    """`shots` and `homographies` of a clip, as `Shown` has them."""
    shots, homographies = np.zeros(num_frames, int), np.empty((num_frames, 3, 3))
    weights = np.zeros(num_frames)
    for number, layer in enumerate(layers):
        frames = slice(layer.first, layer.first + len(layer.weight))
        seen = layer.weight >= weights[frames]
        shots[frames][seen] = number
        homographies[frames][seen] = layer.homographies[seen]
        weights[frames][seen] = layer.weight[seen]
    return shots.tolist(), homographies


def _joined_captions(samples: Sequence[Sample]) -> list[str]:
    """A still's captions; of a montage the first ones of all stills joined in order, then the second."""
    if len(samples) == 1:
        return list(samples[0].captions)
    rounds = min(len(sample.captions) for sample in samples)
    return [" ".join(as_sentence(sample.captions[i]) for sample in samples) for i in range(rounds)]
