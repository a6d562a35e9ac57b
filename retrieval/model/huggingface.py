"""CLIP models as Hugging Face's `transformers` stores them: its config and names, turned into open_clip's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from animate.strict_toml import RecipeError

CONFIG = "config.json"
PREPROCESS = "preprocessor_config.json"
INDEX = "model.safetensors.index.json"

#: Names in order of replacement; query, key and value are joined afterwards.
_RENAMED = (
    ("text_model.encoder.layers.", "transformer.resblocks."),
    ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
    ("text_model.embeddings.token_embedding.", "token_embedding."),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.patch_embedding.", "visual.conv1."),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),  # their spelling
    ("vision_model.post_layernorm.", "visual.ln_post."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
    (".self_attn.out_proj.", ".attn.out_proj."),
)
_PROJECTIONS = {"text_projection.weight": "text_projection", "visual_projection.weight": "visual.proj"}


def is_clip_config(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` describes a CLIP with both towers."""
    return config.get("model_type") == "clip" and {"vision_config", "text_config"} <= set(config)


def open_clip_config(config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """The open_clip model config of a `config.json`; `RecipeError` for a CLIP that open_clip cannot build."""
    # What a stored config leaves out is the default of transformers' CLIPVisionConfig and CLIPTextConfig.
    vision = {
        "image_size": 224,
        "patch_size": 32,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "quick_gelu",
        **config["vision_config"],
    }
    text = {
        "vocab_size": 49408,
        "max_position_embeddings": 77,
        "hidden_size": 512,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "intermediate_size": 2048,
        "hidden_act": "quick_gelu",
        **config["text_config"],
    }
    acts = {vision["hidden_act"], text["hidden_act"]}
    if len(acts) != 1 or not acts <= {"gelu", "quick_gelu"}:
        raise RecipeError(
            f"{where}: hidden_act is {' and '.join(sorted(acts))}; open_clip builds gelu or quick_gelu"
        )
    if text["vocab_size"] != 49408:
        raise RecipeError(
            f"{where}: vocab_size = {text['vocab_size']}: only CLIP's own tokenizer (49408) is read"
        )
    return {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": acts == {"quick_gelu"},
        "vision_cfg": {
            "image_size": vision["image_size"],
            "layers": vision["num_hidden_layers"],
            "width": vision["hidden_size"],
            "patch_size": vision["patch_size"],
            "head_width": vision["hidden_size"] // vision["num_attention_heads"],
            "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        },
    }


def preprocess_of(folder: Path) -> dict[str, Any]:
    """Mean and deviation of the image's channels by open_clip's names; empty where the folder is silent."""
    path = folder / PREPROCESS
    if not path.is_file():
        return {}
    read = json.loads(path.read_text(encoding="utf-8"))
    named = {"mean": read.get("image_mean"), "std": read.get("image_std")}
    return {key: value for key, value in named.items() if value}


def is_theirs(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors go by transformers' names."""
    return any(name.startswith(("vision_model.", "text_model.")) for name in state)


def by_open_clip_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by open_clip's names."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("position_ids"):
            continue
        if name in _PROJECTIONS:
            renamed[_PROJECTIONS[name]] = value.T.contiguous()
            continue
        for theirs, ours in _RENAMED:
            name = name.replace(theirs, ours)
        renamed[name] = value
    return _joined(renamed)


def _joined(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value of each attention as the one matrix that torch's own attention has."""
    joined: dict[str, Tensor] = {}
    for name, value in state.items():
        head, found, kind = name.partition(".self_attn.q_proj.")
        if found:
            parts = [state[f"{head}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            joined[f"{head}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif ".self_attn." not in name:
            joined[name] = value
    return joined
