"""Rendering on a torch device: kornia samples, all frames that share a level of a still in one call.

The reference everywhere: the same levels, the same light and the same rounding as `animate.render.opencv`.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from kornia.geometry.transform import warp_perspective
from torch import Tensor
from torch.nn import functional

from animate.camera import View, source_scale
from animate.recipe import VideoRecipe
from animate.render.light import TO_LINEAR
from animate.render.mixing import Contribution, contributions, is_plain
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import Level, gaussian_taps, level_of
from animate.shot import Layer

Image = Float[Tensor, "1 3 h w"]


def render_layers(
    stills: Sequence[UInt8[np.ndarray, "h w 3"]], layers: Sequence[Layer], video: VideoRecipe, device: str
) -> UInt8[np.ndarray, "t h w 3"]:
    """See `animate.render.render`."""
    parts = contributions(layers, video.num_frames)
    views = _sample(stills, layers, parts, video, torch.device(device))
    frames = torch.stack(
        [_mix(seen, views[i], is_plain(seen, layers), video, device) for i, seen in enumerate(parts)]
    )
    return frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _sample(
    stills: Sequence[UInt8[np.ndarray, "h w 3"]],
    layers: Sequence[Layer],
    frames: Sequence[Sequence[Contribution]],
    video: VideoRecipe,
    device: torch.device,
) -> list[list[Float[Tensor, "s 3 h w"]]]:
    """For each frame and each shot seen in it, the view of each exposure, in whole code values 0..255."""
    factor = 2 if video.quality == "best" else 1
    size = (video.width * factor, video.height * factor)
    pyramids = [_Levels(still, device) for still in stills]
    shapes = [View(still_size=(s.shape[1], s.shape[0]), frame_size=size) for s in stills]

    wanted: dict[tuple[int, Level], list[tuple[int, int, int]]] = defaultdict(list)
    for i, parts in enumerate(frames):
        for j, part in enumerate(parts):
            layer = layers[part.layer]
            for k, scale in enumerate(source_scale(layer.exposures[part.frame], shapes[layer.still])):
                wanted[layer.still, level_of(float(scale))].append((i, j, k))

    views: list[list[Tensor]] = [
        [
            torch.empty(layers[p.layer].exposures.shape[1], 3, video.height, video.width, device=device)
            for p in parts
        ]
        for parts in frames
    ]
    for (still, level), places in wanted.items():
        seen = [(layers[frames[i][j].layer], frames[i][j].frame, k) for i, j, k in places]
        homographies = np.stack([layer.exposures[frame, k] for layer, frame, k in seen])
        warped = _warp(pyramids[still].level(level), homographies, size)
        if factor == 2:
            warped = functional.avg_pool2d(warped, 2).round()
        for (i, j, k), view in zip(places, warped, strict=True):
            views[i][j][k] = view
    return views


def _warp(
    still: Image, homographies: Float64[np.ndarray, "n 3 3"], size: tuple[int, int]
) -> Float[Tensor, "n 3 h w"]:
    """Views of one still, rounded to whole code values."""
    matrices = source_pixel_from_frame_pixel(homographies, (still.shape[3], still.shape[2]), size)
    frame_from_source = torch.from_numpy(np.linalg.inv(matrices)).to(still.device, torch.float32)
    return warp_perspective(
        still.expand(len(homographies), -1, -1, -1),
        frame_from_source,
        (size[1], size[0]),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    ).round()


def _mix(
    parts: Sequence[Contribution], views: Sequence[Tensor], plain: bool, video: VideoRecipe, device: str
) -> UInt8[Tensor, "3 h w"]:
    """One frame from the views of the shots seen in it."""
    if plain and not parts[0].stops:
        return views[0][0].to(torch.uint8)
    light = torch.zeros(3, video.height, video.width, device=device)
    for part, exposures in zip(parts, views, strict=True):
        seen = torch.from_numpy(TO_LINEAR).to(exposures.device)[exposures.long()].mean(0)
        sigma = part.blur * video.width
        if sigma > 0.1:
            seen = _gaussian(seen[None], sigma)[0]
        light += seen * (part.weight * 2.0**part.stops)
    light = light.clamp(0, 1)
    srgb = torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clamp_min(1e-9) ** (1 / 2.4) - 0.055)
    return (255 * srgb).round().to(torch.uint8)


def _gaussian(image: Float[Tensor, "1 3 h w"], sigma: float) -> Float[Tensor, "1 3 h w"]:
    taps = torch.from_numpy(gaussian_taps(sigma)).to(image.device, image.dtype)
    reach = len(taps) // 2
    padded = functional.pad(image, (reach, reach, reach, reach), mode="replicate")
    kernel = taps.expand(3, 1, 1, -1)
    across = functional.conv2d(padded, kernel, groups=3)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=3)


def _area(source: int, target: int) -> Float[Tensor, "target source"]:
    """Matrix that averages `source` pixels over the area of each of `target`, whole or not."""
    edges = torch.arange(target + 1, dtype=torch.float64) * (source / target)
    pixels = torch.arange(source)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return overlap.clamp_min(0) * (target / source)


class _Levels:
    """One still on the device, its levels made as they are asked for."""

    def __init__(self, still: UInt8[np.ndarray, "h w 3"], device: torch.device):
        pixels = torch.from_numpy(still).to(device).permute(2, 0, 1)[None].float()
        self.levels: dict[Level, Image] = {Level(halvings=0, sigma=0.0): pixels}

    def level(self, level: Level) -> Image:
        if level not in self.levels:
            if level.sigma:
                base = self.level(Level(halvings=level.halvings, sigma=0.0))
                self.levels[level] = _gaussian(base, level.sigma).round()
            else:
                base = self.level(Level(halvings=level.halvings - 1, sigma=0.0))
                down, across = (_area(side, max(1, side // 2)).to(base) for side in base.shape[2:])
                self.levels[level] = (down @ base @ across.T).round()
        return self.levels[level]
