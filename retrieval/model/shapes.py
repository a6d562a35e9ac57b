"""Which architecture a file of weights is of, read off the shapes of its tensors."""

import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import open_clip
from torch import Tensor

from animate.strict_toml import RecipeError

#: All of OpenAI's models, and most since, have heads of this width. It leaves no trace in any shape.
HEAD_WIDTH = 64


def config_of_shapes(state: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    """The open_clip config whose model has these tensors: a registered one, else built as OpenAI builds.

    `RecipeError` for what is no CLIP of OpenAI's layout: a ViT or a ResNet, and a text transformer beside it.
    """
    try:
        found = _measured(state)
    except (KeyError, IndexError):
        raise RecipeError(
            f"{str(path)!r}: its tensors do not tell the architecture; name it too: model.name = an "
            f"open_clip name, model.weights = {str(path)!r}"
        ) from None
    for name in sorted(open_clip.list_models(), key=len):
        config = open_clip.get_model_config(name)
        if config is not None and _same(config, found):
            known = deepcopy(config)
            known.pop("quick_gelu", None)  # the shapes do not say
            return known
    return found


def _measured(state: Mapping[str, Tensor]) -> dict[str, Any]:
    text_width = state["ln_final.weight"].shape[0]
    if "visual.conv1.weight" in state and "visual.proj" in state:
        patch = state["visual.conv1.weight"].shape[-1]
        vision: dict[str, Any] = {
            "image_size": patch * math.isqrt(state["visual.positional_embedding"].shape[0] - 1),
            "layers": _count(state, "visual.transformer.resblocks."),
            "width": state["visual.conv1.weight"].shape[0],
            "patch_size": patch,
            "head_width": HEAD_WIDTH,
        }
    else:
        grid = math.isqrt(state["visual.attnpool.positional_embedding"].shape[0] - 1)
        vision = {
            "image_size": 32 * grid,
            "layers": [_count(state, f"visual.layer{i}.") for i in (1, 2, 3, 4)],
            "width": state["visual.layer1.0.conv1.weight"].shape[0],
            "patch_size": None,
        }
    return {
        "embed_dim": state["text_projection"].shape[1],
        "vision_cfg": vision,
        "text_cfg": {
            "context_length": state["positional_embedding"].shape[0],
            "vocab_size": state["token_embedding.weight"].shape[0],
            "width": text_width,
            "heads": max(1, text_width // HEAD_WIDTH),
            "layers": _count(state, "transformer.resblocks."),
        },
    }


def _same(config: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether a registered config and a measured one agree in all that shapes tell, and in their layout."""
    if set(config) - {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"}:
        return False  # another layout: a text tower of its own, a caption decoder, …
    vision, text = config["vision_cfg"], config["text_cfg"]
    plain = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
    if set(vision) - plain or set(text) - set(found["text_cfg"]):
        return False
    return (
        config["embed_dim"] == found["embed_dim"]
        and all(
            text.get(key) == found["text_cfg"][key]
            for key in ("context_length", "vocab_size", "width", "layers")
        )
        and all(
            vision.get(key) == found["vision_cfg"][key]
            for key in ("image_size", "layers", "width", "patch_size")
        )
    )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Numbered modules under a prefix."""
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})
