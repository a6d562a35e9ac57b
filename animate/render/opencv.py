"""Rendering on a CPU: OpenCV samples. The levels of a still are made once and shared by all frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from animate.arrays import Frames, Picture
from animate.camera import View, view_corners
from animate.edit import Layer
from animate.light import exposure_table, to_linear, to_srgb
from animate.recipe import VideoRecipe
from animate.render.job import Part, RenderJob, parts_of
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import NARROWEST, Kernel, Level, filters_of, gaussian_taps, halvings_of
from animate.render.warp import Warp, prepare, sample
from animate.views import source_scale


def render_jobs(jobs: Sequence[RenderJob], video: VideoRecipe) -> Iterator[Frames]:
    """See `animate.render.render_jobs`. What is sampled how is decided for all before the first is rendered:
    between two clips, whose pixels push all else out of the processor's caches, that takes twice as long."""
    for layers in [_prepared(job, video) for job in jobs]:
        yield _rendered(layers, video)


class _PreparedLayer(NamedTuple):
    """A layer of a clip from its frame `first` on: what it gives to each frame, and of which views."""

    first: int
    sampler: "_Sampler"
    parts: "list[Part]"
    views: "list[list[_LevelWarp]]"


def _prepared(job: RenderJob, video: VideoRecipe) -> list[_PreparedLayer]:
    samplers = [_Sampler(job, number, video) for number in range(len(job.stills))]
    return [
        _PreparedLayer(
            first=layer.first,
            sampler=samplers[layer.still],
            parts=parts_of(layer),
            views=samplers[layer.still].prepare_views(layer),
        )
        for layer in job.layers
    ]


def _rendered(layers: Sequence[_PreparedLayer], video: VideoRecipe) -> Frames:
    frames = np.empty((video.num_frames, video.height, video.width, 3), np.uint8)
    mixed: dict[int, Light] = {}
    black = set(range(video.num_frames))
    for first, sampler, parts, views in layers:
        for at, (part, exposures) in enumerate(zip(parts, views, strict=True), first):
            if not part.weight:
                continue
            black.discard(at)
            if part.plain and part.rests:
                frames[at] = frames[at - 1]
            elif part.plain:
                sampler.sample(exposures[0], frames[at])
                if part.stops:
                    cv2.LUT(frames[at], exposure_table(part.stops), dst=frames[at])
            elif part.alone and part.rests:
                mixed[at] = mixed[at - 1]
            else:
                light = _light(sampler, exposures, part, video)
                mixed[at] = mixed[at] + light if at in mixed else light
    for at, light in mixed.items():
        frames[at] = to_srgb(light)
    for at in black:
        frames[at] = 0
    return frames


#: The linear light of a frame.
Light = Float32[np.ndarray, "h w 3"]

#: Left, top, right and bottom in pixels, the latter two excluded.
_Box = tuple[int, int, int, int]


@dataclass(slots=True, kw_only=True)
class _Filtered:
    """The part of a level that some views see: `box` of a halved still, blurred when it is first needed."""

    level: Level
    box: _Box
    picture: Picture | None = None


class _LevelWarp(NamedTuple):
    """One view: what it samples, how the pixels of the frame lie on that, and the kernel of the frame."""

    filtered: _Filtered
    warp: Warp
    finish: Kernel


class _Sampler:
    """One still, cropped to what its views see of it, and each halving of that, made when first needed."""

    def __init__(self, job: RenderJob, number: int, video: VideoRecipe):
        still = job.stills[number]
        seen = [layer.exposures for layer in job.layers if layer.still == number]
        self.frame_size = (video.width, video.height)
        self.supersampling = 2 if video.quality == "best" else 1
        self.size = (video.width * self.supersampling, video.height * self.supersampling)
        self.view = View(still_size=(still.shape[1], still.shape[0]), frame_size=self.size)
        self.reduced = job.halved(number)
        left, top, right, bottom = self._box(seen)
        height, width = still.shape[:2]
        self.crop_from_still = np.array(
            [
                [width / (right - left), 0, -left / (right - left)],
                [0, height / (bottom - top), -top / (bottom - top)],
                [0, 0, 1],
            ]
        )
        self.halved = [still[top:bottom, left:right]]

    def _box(self, seen: Sequence[Float64[np.ndarray, "n 3 3"]]) -> _Box:
        """What the views `seen` and their filters need, in pixels of the still.

        The box begins and ends on multiples of 8 pixels, or of more where the still is halved more than three
        times, so that halving it averages the same groups of pixels as halving the whole still.
        """
        width, height = self.view.still_size
        homographies = np.concatenate(seen or [np.eye(3)[None]])
        corners = view_corners(homographies).reshape(-1, 2) * (width, height)
        largest = source_scale(homographies, self.view).max()
        unit = 2 ** max(3, halvings_of(float(largest)))
        margin = 4 * largest + 2
        left, top = (np.maximum(corners.min(axis=0) - margin, 0) // unit * unit).astype(int)
        right, bottom = (-(-(corners.max(axis=0) + margin) // unit) * unit).astype(int)
        return int(left), int(top), min(int(right), width), min(int(bottom), height)

    def prepare_views(self, layer: Layer) -> list[list[_LevelWarp]]:
        """What to sample for each exposure of each frame."""
        filters = filters_of(layer.exposures, self.view.still_size, self.size, self.reduced)
        places: dict[Level, list[int]] = {}
        for place, of_view in enumerate(filters):
            places.setdefault(of_view.level, []).append(place)
        views: dict[int, _LevelWarp] = {}
        for level, of_level in places.items():
            width, height = self._halved_size(level.halvings)
            matrices = source_pixel_from_frame_pixel(
                self.crop_from_still @ layer.exposures[of_level], (width, height), self.size
            )
            box = self._part(matrices, level) if level.kernel else (0, 0, width, height)
            matrices[:, :2] -= np.array([[[box[0]], [box[1]]]]) * matrices[:, 2:]
            filtered = _Filtered(level=level, box=box)
            for place, warp in zip(of_level, prepare(matrices, self.size), strict=True):
                views[place] = _LevelWarp(filtered=filtered, warp=warp, finish=filters[place].finish)
        ends = np.cumsum(layer.exposures_per_frame).tolist()
        return [
            [views[place] for place in range(start, end)]
            for start, end in zip([0, *ends[:-1]], ends, strict=True)
        ]

    def _part(self, matrices: Float64[np.ndarray, "n 3 3"], level: Level) -> _Box:
        """What views see of the still, halved as for `level`, and what their kernel needs around it."""
        columns, rows = self.size
        corners = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]], np.float64)
        points = matrices @ corners.T
        points = points[:, :2] / points[:, 2:]
        margin = len(gaussian_taps(max(level.kernel.across, level.kernel.down))) // 2 + 2
        left, top = (points.min(axis=(0, 2)) - margin).astype(int).tolist()
        right, bottom = (points.max(axis=(0, 2)) + margin + 1).astype(int).tolist()
        width, height = self._halved_size(level.halvings)
        return max(0, left), max(0, top), min(right, width), min(bottom, height)

    def sample(self, view: _LevelWarp, frame: Picture) -> None:
        """Fills `frame` with the view."""
        filtered = view.filtered
        if filtered.picture is None:
            left, top, right, bottom = filtered.box
            part = self._halved(filtered.level.halvings)[top:bottom, left:right]
            filtered.picture = _smooth(part, filtered.level.kernel)
        if self.supersampling == 1:
            sample(filtered.picture, view.warp, frame)
            _smooth(frame, view.finish, frame)
        else:
            large = np.empty((self.size[1], self.size[0], 3), np.uint8)
            sample(filtered.picture, view.warp, large)
            _smooth(large, view.finish, large)
            cv2.resize(large, self.frame_size, dst=frame, interpolation=cv2.INTER_AREA)

    def _halved(self, halvings: int) -> Picture:
        while len(self.halved) <= halvings:
            half = self._halved_size(len(self.halved))
            self.halved.append(cv2.resize(self.halved[-1], half, interpolation=cv2.INTER_AREA))
        return self.halved[halvings]

    def _halved_size(self, halvings: int) -> tuple[int, int]:
        height, width = self.halved[0].shape[:2]
        return max(1, width >> halvings), max(1, height >> halvings)


def _smooth(picture: Picture, kernel: Kernel, into: Picture | None = None) -> Picture:
    """`picture` through `kernel`; `into` may be the picture itself."""
    if not kernel:
        return picture
    across, down = gaussian_taps(kernel.across), gaussian_taps(kernel.down)
    return cv2.sepFilter2D(picture, -1, across, down, into, borderType=cv2.BORDER_REPLICATE)


def _light(sampler: _Sampler, views: Sequence[_LevelWarp], part: Part, video: VideoRecipe) -> Light:
    """What one shot adds to the linear light of a frame: the mean of its exposures, blurred and weighted."""
    sampled = np.empty((video.height, video.width, 3), np.uint8)
    sampler.sample(views[0], sampled)
    light = to_linear(sampled)
    for view in views[1:]:
        sampler.sample(view, sampled)
        cv2.accumulate(to_linear(sampled), light)
    sigma = part.blur * video.width
    if sigma >= NARROWEST:
        taps = gaussian_taps(sigma)
        light = cv2.sepFilter2D(light, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    light *= np.float32(part.weight * 2.0**part.stops / len(views))
    return light
