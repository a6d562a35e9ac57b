"""`BuildRecipe`: everything that decides what a build's clips look like, and nothing about where it runs.

One frozen dataclass a TOML table. Every key has its default here; recipes/*.toml only change them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from animate import strict_toml
from animate.strict_toml import RecipeError

Format = Literal["mp4", "frames", "virtual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecipe:
    """Which corpus, where it lies, its columns and its limits.

    `path` says where the corpus lies on this machine: it is no part of the digest. `limit` = 0 means all.
    `background` is what transparent pixels are laid over, as red, green, blue in 0..255.
    """

    name: str = "demo"
    path: str = ""
    image_column: str = ""
    caption_column: str = ""
    key_column: str = ""
    limit: int = 0
    min_side: int = 64
    max_pixels: int = 100_000_000
    max_aspect: float = 4.0
    background: tuple[int, int, int] = (255, 255, 255)

    def __post_init__(self) -> None:
        _at_least("limit", self.limit, 0)
        _at_least("min_side", self.min_side, 1)
        _at_least("max_pixels", self.max_pixels, 1)
        _at_least("max_aspect", self.max_aspect, 1.0)
        if not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"background = {list(self.background)}: each value must be in 0..255")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRecipe:
    """What the camera may do."""

    preset: str = "default"
    min_view_area: float = 0.2
    min_union_area: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecipe:
    """The frames of a clip and how they are stored.

    `size` is the side of square frames or [width, height], in pixels, even. `fps` is whole, so that every
    reader agrees on it. `crf` and `preset` are x264's, `jpeg_quality` libjpeg's (1..100).
    """

    size: int | tuple[int, int] = 224
    num_frames: int = 12
    fps: int = 4
    format: Format = "mp4"
    crf: int = 23
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    jpeg_quality: int = 90
    quality: Literal["fast", "default", "best"] = "default"

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not 16 <= side <= 8192 or side % 2:
                raise ValueError(f"size = {self.size}: sides must be even and in 16..8192")
        if not 1 <= self.num_frames <= 100_000:
            raise ValueError(f"num_frames = {self.num_frames}: must be in 1..100000")
        if not 1 <= self.fps <= 240:
            raise ValueError(f"fps = {self.fps}: must be in 1..240")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf = {self.crf}: must be in 0..51")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality = {self.jpeg_quality}: must be in 1..100")

    @property
    def width(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def height(self) -> int:
        return self.size if isinstance(self.size, int) else self.size[1]

    @property
    def duration_seconds(self) -> float:
        return self.num_frames / self.fps


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsRecipe:
    """How clips are grouped into shards."""

    clips_per_shard: int = 1000

    def __post_init__(self) -> None:
        _at_least("clips_per_shard", self.clips_per_shard, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecipe:
    """A whole build: corpus, camera, frames, shards."""

    name: str = "default"
    seed: int = 0
    takes: int = 1
    source: SourceRecipe = field(default_factory=SourceRecipe)
    shot: ShotRecipe = field(default_factory=ShotRecipe)
    video: VideoRecipe = field(default_factory=VideoRecipe)
    shards: ShardsRecipe = field(default_factory=ShardsRecipe)

    def __post_init__(self) -> None:
        _at_least("takes", self.takes, 1)

    def content(self) -> dict[str, Any]:
        """The plain table of all that decides the clips: the recipe without where the corpus lies."""
        anywhere = dataclasses.replace(self.source, path="")
        return strict_toml.to_table(dataclasses.replace(self, source=anywhere))

    def digest(self) -> str:
        """32 hex digits that change when, and only when, a content knob does."""
        return strict_toml.digest(dataclasses.replace(self, source=dataclasses.replace(self.source, path="")))


def read_recipe(path: str | Path | None, overrides: Sequence[str] = ()) -> BuildRecipe:
    """The recipe in a TOML file (None: all defaults) with `"a.b=value"` overrides; `RecipeError` if unusable."""
    table: Mapping[str, Any] = strict_toml.read_toml(path) if path is not None else {}
    return strict_toml.from_table(BuildRecipe, strict_toml.apply_overrides(table, overrides))


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise RecipeError(f"{name} = {value}: must be at least {least}")
