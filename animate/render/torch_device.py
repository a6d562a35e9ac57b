"""Rendering on a torch device: kornia samples all views of pictures of one size in one call.

It uses the same levels, the same light and the same rounding as `animate.render.opencv`.
"""

import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from kornia.geometry.transform import warp_perspective
from torch import Tensor
from torch.nn import functional

from animate.arrays import Frames, Picture
from animate.light import TO_LINEAR
from animate.recipe import VideoRecipe
from animate.render.job import Part, RenderJob, parts_of
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import NARROWEST, Kernel, Level, filters_of, gaussian_taps

#: A picture on the device, in code values 0..255.
DevicePicture = Float[Tensor, "1 3 h w"]

#: Most bytes that one call of the sampler is given. A picture counts once for each of its views.
_BYTES_A_CALL = 1 << 30


def render_jobs(jobs: Sequence[RenderJob], video: VideoRecipe, device: str) -> list[Frames]:
    """See `animate.render.render`."""
    on = torch.device(device)
    places = _places(jobs)
    views = _sample(jobs, places, video, on)
    # What no shot gives any light to stays black.
    frames = torch.zeros(
        len(jobs) * video.num_frames, 3, video.height, video.width, dtype=torch.uint8, device=on
    )
    plain_frames, plain_views = [], []
    mixed: dict[int, Float[Tensor, "3 h w"]] = {}
    for n, (job, of_job) in enumerate(zip(jobs, places, strict=True)):
        for layer, of_layer in zip(job.layers, of_job, strict=True):
            first = n * video.num_frames + layer.first
            for i, (part, exposures) in enumerate(zip(parts_of(layer), of_layer, strict=True), first):
                if part.plain and not part.stops:
                    plain_frames.append(i)
                    plain_views.append(exposures.start)
                elif part.weight:
                    light = _light(part, views[exposures.start : exposures.stop], video)
                    mixed[i] = mixed[i] + light if i in mixed else light
    for i, light in mixed.items():
        frames[i] = _srgb(light)
    frames[plain_frames] = views[plain_views].to(torch.uint8)
    shape = (len(jobs), video.num_frames, video.height, video.width, 3)
    # Into pinned memory the device copies by itself, several times as fast.
    host = torch.empty(shape, dtype=torch.uint8, pin_memory=on.type == "cuda")
    host.copy_(frames.permute(0, 2, 3, 1).reshape(shape))
    return list(host.numpy())


#: For each job, layer and frame, where its exposures stand among those of all jobs.
_Places = list[list[list[range]]]


def _places(jobs: Sequence[RenderJob]) -> _Places:
    places, end = [], 0
    for job in jobs:
        of_job = []
        for layer in job.layers:
            ends = (np.cumsum(layer.exposures_per_frame) + end).tolist()
            of_job.append([range(*both) for both in zip([end, *ends[:-1]], ends, strict=True)])
            end = ends[-1]
        places.append(of_job)
    return places


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Views of one level of a still: `picture` is the level, `homographies` are the views.

    `finishes` are the kernels of their frames, `places` where they stand among the exposures of all jobs.
    """

    picture: DevicePicture
    homographies: list[Float64[np.ndarray, "3 3"]] = field(default_factory=list)
    finishes: list[Kernel] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def _sample(
    jobs: Sequence[RenderJob], places: _Places, video: VideoRecipe, device: torch.device
) -> Float[Tensor, "n 3 h w"]:
    """The views of all exposures, in whole code values 0..255."""
    factor = 2 if video.quality == "best" else 1
    size = (video.width * factor, video.height * factor)
    by_size: dict[tuple[int, ...], list[_Wanted]] = defaultdict(list)
    for wanted in _wanted(jobs, places, size, device):
        by_size[tuple(wanted.picture.shape)].append(wanted)
    number = places[-1][-1][-1].stop
    views = torch.empty(number, 3, video.height, video.width, device=device)
    for group in by_size.values():
        for some in _chunks(group):
            pictures = torch.cat([w.picture.expand(len(w.places), -1, -1, -1) for w in some])
            warped = _warp(pictures, np.stack([view for w in some for view in w.homographies]), size)
            for i, kernel in enumerate(kernel for w in some for kernel in w.finishes):
                if kernel:
                    warped[i] = _gaussian(warped[i : i + 1], kernel)[0].round()
            if factor == 2:
                warped = functional.avg_pool2d(warped, 2).round()
            views[[place for w in some for place in w.places]] = warped
    return views


def _wanted(
    jobs: Sequence[RenderJob], places: _Places, size: tuple[int, int], device: torch.device
) -> Iterator[_Wanted]:
    for job, of_job in zip(jobs, places, strict=True):
        stills = [_DeviceStill(still, device) for still in job.stills]
        wanted: dict[tuple[int, Level], _Wanted] = {}
        for layer, of_layer in zip(job.layers, of_job, strict=True):
            height, width = job.stills[layer.still].shape[:2]
            filters = filters_of(layer.exposures, (width, height), size, job.halved(layer.still))
            first = of_layer[0].start
            for i, (of_view, view) in enumerate(zip(filters, layer.exposures, strict=True), first):
                key = layer.still, of_view.level
                if key not in wanted:
                    wanted[key] = _Wanted(picture=stills[layer.still].level(of_view.level))
                wanted[key].homographies.append(view)
                wanted[key].finishes.append(of_view.finish)
                wanted[key].places.append(i)
        yield from wanted.values()


def _chunks(group: Sequence[_Wanted]) -> Iterator[list[_Wanted]]:
    """`group` in runs of at most `_BYTES_A_CALL`; one that is larger is a run of its own."""
    run: list[_Wanted] = []
    held = 0
    for wanted in group:
        bytes_wanted = wanted.picture.numel() * wanted.picture.element_size() * len(wanted.places)
        if run and held + bytes_wanted > _BYTES_A_CALL:
            yield run
            run, held = [], 0
        run.append(wanted)
        held += bytes_wanted
    if run:
        yield run


def _warp(
    pictures: Float[Tensor, "n 3 h w"], homographies: Float64[np.ndarray, "n 3 3"], size: tuple[int, int]
) -> Float[Tensor, "n 3 rows columns"]:
    """One view of each picture, rounded to whole code values."""
    matrices = source_pixel_from_frame_pixel(homographies, (pictures.shape[3], pictures.shape[2]), size)
    frame_from_source = torch.from_numpy(np.linalg.inv(matrices)).to(pictures.device, torch.float32)
    return warp_perspective(
        pictures,
        frame_from_source,
        (size[1], size[0]),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    ).round()


def _light(part: Part, views: Float[Tensor, "s 3 h w"], video: VideoRecipe) -> Float[Tensor, "3 h w"]:
    """What one shot gives to the linear light of a frame."""
    light = _to_linear(views.device)[views.long()].mean(0)
    sigma = part.blur * video.width
    if sigma >= NARROWEST:
        light = _gaussian(light[None], Kernel(across=sigma, down=sigma))[0]
    return light * (part.weight * 2.0**part.stops)


def _srgb(light: Float[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    light = light.clamp(0, 1)
    srgb = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).round().to(torch.uint8)


@functools.cache
def _to_linear(device: torch.device) -> Float[Tensor, "256"]:
    return torch.from_numpy(TO_LINEAR).to(device)


@functools.lru_cache(maxsize=4096)
def _taps(sigma: float, device: torch.device) -> Float[Tensor, " k"]:
    return torch.from_numpy(gaussian_taps(sigma)).to(device, torch.float32)


def _gaussian(image: DevicePicture, kernel: Kernel) -> DevicePicture:
    for sigma, axis in ((kernel.across, 3), (kernel.down, 2)):
        taps = _taps(sigma, image.device)
        reach = len(taps) // 2
        padding = (reach, reach, 0, 0) if axis == 3 else (0, 0, reach, reach)
        weights = taps.expand(3, 1, 1, -1)
        padded = functional.pad(image, padding, mode="replicate")
        image = functional.conv2d(padded, weights if axis == 3 else weights.transpose(2, 3), groups=3)
    return image


def _area(source: int, target: int) -> Float[Tensor, "target source"]:
    """The matrix that shrinks `source` pixels to `target` by area averaging.

    Of 3 pixels to 2, each target covers one and a half source pixels: [[2/3, 1/3, 0], [0, 1/3, 2/3]].
    """
    edges = torch.arange(target + 1, dtype=torch.float64) * (source / target)
    pixels = torch.arange(source)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return overlap.clamp_min(0) * (target / source)


class _DeviceStill:
    """One still on the device. Each of its levels is made when it is first asked for."""

    def __init__(self, still: Picture, device: torch.device):
        # Copies from pinned memory run beside the kernels.
        pinned = torch.empty(still.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        np.copyto(pinned.numpy(), still)
        pixels = pinned.to(device, non_blocking=True).permute(2, 0, 1)[None].float()
        self.levels: dict[Level, DevicePicture] = {Level(halvings=0): pixels}

    def level(self, level: Level) -> DevicePicture:
        if level not in self.levels:
            if level.kernel:
                base = self.level(Level(halvings=level.halvings))
                self.levels[level] = _gaussian(base, level.kernel).round()
            else:
                base = self.level(Level(halvings=level.halvings - 1))
                down, across = (_area(side, max(1, side // 2)).to(base) for side in base.shape[2:])
                self.levels[level] = (down @ base @ across.T).round()
        return self.levels[level]
