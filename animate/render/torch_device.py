"""Rendering on a torch device: kornia samples, all views of a batch of clips that share a level in one call.

The reference everywhere: the same levels, the same light and the same rounding as `animate.render.opencv`.

Stills of one size are one tensor, and so are their levels. The views of all clips, takes and frames that
are sampled from one level of one size go through one kornia call, or through several where they would
not fit into memory. Frames with nothing to mix go straight to their place; light is mixed for the others.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from kornia.geometry.transform import warp_perspective
from torch import Tensor
from torch.nn import functional

from animate.camera import View, source_scale
from animate.recipe import VideoRecipe
from animate.render.light import TO_LINEAR
from animate.render.mixing import Contribution, Scene, contributions, is_plain
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import Level, gaussian_taps, level_of
from animate.shot import Layer

#: A still in host memory, or one that was decoded on the device.
Still = UInt8[np.ndarray, "h w 3"] | UInt8[Tensor, "3 h w"]
Images = Float[Tensor, "n 3 h w"]

#: Source pixels that one kornia call may gather: 2 ** 27 are 1.6 GB.
_PIXELS_A_CALL = 1 << 27


def render_layers(
    stills: Sequence[Still], layers: Sequence[Layer], video: VideoRecipe, device: str
) -> UInt8[np.ndarray, "t h w 3"]:
    """See `animate.render.render`."""
    return render_scenes([Scene(stills=stills, layers=layers)], video, device)[0]


def render_scenes(scenes: Sequence[Scene], video: VideoRecipe, device: str) -> UInt8[np.ndarray, "n t h w 3"]:
    """All frames of all clips; each clip is what `render_layers` makes of it alone."""
    place = torch.device(device)
    frames = torch.zeros(
        (len(scenes) * video.num_frames, 3, video.height, video.width), dtype=torch.uint8, device=place
    )
    mixed: dict[int, _Mix] = {}
    for views, sampled in _sampled(scenes, video, place, mixed):
        plain = [k for k, view in enumerate(views) if view.frame not in mixed]
        if plain:
            targets = torch.tensor([views[k].frame for k in plain], device=place)
            frames[targets] = sampled[plain].to(torch.uint8)
        for k, view in enumerate(views):
            if view.frame in mixed:
                mixed[view.frame].views[view.part, view.exposure] = sampled[k]
    for frame, mix in mixed.items():
        frames[frame] = mix.light(video)
    return _to_host(frames.permute(0, 2, 3, 1).contiguous()).reshape(
        len(scenes), video.num_frames, video.height, video.width, 3
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One view to sample: frame number `frame` of the batch, its `part`-th shot, that one's `exposure`."""

    frame: int
    part: int
    exposure: int
    still: int
    homography: Float64[np.ndarray, "3 3"]


class _Mix:
    """A frame whose light is mixed, once its views are there."""

    def __init__(self, parts: Sequence[Contribution]):
        self.parts = parts
        self.views: dict[tuple[int, int], Float[Tensor, "3 h w"]] = {}

    def light(self, video: VideoRecipe) -> UInt8[Tensor, "3 h w"]:
        """The frame in sRGB."""
        device = self.views[0, 0].device
        light = torch.zeros(3, video.height, video.width, device=device)
        to_linear = torch.from_numpy(TO_LINEAR).to(device)
        for number, part in enumerate(self.parts):
            exposures = torch.stack([view for (n, _), view in sorted(self.views.items()) if n == number])
            seen = to_linear[exposures.long()].mean(0)
            sigma = part.blur * video.width
            if sigma > 0.1:
                seen = _gaussian(seen[None], sigma)[0]
            light += seen * (part.weight * 2.0**part.stops)
        light = light.clamp(0, 1)
        curve = 1.055 * light.clamp_min(1e-9) ** (1 / 2.4) - 0.055
        return (255 * torch.where(light <= 0.0031308, 12.92 * light, curve)).round().to(torch.uint8)


def _sampled(
    scenes: Sequence[Scene], video: VideoRecipe, device: torch.device, mixed: dict[int, _Mix]
) -> Iterator[tuple[list[_View], Float[Tensor, "k 3 h w"]]]:
    """Views with their samples in whole code values 0..255; enters frames to be mixed in `mixed` first."""
    factor = 2 if video.quality == "best" else 1
    size = (video.width * factor, video.height * factor)
    stills = [still for scene in scenes for still in scene.stills]
    buckets = _buckets(stills)
    wanted = _wanted(scenes, video, size, mixed)
    for shape, members in buckets.items():
        levels = _Levels([stills[i] for i in members], device)
        row = {still: number for number, still in enumerate(members)}
        by_level: dict[Level, list[_View]] = defaultdict(list)
        for still in members:
            for level, view in wanted[still]:
                by_level[level].append(view)
        at_once = max(1, _PIXELS_A_CALL // (shape[0] * shape[1]))
        for level, views in by_level.items():
            for start in range(0, len(views), at_once):
                some = views[start : start + at_once]
                rows = [row[view.still] for view in some]
                sampled = _warp(levels.of(level, rows), [view.homography for view in some], size)
                if factor == 2:
                    sampled = functional.avg_pool2d(sampled, 2).round()
                yield some, sampled


def _wanted(
    scenes: Sequence[Scene], video: VideoRecipe, size: tuple[int, int], mixed: dict[int, _Mix]
) -> dict[int, list[tuple[Level, _View]]]:
    """For each still of the batch, the views of it and the level that each is sampled from."""
    wanted: dict[int, list[tuple[Level, _View]]] = defaultdict(list)
    first_still = 0
    for number, scene in enumerate(scenes):
        shapes = [
            View(still_size=(width, height), frame_size=size) for height, width in map(_shape, scene.stills)
        ]
        scales = [source_scale(layer.exposures, shapes[layer.still]).tolist() for layer in scene.layers]
        for i, parts in enumerate(contributions(scene.layers, video.num_frames)):
            frame = number * video.num_frames + i
            if parts and (not is_plain(parts, scene.layers) or parts[0].stops):
                mixed[frame] = _Mix(parts)
            for j, part in enumerate(parts):
                layer = scene.layers[part.layer]
                for k, scale in enumerate(scales[part.layer][part.frame]):
                    view = _View(
                        frame=frame,
                        part=j,
                        exposure=k,
                        still=first_still + layer.still,
                        homography=layer.exposures[part.frame, k],
                    )
                    wanted[view.still].append((level_of(scale), view))
        first_still += len(scene.stills)
    return wanted


def _buckets(stills: Sequence[Still]) -> dict[tuple[int, int], list[int]]:
    """Numbers of the stills of each (height, width)."""
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, still in enumerate(stills):
        buckets[_shape(still)].append(number)
    return buckets


def _shape(still: Still) -> tuple[int, int]:
    height, width = still.shape[1:] if isinstance(still, Tensor) else still.shape[:2]
    return height, width


def _warp(
    images: Images, homographies: Sequence[Float64[np.ndarray, "3 3"]], size: tuple[int, int]
) -> Float[Tensor, "n 3 h w"]:
    """One view of each image, rounded to whole code values."""
    matrices = source_pixel_from_frame_pixel(np.stack(homographies), (images.shape[3], images.shape[2]), size)
    frame_from_source = torch.from_numpy(np.linalg.inv(matrices)).to(images.device, torch.float32)
    return warp_perspective(
        images, frame_from_source, (size[1], size[0]), mode="bilinear", padding_mode="border",
        align_corners=True,
    ).round()  # fmt: skip


def _gaussian(images: Images, sigma: float) -> Images:
    taps = torch.from_numpy(gaussian_taps(sigma)).to(images.device, images.dtype)
    reach = len(taps) // 2
    padded = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
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
    """Stills of one size on the device, each one's levels made as they are asked for."""

    def __init__(self, stills: Sequence[Still], device: torch.device):
        self.levels = {Level(halvings=0, sigma=0.0): _on_device(stills, device)}
        self.made = {level: set(range(len(stills))) for level in self.levels}

    def of(self, level: Level, rows: Sequence[int]) -> Images:
        """Level `level` of the stills in `rows`, which may repeat."""
        self._make(level, sorted(set(rows)))
        images = self.levels[level]
        if len(set(rows)) == 1:  # a view of one picture, not copies of it
            return images[rows[0]].expand(len(rows), -1, -1, -1)
        return images[torch.tensor(rows, device=images.device)]

    def _make(self, level: Level, rows: Sequence[int]) -> None:
        missing = [row for row in rows if row not in self.made.get(level, ())]
        if not missing:
            return
        below = Level(halvings=level.halvings if level.sigma else level.halvings - 1, sigma=0.0)
        base = self.of(below, missing)
        if level.sigma:
            made = _gaussian(base, level.sigma).round()
        else:
            down, across = (_area(side, max(1, side // 2)).to(base) for side in base.shape[2:])
            made = (down @ base @ across.T).round()
        if level not in self.levels:
            number = len(self.levels[Level(halvings=0, sigma=0.0)])
            self.levels[level] = made.new_empty((number, *made.shape[1:]))
        self.levels[level][torch.tensor(missing, device=made.device)] = made
        self.made.setdefault(level, set()).update(missing)


def _on_device(stills: Sequence[Still], device: torch.device) -> Images:
    """The stills, all of one size, as one tensor; those in host memory cross in one pinned copy."""
    height, width = _shape(stills[0])
    images = torch.empty((len(stills), 3, height, width), dtype=torch.float32, device=device)
    here = []
    for i, still in enumerate(stills):
        if isinstance(still, Tensor):
            images[i] = still
        else:
            here.append(i)
    if here:
        host = torch.empty((len(here), height, width, 3), dtype=torch.uint8, pin_memory=device.type == "cuda")
        for row, i in zip(host, here, strict=True):
            row.numpy()[:] = stills[i]  # numpy copies from read-only pictures too
        crossed = host.to(device, non_blocking=True).permute(0, 3, 1, 2)
        images[torch.tensor(here, device=device)] = crossed.float()
    return images


def _to_host(frames: UInt8[Tensor, "*b"]) -> UInt8[np.ndarray, "*b"]:
    if frames.device.type != "cuda":
        return frames.cpu().numpy()
    host = torch.empty(frames.shape, dtype=frames.dtype, pin_memory=True)
    host.copy_(frames)
    return host.numpy()
