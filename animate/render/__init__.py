"""Stills and the layers of an edit in, frames out: the only place that warps pixels.

The conventions of all its files. A homography maps view to source in unit coordinates; pixel centres lie at
(i + 0.5) / n, so pixel i of an axis of n pixels covers i / n .. (i + 1) / n. OpenCV and kornia both count
from pixel centres (kornia with `align_corners=True`), so unit coordinate u is pixel u n - 0.5 in either.
Samples between the outermost pixel centres and the edge repeat the edge. Nothing is rounded before the
sampler.

Down-scaling is anti-aliased: see `animate.render.prefilter`. Dissolve, shutter, blur and exposure are
computed in linear light: see `animate.light`. A frame of one shot that needs none of them is what the
sampler gave, untouched.

The device decides which library samples: OpenCV on `"cpu"`, kornia on any torch device.
"""

from collections.abc import Iterator, Sequence

from animate.arrays import Frames, Picture
from animate.edit import Layer
from animate.errors import UserError
from animate.recipe import VideoRecipe
from animate.render.job import RenderJob

__all__ = ["NoDevice", "RenderJob", "check_device", "render", "render_jobs"]


class NoDevice(UserError):
    """Torch knows no device of that name, or this machine has none."""


def check_device(device: str, *, here: bool) -> None:
    """Raises `NoDevice` if torch does not know `device` or, with `here`, if this machine does not have it."""
    if device == "cpu":
        return
    import torch

    try:
        known = torch.device(device)
        if here:
            torch.empty(1, device=known)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise NoDevice(f"device = {device!r}: {reason} (`animate doctor` says what is here)") from None


def render(
    stills: Sequence[Picture],
    layers: Sequence[Layer],
    video: VideoRecipe,
    device: str = "cpu",
) -> Frames:
    """All frames of a clip, sRGB, `video.num_frames` of them, each `video.height` by `video.width`.

    `stills` are the pictures that the layers refer to by number, at any resolution of the same shape.
    `device` is "cpu" or whatever torch takes.
    """
    [frames] = render_jobs([RenderJob(stills=tuple(stills), layers=tuple(layers))], video, device)
    return frames


def render_jobs(jobs: Sequence[RenderJob], video: VideoRecipe, device: str = "cpu") -> Iterator[Frames]:
    """The frames of several clips in order, as `render` gives them one by one.

    On a CPU those of one clip are in memory at a time. On a torch device all views of all jobs that look at
    pictures of one size are sampled in one call.
    """
    if not jobs:
        return iter(())
    if device == "cpu":
        from animate.render import opencv

        return opencv.render_jobs(jobs, video)
    from animate.render import torch_device

    return iter(torch_device.render_jobs(jobs, video, device))
