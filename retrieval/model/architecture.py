"""From a recipe's [model] table to an open_clip architecture and the weights that belong in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import open_clip

from animate.strict_toml import RecipeError, differences
from retrieval.model.origins import Origin, origin_of
from retrieval.model.weights import Weights
from retrieval.recipe import Activation, ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """All that builds the encoders again without the files they came from; stored in every checkpoint.

    `config` is an open_clip model config, its `quick_gelu` always written out. `tokenizer` is the open_clip
    name or local-dir whose tokenizer is meant; "" reads it off the config.
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


def resolve(spec: ModelSpec) -> tuple[Architecture, Weights | None]:
    """The architecture of a recipe and its weights (None: random, or from `start_from`).

    `RecipeError` for an unknown name, missing weights that were not declared random, and an activation
    that is unknown or contradicts itself.
    """
    origin = origin_of(spec)
    if origin.weights is None and not (spec.random_weights or spec.start_from):
        raise RecipeError(
            "weights = '': no weights named and none found; name a pretrained tag or a file, or say "
            "random_weights = true"
        )
    config = origin.config
    _check_config(config)
    config["quick_gelu"] = _activation(spec, origin) == "quick_gelu"
    config.setdefault("vision_cfg", {})
    # The weights come from the file or are meant to be random: never fetch timm's or a hub's own.
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    preprocess = origin.preprocess
    architecture = Architecture(
        config=config,
        tokenizer=origin.tokenizer,
        image_mean=tuple(preprocess.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        image_std=tuple(preprocess.get("std") or open_clip.OPENAI_DATASET_STD),
    )
    return architecture, origin.weights


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


def _activation(spec: ModelSpec, origin: Origin) -> Activation:
    if origin.activation and spec.activation not in ("auto", origin.activation):
        raise RecipeError(
            f"activation = {spec.activation!r}: the weights and config were made with {origin.activation!r}"
        )
    if origin.activation:
        return origin.activation
    if spec.activation != "auto":
        return spec.activation
    if origin.weights is None:
        return "gelu"
    raise RecipeError(
        f"activation = 'auto': {str(origin.weights.path)!r} does not record its activation, and the "
        "wrong one costs accuracy in silence; write activation = 'quick_gelu' (all of OpenAI's weights, and "
        "some that started from them) or 'gelu'"
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
