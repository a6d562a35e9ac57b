"""TrainRecipe: everything that decides what a training run does, as nested frozen dataclasses.

Each class is one table of the TOML file and each field one key; a key not named here is an error.
Where a run happens (folder, workers, device) is a command-line setting and no part of the recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from animate.beside import recipes
from animate.strict_toml import RecipeError, apply_overrides, from_table, named_in, read_toml

Activation = Literal["auto", "gelu", "quick_gelu"]
Head = Literal["none", "mean", "eot", "tokens", "cross"]
Precision = Literal["fp32", "bf16", "fp16"]
SelectOn = Literal["none", "validation", "test"]
#: The parts of a data set that a model can be judged by.
PartName = Literal["validation", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)
#: How names of models begin that are no names of open_clip's own list, and the file that describes such a
#: model.
LOCAL_DIR, HF_HUB, OPEN_CLIP_CONFIG = "local-dir:", "hf-hub:", "open_clip_config.json"


def _at_least(name: str, value: int | float, least: int | float) -> None:
    if value < least:
        raise ValueError(f"{name} = {value}: must be at least {least}")


def _positive(name: str, value: int | float) -> None:
    if not value > 0:
        raise ValueError(f"{name} = {value}: must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Which dual encoder, from where, and how frame vectors become one video vector.

    `name` is a registered open_clip name, "hf-hub:ORG/NAME", or a path: of a weights file whose shapes tell
    its architecture, of an open_clip config JSON, or of a folder of config and weights (also
    "local-dir:FOLDER"). In its place `config` is the architecture itself: the table of an open_clip config
    (embed_dim, vision_cfg, text_cfg).

    `weights` is "" (a folder, a hub's name and a weights file bring their own), a pretrained tag of `name`,
    or the path of a .pt or .safetensors file. Without weights the encoders start from noise, which has to be
    said: `random_weights`. `start_from` is a run or checkpoint folder to start from, the whole model;
    `weights` are then not read. Files seldom say which `activation` trained them; "auto" refuses where it
    cannot be known.

    Captions are cut to `token_limit` tokens, start and end included; 0 is the encoder's context length.
    `pooling` makes one vector of the frames' (`pooling_layers` and `pooling_heads` are the transformer's).
    `temperature` is that of the softmax at the start, of weights that bring none (CLIP's own files do).
    """

    name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    weights: str = ""
    random_weights: bool = False
    start_from: str = ""
    activation: Activation = "auto"
    token_limit: int = 0
    pooling: Literal["mean", "transformer"] = "mean"
    pooling_layers: int = 2
    pooling_heads: int = 8
    temperature: float = 0.07

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.config):
            raise ValueError("name: give either name or the table config, and not both")
        if self.random_weights and self.weights:
            raise ValueError(f"random_weights = true: cannot be meant beside weights = {self.weights!r}")
        _at_least("token_limit", self.token_limit, 0)
        _at_least("pooling_layers", self.pooling_layers, 1)
        _at_least("pooling_heads", self.pooling_heads, 1)
        _positive("temperature", self.temperature)


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionSpec:
    """The fine stage; `retrieval.model.Interaction` says what each `head` is, `none` is no fine stage.

    `layers` are those of cross-attention (heads `tokens` and `cross`), `frame_layers` those of self-attention
    among the frame tokens before it (`tokens`); `width` and `heads` are inside these layers. `patch_grid`
    adds to each frame's token a patch_grid x patch_grid average of its patches; 0 gives frame tokens only.
    `max_frames` is the most frames of a video that have a place in time.
    """

    head: Head = "tokens"
    layers: int = 2
    frame_layers: int = 1
    width: int = 256
    heads: int = 4
    patch_grid: int = 0
    max_frames: int = 64

    def __post_init__(self) -> None:
        for name in ("layers", "frame_layers", "width", "heads", "max_frames"):
            _at_least(name, getattr(self, name), 1)
        _at_least("patch_grid", self.patch_grid, 0)
        if self.width % self.heads:
            raise ValueError(f"width = {self.width}: must be a multiple of heads = {self.heads}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """Where captioned clips come from; `name` is a key of `retrieval.datasets.DATASETS`.

    Benchmarks: `annotations` is the folder of official annotation files, `videos` the folder of videos (files
    or frame folders), `split` for MSR-VTT "9k", "7k" or "full"; benchmarks with one protocol leave it empty.

    `shards`: tars or folders of them, braces expanded, to train on (`shards`), to select by (`validation`),
    and to be judged by (`held_out`, the test part). With `new_takes`, virtual shards are filmed anew each
    epoch instead of replaying the recorded take.

    `table`: csv, tsv or jsonl files with a video path and captions in each row, for the same three parts
    (`table`, `validation_table`, `held_out_table`).

    An epoch goes once through the videos (one caption drawn each) or once through all captions: `epoch_of`.
    Of shards by `animate build`, `caption_of` says what is trained on: the still's "caption", what the
    "camera" does in the clip, or "both", which take turns from epoch to epoch. What the camera does tells
    takes of one still apart, so clips with the same `camera` label alone are then no negatives of it, and
    `takes_together` places up to so many takes of a still in one batch, the hardest negatives there are.
    Where both are trained on, camera sentences are `camera_for` the "fine" stage alone: neither the coarse
    stage, whose one vector a clip hardly tells moves apart, nor the encoders learn from them, for plain
    captions paid for that. With "all" everything does, which is of use where `model.pooling` sees order.
    Validation and test are always looked for by their own captions.
    `cache` is a folder for decoded frames (of samplers that draw nothing: in training, train_position =
    "middle") and for features (in training, those of frozen towers, under the same condition and without
    `new_takes`), kept by content, sampler and model; "" keeps none.
    """

    name: str = "shards"
    annotations: str = ""
    videos: str = ""
    split: str = ""
    shards: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    new_takes: bool = False
    table: str = ""
    validation_table: str = ""
    held_out_table: str = ""
    epoch_of: Literal["videos", "captions"] = "videos"
    caption_of: Literal["caption", "camera", "both"] = "caption"
    camera_for: Literal["fine", "all"] = "fine"
    takes_together: int = 1
    cache: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name = '': must name a data set")
        _at_least("takes_together", self.takes_together, 1)


#: What a [data] table that says nothing means.
PLAIN_DATA = DataSpec()


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesSpec:
    """Which frames of a video are seen, and at what size.

    `train_position` is where in its segment a frame is taken while training, drawn or in the middle;
    evaluation takes the middle one. `size` is the side in pixels: the shorter side is resized, then the
    centre cropped. `decoder`: PyAV reads a file's times and frames in one opening; "auto" is torchcodec where
    it can be loaded. `folder_fps` are the frames a second that folders of frames were taken at.
    """

    sampler: Literal["uniform_segments", "one_fps_then_uniform"] = "uniform_segments"
    train_position: Literal["middle", "random"] = "random"
    num_frames: int = 12
    size: int = 224
    decoder: Literal["auto", "pyav", "torchcodec"] = "pyav"
    folder_fps: int = 1

    def __post_init__(self) -> None:
        _at_least("num_frames", self.num_frames, 1)
        _at_least("folder_fps", self.folder_fps, 1)
        _at_least("size", self.size, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSpec:
    """Weights of the losses beside the coarse stage's own; every head shares the negatives.

    `late_weight` is that of the contrastive loss of late-interaction scores over all pairs of the batch,
    `match_weight` that of sampled softmax, of joint and fused scores, over each pair and its drawn negatives.
    So many `negatives` are drawn for each text (videos) and each video (texts), by the contrastive scores one
    half, evenly the other. With `distill_weight` the coarse stage learns to agree with the fused scores of
    the drawn pairs; 0 does not.
    """

    late_weight: float = 1.0
    match_weight: float = 1.0
    negatives: int = 4
    distill_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("late_weight", "match_weight", "distill_weight"):
            _at_least(name, getattr(self, name), 0.0)
        _at_least("negatives", self.negatives, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """The loop: how much is seen, in what portions, at which rates.

    `batch_size` are the clips in one contrastive batch, over all workers; negatives come from the whole of
    it. `micro_batch` are the clips held with their graph at once on one worker, 0 for all of its share: it
    changes memory, not results. The gradients of `accumulate` batches are averaged into one step.

    `learning_rate` is that of all but the encoders and the weight of the coarse score in the fused one: the
    latter, a single number, has far to go in few steps (`prior_learning_rate`). `clip_norm` is the gradient
    norm above which a step is scaled down; 0 never. `freeze` are shell patterns of parameter names that stay
    as they are, such as "towers.*". `ema_decay` is that of the exponential moving average of the weights that
    checkpoints then hold; 0 keeps none.

    `checkpoint_every` so many steps a checkpoint is written inside an epoch, too; 0 writes one at each
    epoch's end only. `keep` of them stay on disk, besides the selected one. `loader_threads` decode ahead of
    the loop on each worker.
    """

    epochs: int = 5
    batch_size: int = 128
    micro_batch: int = 0
    accumulate: int = 1
    precision: Precision = "fp32"
    learning_rate: float = 1e-4
    encoder_learning_rate: float = 1e-6
    prior_learning_rate: float = 1e-2
    weight_decay: float = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = 100
    clip_norm: float = 1.0
    freeze: tuple[str, ...] = ()
    ema_decay: float = 0.0
    checkpoint_every: int = 0
    keep: int = 2
    log_every: int = 10
    log_to: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    loader_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "keep", "log_every", "loader_threads"):
            _at_least(name, getattr(self, name), 1)
        _at_least("batch_size", self.batch_size, 2)
        for name in ("micro_batch", "warmup_steps", "checkpoint_every"):
            _at_least(name, getattr(self, name), 0)
        for name in (
            "learning_rate",
            "encoder_learning_rate",
            "prior_learning_rate",
            "weight_decay",
            "clip_norm",
        ):
            _at_least(name, getattr(self, name), 0.0)
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay = {self.ema_decay}: must be at least 0 and below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSpec:
    """Evaluation while training, and what chooses the checkpoint.

    `select_on` = "validation" never looks at test; "test" does, and every result of the run then says so.
    `top_k` are the candidates of each query that the fine stage re-ranks.
    """

    select_on: SelectOn = "validation"
    metric: Literal["t2v_R@1", "v2t_R@1", "mean_R@1"] = "mean_R@1"
    every_epochs: int = 1
    top_k: int = 50
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name in ("every_epochs", "top_k", "batch_size"):
            _at_least(name, getattr(self, name), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """One run of `retrieval train`."""

    name: str = "run"
    seed: int = 0
    model: ModelSpec
    interaction: InteractionSpec = InteractionSpec()
    data: DataSpec
    frames: FramesSpec = FramesSpec()
    loss: LossSpec = LossSpec()
    train: TrainSpec = TrainSpec()
    eval: EvalSpec = EvalSpec()

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed = {self.seed}: must be between 0 and 2**63 - 1")
        if self.interaction.max_frames < self.frames.num_frames:
            raise ValueError(
                f"interaction.max_frames = {self.interaction.max_frames}: must be at least "
                f"frames.num_frames = {self.frames.num_frames}"
            )
        told = self.data.caption_of == "both" and self.data.camera_for == "fine"
        if told and self.interaction.head == "none":
            raise ValueError(
                'interaction.head = "none" with data.caption_of = "both": nothing would learn from camera '
                'sentences; take a head that sees order, such as "tokens", or data.camera_for = "all"'
            )


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> TrainRecipe:
    """The recipe in a TOML file, each `"table.key=value"` of `overrides` set; else `RecipeError`.

    In place of a path the name of a recipe that comes with the package will do, such as "demo".
    """
    found = find_recipe(path)
    with named_in(found):
        return recipe_from_table(apply_overrides(read_toml(found), overrides))


def find_recipe(path: str | Path) -> Path:
    """The file at that path; where there is none, the recipe of that name that comes with the package."""
    path = Path(path)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    known = named_recipes()
    if path.name not in known:
        raise RecipeError(f"recipe {str(path)!r}: no such file, nor one of {', '.join(sorted(known))}")
    return known[path.name]


def named_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    return {file.stem: file for file in recipes().glob("*.toml")}


def recipe_from_table(table: dict[str, Any]) -> TrainRecipe:
    """The recipe of a plain table, as read from TOML or from a checkpoint's JSON."""
    for needed in ("model", "data"):
        if needed not in table:
            raise RecipeError(f"recipe: the table [{needed}] is missing")
    return from_table(TrainRecipe, table)
