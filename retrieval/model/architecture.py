"""From a recipe's [model] table to an open_clip architecture and the weights that belong in it."""

import difflib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip

from animate.strict_toml import RecipeError, differences
from retrieval.model.weights import recorded_activation
from retrieval.recipe import Activation, ModelSpec

LOCAL_DIR = "local-dir:"

# The names that open_clip's own exporter gives, best first.
WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "model.pt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """All that builds the encoders again without the files they came from; stored in every checkpoint.

    config: an open_clip model config; its `quick_gelu` is always written out.
    tokenizer: the open_clip name or local-dir whose tokenizer is meant; "" reads it off the config.
    """

    config: dict[str, Any]
    tokenizer: str
    image_mean: tuple[float, ...]
    image_std: tuple[float, ...]

    @property
    def activation(self) -> Activation:
        """The activation inside the transformer blocks."""
        return "quick_gelu" if self.config["quick_gelu"] else "gelu"

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images that the encoder takes, pixels."""
        size = self.config["vision_cfg"].get("image_size", 224)
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def context_length(self) -> int:
        """Tokens of every text, padding included."""
        return self.config["text_cfg"].get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one way of naming a model gives: its config, and the weights file, if any."""

    config: dict[str, Any]
    tokenizer: str
    preprocess: Mapping[str, Any]
    weights: Path | None
    # None where neither the config nor the file says.
    activation: Activation | None


def resolve(spec: ModelSpec) -> tuple[Architecture, Path | None]:
    """The architecture of a recipe and the file of its weights (None: random, or from `start_from`).

    `RecipeError` for an unknown name, missing weights that were not declared random, and an activation
    that is unknown or contradicts itself.
    """
    source = _source(spec)
    if source.weights is None and not (spec.random_weights or spec.start_from):
        raise RecipeError(
            "weights = '': no weights named and none found; name a pretrained tag or a file, or say "
            "random_weights = true"
        )
    config = source.config
    _check_config(config)
    config["quick_gelu"] = _activation(spec, source) == "quick_gelu"
    config.setdefault("vision_cfg", {})
    # The weights come from the file or are meant to be random: never fetch timm's or a hub's own.
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    preprocess = source.preprocess
    architecture = Architecture(
        config=config,
        tokenizer=source.tokenizer,
        image_mean=tuple(preprocess.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        image_std=tuple(preprocess.get("std") or open_clip.OPENAI_DATASET_STD),
    )
    return architecture, source.weights


def check_same(stored: Architecture, wanted: Architecture, where: str) -> None:
    """Refuse to go on from a checkpoint whose encoders differ; the message lists what differs."""
    if stored.activation != wanted.activation:
        raise RecipeError(
            f"activation = {wanted.activation!r}: {where} was trained with {stored.activation!r}, and its "
            "weights mean something else with another"
        )
    changed = differences(stored.config, wanted.config)
    if changed:
        raise RecipeError(f"start_from = {where!r}: has other encoders: {'; '.join(changed)}")


def _source(spec: ModelSpec) -> Source:
    if spec.config:
        return _from_config(deepcopy(spec.config), spec)
    if spec.name.startswith(LOCAL_DIR):
        return _from_local_dir(spec)
    if spec.name.endswith(".json"):
        return _from_config(_read_config(Path(spec.name)).get("config", {}), spec)
    return _from_registry(spec)


def _from_config(config: dict[str, Any], spec: ModelSpec) -> Source:
    weights = _weights_file(spec.weights)
    return Source(
        config=config,
        tokenizer="",
        preprocess={},
        weights=weights,
        activation=_agreed(config, weights, trust_silence=False),
    )


def _from_local_dir(spec: ModelSpec) -> Source:
    folder = Path(spec.name.removeprefix(LOCAL_DIR))
    if spec.weights:
        raise RecipeError(f"weights = {spec.weights!r}: a local-dir brings its own; leave it out")
    read = _read_config(folder / "open_clip_config.json")
    found = [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]
    weights = found[0] if found and not spec.random_weights else None
    return Source(
        config=read["config"],
        tokenizer=spec.name,
        preprocess=read["preprocess"],
        weights=weights,
        # The config was written beside its weights, so what it leaves out is open_clip's default.
        activation=_agreed(read["config"], weights, trust_silence=True),
    )


def _from_registry(spec: ModelSpec) -> Source:
    # open_clip itself answers an unknown name with a default tokenizer and a mere warning.
    config = open_clip.get_model_config(spec.name) if ":" not in spec.name else None
    if config is None:
        close = difflib.get_close_matches(spec.name, open_clip.list_models(), n=5, cutoff=0.4)
        raise RecipeError(
            f"name = {spec.name!r}: must be a model of open_clip {open_clip.__version__} "
            f"(close: {', '.join(close) or 'none'}), {LOCAL_DIR}FOLDER, or the path of a config .json"
        )
    tag = open_clip.get_pretrained_cfg(spec.name, spec.weights) if spec.weights else {}
    if not tag:
        weights = _weights_file(spec.weights, tags=open_clip.list_pretrained_tags_by_model(spec.name))
        activation = _agreed(config, weights, trust_silence=False)
        return Source(
            config=config, tokenizer=spec.name, preprocess={}, weights=weights, activation=activation
        )
    return Source(
        config=config,
        tokenizer=spec.name,
        preprocess=tag,
        weights=_download(spec, tag),
        activation="quick_gelu" if tag.get("quick_gelu") else "gelu",
    )


def _download(spec: ModelSpec, tag: Mapping[str, Any]) -> Path:
    try:
        return Path(open_clip.download_pretrained(dict(tag)))
    except (OSError, RuntimeError) as error:
        raise RecipeError(
            f"weights = {spec.weights!r}: could not be fetched ({error}); "
            "without a network give the path of a file"
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    """`{"config": ..., "preprocess": ...}` of an open_clip config file, exported or bare."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"name: {str(path)!r} does not exist") from None
    except json.JSONDecodeError as error:
        raise RecipeError(f"name: {str(path)!r} is not JSON: {error}") from None
    return {"config": read.get("model_cfg", read), "preprocess": read.get("preprocess_cfg", {})}


def _weights_file(weights: str, tags: list[str] | None = None) -> Path | None:
    if not weights:
        return None
    path = Path(weights)
    if not path.is_file():
        known = f" nor a tag of this model ({', '.join(tags) or 'it has none'})" if tags is not None else ""
        raise RecipeError(f"weights = {weights!r}: is not a file{known}")
    return path


def _agreed(config: Mapping[str, Any], weights: Path | None, *, trust_silence: bool) -> Activation | None:
    """What config and weights file say of the activation; they must not contradict each other."""
    said: Activation | None = None
    if "quick_gelu" in config or trust_silence:
        said = "quick_gelu" if config.get("quick_gelu") else "gelu"
    recorded = recorded_activation(weights) if weights else None
    if said and recorded and said != recorded:
        raise RecipeError(
            f"weights = {str(weights)!r}: trained with {recorded!r}, but the model config says {said!r}"
        )
    return recorded or said


def _activation(spec: ModelSpec, source: Source) -> Activation:
    if source.activation and spec.activation not in ("auto", source.activation):
        raise RecipeError(
            f"activation = {spec.activation!r}: the weights and config were made with {source.activation!r}"
        )
    if source.activation:
        return source.activation
    if spec.activation != "auto":
        return spec.activation
    if source.weights is None:
        return "gelu"
    raise RecipeError(
        f"activation = 'auto': {str(source.weights)!r} does not record its activation, and the wrong one "
        "costs accuracy in silence; write activation = 'quick_gelu' (all of OpenAI's weights, and some that "
        "started from them) or 'gelu'"
    )


def _check_config(config: Mapping[str, Any]) -> None:
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in config]
    if missing:
        raise RecipeError(f"config: not an open_clip model config, {', '.join(missing)} is missing")
    if "multimodal_cfg" in config:
        raise RecipeError("config: CoCa's caption decoder has no place here; name a CLIP model")
    if config["text_cfg"].get("hf_model_name"):
        raise RecipeError(
            "config: text towers of the transformers library give no intermediates in open_clip, so no "
            "tokens for the fine stage; name a model with open_clip's own text tower"
        )
    if config["vision_cfg"].get("patch_dropout"):
        raise RecipeError("config: vision_cfg.patch_dropout must be 0, every frame keeps its tokens")
