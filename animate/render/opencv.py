"""Rendering on a CPU: OpenCV samples. The levels of a still are made once and shared by all frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from animate.arrays import Frames, Picture
from animate.camera import View, source_scale, view_corners
from animate.recipe import VideoRecipe
from animate.render.light import exposure_table, to_linear, to_srgb
from animate.render.mixing import Contribution, RenderJob, contributions, is_plain
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import Level, gaussian_taps, level_of
from animate.render.warp import Warp, prepare, sample


def render_job(job: RenderJob, video: VideoRecipe) -> Frames:
    """See `animate.render.render`."""
    layers = job.layers
    samplers = [
        _Sampler(still, [layer.exposures for layer in layers if layer.still == number], video)
        for number, still in enumerate(job.stills)
    ]
    views = [samplers[layer.still].prepare_views(layer.exposures) for layer in layers]
    frames = np.empty((video.num_frames, video.height, video.width, 3), np.uint8)
    all_parts = contributions(layers, video.num_frames)
    for number, (frame, parts) in enumerate(zip(frames, all_parts, strict=True)):
        if parts and len(parts) == len(all_parts[number - 1]) and all(part.repeated for part in parts):
            frame[:] = frames[number - 1]  # the camera rests
        elif is_plain(parts, layers):
            [part] = parts
            samplers[layers[part.layer].still].sample(views[part.layer][part.frame][0], frame)
            if part.stops:
                cv2.LUT(frame, exposure_table(part.stops), dst=frame)
        elif parts:
            lights = [
                _light(samplers[layers[part.layer].still], views[part.layer][part.frame], part, video)
                for part in parts
            ]
            frame[:] = to_srgb(sum(lights[1:], lights[0]))
        else:
            frame[:] = 0
    return frames


@dataclass(frozen=True, slots=True, kw_only=True)
class _LevelWarp:
    """One view: the level to sample, and how the pixels of the frame lie on that level."""

    level: Level
    warp: Warp


class _Sampler:
    """One still, cropped to what its views see of it. Each of its levels is made when it is first needed."""

    def __init__(self, still: Picture, seen: Sequence[Float64[np.ndarray, "t s 3 3"]], video: VideoRecipe):
        self.frame_size = (video.width, video.height)
        self.supersampling = 2 if video.quality == "best" else 1
        self.size = (video.width * self.supersampling, video.height * self.supersampling)
        self.view = View(still_size=(still.shape[1], still.shape[0]), frame_size=self.size)
        left, top, right, bottom = self._box(seen)
        height, width = still.shape[:2]
        self.crop_from_still = np.array(
            [
                [width / (right - left), 0, -left / (right - left)],
                [0, height / (bottom - top), -top / (bottom - top)],
                [0, 0, 1],
            ]
        )
        self.levels: dict[Level, Picture] = {Level(halvings=0, sigma=0.0): still[top:bottom, left:right]}

    def _box(self, seen: Sequence[Float64[np.ndarray, "t s 3 3"]]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, in pixels of the still, of what the views `seen` and their filters
        need.

        The box begins and ends on multiples of 8 pixels, so that halving it up to three times averages the
        same groups of pixels as halving the whole still.
        """
        width, height = self.view.still_size
        homographies = np.concatenate(
            [exposures.reshape(-1, 3, 3) for exposures in seen] or [np.eye(3)[None]]
        )
        corners = view_corners(homographies).reshape(-1, 2) * (width, height)
        margin = 4 * source_scale(homographies, self.view).max() + 2
        left, top = (np.maximum(corners.min(axis=0) - margin, 0) // 8 * 8).astype(int)
        right, bottom = (-(-(corners.max(axis=0) + margin) // 8) * 8).astype(int)
        return int(left), int(top), min(int(right), width), min(int(bottom), height)

    def prepare_views(self, exposures: Float64[np.ndarray, "t s 3 3"]) -> list[list[_LevelWarp]]:
        """What to sample for each exposure of each frame."""
        flat = exposures.reshape(-1, 3, 3)
        levels = [level_of(scale) for scale in source_scale(flat, self.view).tolist()]
        views: dict[int, _LevelWarp] = {}
        for halvings in {level.halvings for level in levels}:
            height, width = self._level(Level(halvings=halvings, sigma=0.0)).shape[:2]
            places = [i for i, level in enumerate(levels) if level.halvings == halvings]
            matrices = source_pixel_from_frame_pixel(
                self.crop_from_still @ flat[places], (width, height), self.size
            )
            for i, warp in zip(places, prepare(matrices, self.size), strict=True):
                views[i] = _LevelWarp(level=levels[i], warp=warp)
        per_frame = exposures.shape[1]
        return [[views[i * per_frame + j] for j in range(per_frame)] for i in range(len(exposures))]

    def sample(self, view: _LevelWarp, frame: Picture) -> None:
        """Fills `frame` with the view."""
        if self.supersampling == 1:
            sample(self._level(view.level), view.warp, frame)
        else:
            large = np.empty((self.size[1], self.size[0], 3), np.uint8)
            sample(self._level(view.level), view.warp, large)
            cv2.resize(large, self.frame_size, dst=frame, interpolation=cv2.INTER_AREA)

    def _level(self, level: Level) -> Picture:
        if level not in self.levels:
            if level.sigma:
                base = self._level(Level(halvings=level.halvings, sigma=0.0))
                taps = gaussian_taps(level.sigma)
                self.levels[level] = cv2.sepFilter2D(base, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
            else:
                base = self._level(Level(halvings=level.halvings - 1, sigma=0.0))
                half = (max(1, base.shape[1] // 2), max(1, base.shape[0] // 2))
                self.levels[level] = cv2.resize(base, half, interpolation=cv2.INTER_AREA)
        return self.levels[level]


def _light(
    sampler: _Sampler, views: Sequence[_LevelWarp], part: Contribution, video: VideoRecipe
) -> Float32[np.ndarray, "h w 3"]:
    """What one shot adds to the linear light of a frame: the mean of its exposures, blurred and weighted."""
    sampled = np.empty((video.height, video.width, 3), np.uint8)
    light: Float32[np.ndarray, "h w 3"] | None = None
    for view in views:
        sampler.sample(view, sampled)
        light = to_linear(sampled) if light is None else cv2.add(light, to_linear(sampled), dst=light)
    assert light is not None  # a frame has at least one exposure
    sigma = part.blur * video.width
    if sigma > 0.1:
        taps = gaussian_taps(sigma)
        light = cv2.sepFilter2D(light, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    light *= np.float32(part.weight * 2.0**part.stops / len(views))
    return light
