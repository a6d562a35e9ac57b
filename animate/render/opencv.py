"""Rendering on a CPU: OpenCV samples, one still's levels are made once and shared by all frames."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from animate.camera import View, source_scale
from animate.recipe import VideoRecipe
from animate.render.light import exposure_table, to_linear, to_srgb
from animate.render.mixing import Contribution, contributions, is_plain
from animate.render.pixels import source_pixel_from_frame_pixel
from animate.render.prefilter import Level, gaussian_taps, level_of
from animate.shot import Layer

Frame = UInt8[np.ndarray, "h w 3"]


def render_layers(
    stills: Sequence[Frame], layers: Sequence[Layer], video: VideoRecipe, device: str
) -> UInt8[np.ndarray, "t h w 3"]:
    """See `animate.render.render`."""
    cameras = [_Sampler(still, video) for still in stills]
    frames = np.empty((video.num_frames, video.height, video.width, 3), np.uint8)
    for frame, parts in zip(frames, contributions(layers, video.num_frames), strict=True):
        if is_plain(parts):
            cameras[parts[0].still].sample(parts[0].exposures[0], frame)
            if parts[0].stops:
                cv2.LUT(frame, exposure_table(parts[0].stops), dst=frame)
        else:
            frame[:] = to_srgb(sum(_light(cameras[part.still], part, video) for part in parts))
    return frames


def _light(camera: "_Sampler", part: Contribution, video: VideoRecipe) -> Float32[np.ndarray, "h w 3"]:
    """What one shot adds to a frame's linear light."""
    sampled = np.empty((video.height, video.width, 3), np.uint8)
    light = np.zeros((video.height, video.width, 3), np.float32)
    for homography in part.exposures:
        camera.sample(homography, sampled)
        light += to_linear(sampled)
    sigma = part.blur * video.width
    if sigma > 0.1:
        taps = gaussian_taps(sigma)
        light = cv2.sepFilter2D(light, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return light * np.float32(part.weight * 2.0**part.stops / len(part.exposures))


class _Sampler:
    """One still, its levels made as frames ask for them."""

    def __init__(self, still: Frame, video: VideoRecipe):
        self.video = video
        self.supersampling = 2 if video.quality == "best" else 1
        self.size = (video.width * self.supersampling, video.height * self.supersampling)
        self.view = View(still_size=(still.shape[1], still.shape[0]), frame_size=self.size)
        self.levels: dict[Level, Frame] = {Level(halvings=0, sigma=0.0): still}

    def sample(self, homography: Float64[np.ndarray, "3 3"], frame: Frame) -> None:
        """Fills `frame` with the view."""
        if self.supersampling == 1:
            self._warp(homography, frame)
        else:
            large = np.empty((self.size[1], self.size[0], 3), np.uint8)
            self._warp(homography, large)
            cv2.resize(large, (self.video.width, self.video.height), dst=frame, interpolation=cv2.INTER_AREA)

    def _warp(self, homography: Float64[np.ndarray, "3 3"], frame: Frame) -> None:
        still = self._level(level_of(float(source_scale(homography, self.view))))
        matrix = source_pixel_from_frame_pixel(homography, (still.shape[1], still.shape[0]), self.size)
        if homography[2, 0] == 0 and homography[2, 1] == 0:
            cv2.warpAffine(still, matrix[:2], self.size, frame, _FLAGS, cv2.BORDER_REPLICATE)
        else:
            cv2.warpPerspective(still, matrix, self.size, frame, _FLAGS, cv2.BORDER_REPLICATE)

    def _level(self, level: Level) -> Frame:
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


_FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
