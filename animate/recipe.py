"""`BuildRecipe`: everything that decides what a build's clips look like, and nothing about where it runs.

One frozen dataclass a TOML table. Every key has its default here; recipes/*.toml only change them.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from animate import strict_toml
from animate.beside import recipes
from animate.components import COMPONENTS, check
from animate.strict_toml import RecipeError

Format = Literal["mp4", "frames", "virtual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRecipe:
    """Which samples of the corpus are wanted; the others are counted rows. What is not given lets all pass.

    `scripts` are writing systems ("latin", "cyrillic", "cjk", "hangul", …) that four fifths of a caption's
    letters must be of. Lengths are in characters, 0 for none. Numbers from `min_similarity` to
    `max_similarity`, and from `min_nsfw` to `max_nsfw`, are let through, of columns such as `similarity` and
    `punsafe`; `nsfw` and `licences` list the words that are, in any case. `duplicates` names what two samples
    must share for the second to be refused: "url", "sha256" of the file, or "perceptual" (a 64-bit difference
    hash). The last two read every image while planning; where images come later (downloads, streams),
    "sha256" drops the second when all shards are made.
    """

    scripts: tuple[str, ...] = ()
    min_caption_length: int = 0
    max_caption_length: int = 0
    min_similarity: float | None = None
    max_similarity: float | None = None
    min_nsfw: float | None = None
    max_nsfw: float | None = None
    nsfw: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    duplicates: Literal["keep", "url", "sha256", "perceptual"] = "keep"
    similarity_column: str = ""
    nsfw_column: str = ""
    licence_column: str = ""

    def __post_init__(self) -> None:
        _at_least("min_caption_length", self.min_caption_length, 0)
        _at_least("max_caption_length", self.max_caption_length, 0)
        for name, low, high in (
            ("similarity", self.min_similarity, self.max_similarity),
            ("nsfw", self.min_nsfw, self.max_nsfw),
        ):
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{name} = {low}: must be at most max_{name} = {high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRecipe:
    """How images are downloaded from a list of addresses.

    `seconds` and `max_bytes` are limits for one image, redirects included; `retries` are tries after the
    first. `user_agent` is told to every site: who downloads much says there how to be reached. `robot` is the
    name that robots.txt and X-Robots-Tag know us by; `respect_opt_outs` = false asks neither. `threads` and
    `keep_images` (a folder that keeps each downloaded part; empty deletes it once it is filmed) say how and
    where, and are no part of the digest.
    """

    user_agent: str = "Mozilla/5.0 (compatible; animate; robots.txt token: animate)"
    robot: str = "animate"
    respect_opt_outs: bool = True
    allow_private: bool = False
    seconds: float = 20.0
    max_bytes: int = 50_000_000
    retries: int = 1
    threads: int = 32
    keep_images: str = ""

    def __post_init__(self) -> None:
        _at_least("seconds", self.seconds, 0.1)
        _at_least("max_bytes", self.max_bytes, 1)
        _at_least("retries", self.retries, 0)
        _at_least("threads", self.threads, 1)


#: Bytes of memory a pixel that decoding a still takes at most, in the formats that `SourceRecipe` names.
BYTES_A_PIXEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecipe:
    """Which corpus, where it lies, its columns and its limits.

    `path` says where the corpus lies on this machine, `images` where the images are that its lists name
    (empty: beside the list): they are no part of the digest. `columns` names the columns of csv and tsv
    tables that have no line of names. `limit` = 0 means all; `sample` keeps that
    share, chosen by key, so that a larger share holds the smaller one. `split` is a corpus' own ("train",
    "val", "test"). With `clean_captions`, entities are undone, Unicode is normalised (NFC) and control
    characters and runs of white space become one space; the first caption as it was is kept as `caption_raw`.
    With `allow_outside`, tables may name images outside of their own folder. `background` is what transparent
    pixels are laid over, as red, green, blue in 0..255.

    `max_pixels` bounds the memory of a worker, too: decoding takes at most `BYTES_A_PIXEL` for a PNG, a JPEG,
    a GIF, a BMP or a TIFF of 8-bit samples. The decoders of some formats take more: for a progressive JPEG
    without subsampled colour 9 bytes, for AVIF 10, for WebP 17, for JPEG 2000 25.
    """

    name: str = "demo"
    path: str = ""
    images: str = ""
    split: str = ""
    columns: tuple[str, ...] = ()
    image_column: str = ""
    caption_column: str = ""
    key_column: str = ""
    url_column: str = ""
    limit: int = 0
    sample: float = 1.0
    clean_captions: bool = True
    allow_outside: bool = False
    min_side: int = 64
    max_pixels: int = 100_000_000
    max_aspect: float = 4.0
    background: tuple[int, int, int] = (255, 255, 255)
    filters: FilterRecipe = field(default_factory=FilterRecipe)
    fetch: FetchRecipe = field(default_factory=FetchRecipe)

    def __post_init__(self) -> None:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns = {list(self.columns)}: each name must stand there once")
        _at_least("limit", self.limit, 0)
        _at_least("min_side", self.min_side, 1)
        _at_least("max_pixels", self.max_pixels, 1)
        _at_least("max_aspect", self.max_aspect, 1.0)
        if not 0 < self.sample <= 1:
            raise ValueError(f"sample = {self.sample}: must be above 0 and at most 1")
        if not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"background = {list(self.background)}: each value must be in 0..255")

    def anywhere(self) -> "SourceRecipe":
        """The recipe without what says where and how fast, which decides no clip."""
        fetch = dataclasses.replace(self.fetch, threads=FetchRecipe().threads, keep_images="")
        return dataclasses.replace(self, path="", images="", fetch=fetch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotKind:
    """One line of a shot list: a shot with these `components`, whose parameters are drawn from these ranges.

    A line is chosen with a chance in proportion to its `weight`. Its `shutter_degrees` replace those of the
    recipe.
    """

    name: str
    weight: float = 1.0
    shutter_degrees: float | None = None
    components: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        _at_least("weight", self.weight, 0.0)
        _check_shutter(self.shutter_degrees)
        if not self.components:
            raise ValueError(f"shot {self.name!r}: components: must name at least one")
        for name, given in self.components.items():
            if name not in COMPONENTS:
                raise ValueError(
                    f"shot {self.name!r}: unknown component {name!r}{strict_toml.nearest(name, COMPONENTS)}; "
                    f"known ones: {', '.join(COMPONENTS)}"
                )
            try:
                check(COMPONENTS[name], given)
            except ValueError as error:
                raise ValueError(f"shot {self.name!r}: components.{name}: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditRecipe:
    """How shots become a clip.

    The number of shots is drawn from the range `shots`; a clip that is too short for as many has fewer. Each
    of `transitions` has the same chance, so one that is repeated is drawn more often. A dissolve or fade
    lasts between the two `transition_seconds`. `stills` above 1 makes montages: a clip then shows that many
    neighbouring stills of the corpus, with one shot each, and their captions are joined in the same order.
    """

    shots: tuple[int, int] = (1, 1)
    transitions: tuple[Literal["cut", "dissolve", "fade"], ...] = ("cut",)
    transition_seconds: tuple[float, float] = (0.3, 0.6)
    stills: int = 1

    def __post_init__(self) -> None:
        low, high = self.shots
        if not 1 <= low <= high <= 64:
            raise ValueError(f"shots = {list(self.shots)}: must be [low, high] in 1..64")
        if not self.transitions:
            raise ValueError("transitions: must name at least one of cut, dissolve, fade")
        if not 0 < self.transition_seconds[0] <= self.transition_seconds[1]:
            raise ValueError(
                f"transition_seconds = {list(self.transition_seconds)}: must be [low, high], above 0"
            )
        if not 1 <= self.stills <= 16:
            raise ValueError(f"stills = {self.stills}: must be in 1..16")
        if self.stills > 1 and self.shots != (1, 1):
            raise ValueError("shots: a montage (stills > 1) has one shot a still; leave shots at [1, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRecipe:
    """What the camera may do: a shot list, how it is edited, and bounds that every drawn shot keeps.

    `preset` names a shot list of recipes/shots; keys that the recipe gives itself replace those of the list.
    Areas are shares of the widest view that the frame's shape can have of the still: no frame shows less than
    `min_view_area`, no shot less than `min_union_area` in all. `max_speed` is in per cent of the frame's
    width a second, up and down too, `max_magnification` in frame pixels a source pixel, in its longest
    direction. `shutter_degrees` above 0 blurs motion: each frame averages what the camera sees in that share
    (of 360) of the frame's time, in linear light, at one moment or more for every 1.5 pixels of its way.
    """

    preset: str = "default"
    min_view_area: float = 0.2
    min_union_area: float = 0.6
    max_speed: float = 600.0
    max_magnification: float = 4.0
    shutter_degrees: float = 0.0
    edit: EditRecipe = field(default_factory=EditRecipe)
    shots: tuple[ShotKind, ...] = ()

    def __post_init__(self) -> None:
        for name in ("min_view_area", "min_union_area"):
            # 1 itself could only be met by a camera that never moves.
            if not 0.0 <= getattr(self, name) <= 0.99:
                raise ValueError(f"{name} = {getattr(self, name)}: must be in 0..0.99")
        if not self.max_speed > 0:
            raise ValueError(f"max_speed = {self.max_speed}: must be above 0")
        if not self.max_magnification > 0:
            raise ValueError(f"max_magnification = {self.max_magnification}: must be above 0")
        _check_shutter(self.shutter_degrees)
        if not sum(kind.weight for kind in self.shots) > 0:
            raise ValueError("shots: must list at least one shot with a weight above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecipe:
    """The frames of a clip and how they are stored.

    `size` is the side of square frames or [width, height], in pixels, even. `fps` may be a fraction, as
    "30000/1001"; the usual short forms of such rates (29.97, 23.976, 59.94) stand for them. `crf` and
    `preset` are x264's, `jpeg_quality` libjpeg's (1..100).
    """

    size: int | tuple[int, int] = 224
    num_frames: int = 12
    fps: int | float = 4
    format: Format = "mp4"
    crf: int = 23
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    jpeg_quality: int = 90
    quality: Literal["default", "best"] = "default"

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not 16 <= side <= 8192 or side % 2:
                raise ValueError(f"size = {self.size}: sides must be even and in 16..8192")
        if not 1 <= self.num_frames <= 100_000:
            raise ValueError(f"num_frames = {self.num_frames}: must be in 1..100000")
        if not 1 <= self.fps <= 240:
            raise ValueError(f"fps = {self.fps}: must be in 1..240")
        object.__setattr__(self, "fps", _exact_rate(self.fps))
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
    def whole_fps(self) -> bool:
        return isinstance(self.fps, int)

    @property
    def duration_seconds(self) -> float:
        return self.num_frames / self.fps


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionsRecipe:
    """Whether clips have a sentence about their camera, and where it stands.

    `camera` = "beside": the JSON and the parquet have it as `camera_caption`, beside the still's captions.
    "appended": it follows the first caption in `caption` and in the txt, too, for programs that read these
    alone; `captions` stay those of the still. "none": `camera_caption` is empty. The camera itself is drawn
    the same with each.
    """

    camera: Literal["none", "beside", "appended"] = "beside"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardsRecipe:
    """How clips are grouped into shards."""

    clips_per_shard: int = 1000

    def __post_init__(self) -> None:
        _at_least("clips_per_shard", self.clips_per_shard, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsRecipe:
    """What filming one sample (one montage group) may take, once it has ended a worker.

    Workers on Ray that are at one for `seconds` are ended. They are no part of the digest.
    """

    seconds: float = 600.0
    memory_mb: int = 8000

    def __post_init__(self) -> None:
        _at_least("seconds", self.seconds, 1)
        _at_least("memory_mb", self.memory_mb, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecipe:
    """A whole build: corpus, camera, frames, captions, shards, limits."""

    name: str = "default"
    seed: int = 0
    takes: int = 1
    source: SourceRecipe = field(default_factory=SourceRecipe)
    shot: ShotRecipe = field(default_factory=lambda: read_preset("default"))
    video: VideoRecipe = field(default_factory=VideoRecipe)
    captions: CaptionsRecipe = field(default_factory=CaptionsRecipe)
    shards: ShardsRecipe = field(default_factory=ShardsRecipe)
    limits: LimitsRecipe = field(default_factory=LimitsRecipe)

    def __post_init__(self) -> None:
        _at_least("takes", self.takes, 1)
        if self.video.format == "virtual" and self.shot.edit.stills > 1:
            raise ValueError(
                "video.format = 'virtual' keeps one still a clip, but shot.edit.stills = "
                f"{self.shot.edit.stills} films several: choose mp4 or frames"
            )

    def content(self) -> dict[str, Any]:
        """The plain table of all that decides the clips: the recipe without where the corpus lies."""
        return strict_toml.to_table(self._anywhere())

    def digest(self) -> str:
        """32 hex digits that change when, and only when, a content knob does."""
        return strict_toml.digest(self._anywhere())

    def _anywhere(self) -> "BuildRecipe":
        return dataclasses.replace(self, source=self.source.anywhere(), limits=LimitsRecipe())


def read_recipe(path: str | Path | None, overrides: Sequence[str] = ()) -> BuildRecipe:
    """The recipe in a TOML file (None: all defaults) with `"a.b=value"` overrides, or `RecipeError`."""
    table = strict_toml.read_toml(path) if path is not None else {}
    table = strict_toml.apply_overrides(table, overrides)
    shot = table.get("shot", {})
    if isinstance(shot, Mapping):
        preset = shot.get("preset", "default")
        listed = _preset_table(preset, "shot.preset")
        edit = shot.get("edit", {})
        if isinstance(edit, Mapping):
            edit = {**listed.get("edit", {}), **edit}
        table["shot"] = {**listed, **shot, "preset": preset, "edit": edit}
    with strict_toml.named_in(path):
        return strict_toml.from_table(BuildRecipe, table)


def names_source(path: str | Path | None, overrides: Sequence[str] = ()) -> bool:
    """Whether a recipe says which corpus it films, and does not leave it to the default, the demo."""
    table = strict_toml.read_toml(path) if path is not None else {}
    source = strict_toml.apply_overrides(table, overrides).get("source", {})
    return isinstance(source, Mapping) and "name" in source


def kept_of_preset(shot: ShotRecipe) -> dict[str, Any]:
    """What a recipe with a shot list of its own has from its preset, by dotted key; empty without a list.

    Left out is what every preset has by default.
    """
    preset, plain = read_preset(shot.preset), ShotRecipe(shots=shot.shots)
    if shot.shots == preset.shots:
        return {}
    tables = {"": (shot, preset, plain), "edit.": (shot.edit, preset.edit, plain.edit)}
    kept = {}
    for where, (own, listed, default) in tables.items():
        for key in dataclasses.fields(own):
            value = getattr(listed, key.name)
            ours = where + key.name in ("preset", "shots", "edit")
            if not ours and value != getattr(default, key.name) and value == getattr(own, key.name):
                kept[where + key.name] = value
    return kept


def read_preset(name: str) -> ShotRecipe:
    """The shot list of recipes/shots with this name; `RecipeError` lists the known ones."""
    table = {"edit": {}, **_preset_table(name, "preset"), "preset": name}
    return strict_toml.from_table(ShotRecipe, table, f"recipes/shots/{name}.toml")


def preset_names() -> list[str]:
    """Names of the shot lists that come with the package."""
    return sorted(file.stem for file in _shot_lists().glob("*.toml"))


def _preset_table(name: Any, where: str) -> dict[str, Any]:
    if name not in preset_names():
        raise RecipeError(f"{where} = {name!r}: must be one of {', '.join(preset_names())}")
    return tomllib.loads((_shot_lists() / f"{name}.toml").read_text(encoding="utf-8"))


def _shot_lists() -> Path:
    return recipes() / "shots"


def _check_shutter(degrees: float | None) -> None:
    if degrees is not None and not 0 <= degrees <= 360:
        raise ValueError(f"shutter_degrees = {degrees}: must be in 0..360")


def _exact_rate(fps: int | float) -> int | float:
    """Frames a second as what is meant: an integer where whole, and N * 1000/1001 by its short form."""
    if round(fps) == fps:
        return round(fps)
    television = round(fps * 1.001) * 1000 / 1001
    return television if abs(fps - television) < 5e-4 else fps


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        raise ValueError(f"{name} = {value}: must be at least {least}")
