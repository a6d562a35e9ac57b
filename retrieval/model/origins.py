"""The ways of naming a model, each to its config, its weights and what is known of them."""

import difflib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip

from animate.strict_toml import RecipeError
from retrieval.model import huggingface
from retrieval.model.fetch import fetch_repository, fetch_tag
from retrieval.model.shapes import config_of_shapes
from retrieval.model.weights import Weights, read_weights
from retrieval.recipe import HF_HUB, LOCAL_DIR, OPEN_CLIP_CONFIG, Activation, ModelSpec

#: The names that exporters give their weights, best first.
WEIGHT_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "model.pt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What one way of naming a model gives: its config, and its weights, if any.

    `tokenizer` is the open_clip name or local-dir whose tokenizer is meant; "" reads it off the config.
    `activation` is None where neither the config nor the file says.
    """

    config: dict[str, Any]
    tokenizer: str
    preprocess: Mapping[str, Any]
    weights: Weights | None
    activation: Activation | None


def origin_of(spec: ModelSpec) -> Origin:
    """What a [model] table names; `RecipeError` for what is not there, unknown, or contradicts itself."""
    if spec.config:
        return _from_config(deepcopy(spec.config), spec)
    if spec.name.startswith(HF_HUB):
        repo = spec.name.removeprefix(HF_HUB)
        return _from_folder(
            fetch_repository(repo, (OPEN_CLIP_CONFIG, huggingface.CONFIG), WEIGHT_FILES), spec
        )
    path = Path(spec.name.removeprefix(LOCAL_DIR))
    if spec.name.startswith(LOCAL_DIR):
        return _from_folder(path, spec)
    if spec.name not in open_clip.list_models():
        if path.is_dir():
            return _from_folder(path, spec)
        if path.suffix == ".json":
            return _from_config(_read_config(path)["config"], spec)
        if path.is_file():
            return _from_file(path, spec)
    return _from_registry(spec)


def _from_config(config: dict[str, Any], spec: ModelSpec) -> Origin:
    return _plain(config, _weights(spec.weights))


def _from_file(path: Path, spec: ModelSpec) -> Origin:
    """A weights file alone: the architecture is read off its shapes."""
    if spec.weights:
        raise RecipeError(f"weights = {spec.weights!r}: name = {spec.name!r} is a file of weights already")
    weights = read_weights(path)
    if huggingface.is_theirs(weights.state):
        raise RecipeError(
            f"name = {spec.name!r}: has the names of transformers, whose settings stand in the config.json "
            "beside it; name the folder of both"
        )
    return _plain(config_of_shapes(weights.state, path), weights)


def _plain(config: dict[str, Any], weights: Weights | None) -> Origin:
    """A config and weights that come with no settings of their own."""
    return Origin(
        config=config,
        tokenizer="",
        preprocess={},
        weights=weights,
        activation=_agreed(config, weights, trust_silence=False),
    )


def _from_folder(folder: Path, spec: ModelSpec) -> Origin:
    """A folder with a config beside its weights: open_clip's, or a CLIP of transformers."""
    if spec.weights:
        raise RecipeError(f"weights = {spec.weights!r}: {spec.name} brings its own; leave it out")
    theirs = not (folder / OPEN_CLIP_CONFIG).is_file() and (folder / huggingface.CONFIG).is_file()
    read = _read_transformers(folder) if theirs else _read_config(folder / OPEN_CLIP_CONFIG)
    found = [folder / name for name in WEIGHT_FILES if (folder / name).is_file()]
    weights = read_weights(found[0]) if found and not spec.random_weights else None
    if weights is None and theirs and (folder / huggingface.INDEX).is_file():
        raise RecipeError(f"name = {spec.name!r}: weights in several files are not read; store them as one")
    if weights is not None and huggingface.is_theirs(weights.state):
        weights = Weights(
            path=weights.path,
            state=huggingface.by_open_clip_names(weights.state),
            activation=weights.activation,
        )
    text = read["config"].get("text_cfg", {})
    return Origin(
        config=read["config"],
        # Only a tokenizer of their own needs the folder again.
        tokenizer=f"{LOCAL_DIR}{folder}" if {"hf_tokenizer_name", "tokenizer_kwargs"} & set(text) else "",
        preprocess=read["preprocess"],
        weights=weights,
        # The config was written beside its weights, so what it leaves out is open_clip's default.
        activation=_agreed(read["config"], weights, trust_silence=True),
    )


def _from_registry(spec: ModelSpec) -> Origin:
    # open_clip itself answers an unknown name with a default tokenizer and a mere warning.
    config = open_clip.get_model_config(spec.name) if ":" not in spec.name else None
    if config is None:
        close = difflib.get_close_matches(spec.name, open_clip.list_models(), n=5, cutoff=0.4)
        raise RecipeError(
            f"name = {spec.name!r}: must be a model of open_clip {open_clip.__version__} "
            f"(close: {', '.join(close) or 'none'}), {LOCAL_DIR}FOLDER, {HF_HUB}ORG/NAME, or the path of a "
            "weights file, of a config .json or of a folder with both"
        )
    known = open_clip.get_pretrained_cfg(spec.name, spec.weights) if spec.weights else {}
    if not known:
        weights = _weights(spec.weights, tags=open_clip.list_pretrained_tags_by_model(spec.name))
        activation = _agreed(config, weights, trust_silence=False)
        return Origin(
            config=config, tokenizer=spec.name, preprocess={}, weights=weights, activation=activation
        )
    return Origin(
        config=config,
        tokenizer=spec.name,
        preprocess=known,
        weights=read_weights(fetch_tag(spec.name, spec.weights, known)),
        activation="quick_gelu" if known.get("quick_gelu") else "gelu",
    )


def _read_config(path: Path) -> dict[str, Any]:
    """`{"config": ..., "preprocess": ...}` of an open_clip config file, exported or bare."""
    read = _read_json(path)
    return {"config": read.get("model_cfg", read), "preprocess": read.get("preprocess_cfg", {})}


def _read_transformers(folder: Path) -> dict[str, Any]:
    path = folder / huggingface.CONFIG
    read = _read_json(path)
    if not huggingface.is_clip_config(read):
        raise RecipeError(
            f"{path}: is the config of {read.get('model_type', 'something else')!r}, not of a CLIP"
        )
    return {
        "config": huggingface.open_clip_config(read, path),
        "preprocess": huggingface.preprocess_of(folder),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"name: {str(path)!r} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"name: {str(path)!r} is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise RecipeError(f"name: {str(path)!r} holds no table")
    return read


def _weights(weights: str, tags: list[str] | None = None) -> Weights | None:
    if not weights:
        return None
    path = Path(weights)
    if not path.is_file():
        known = f" nor a tag of this model ({', '.join(tags) or 'it has none'})" if tags is not None else ""
        raise RecipeError(f"weights = {weights!r}: is not a file{known}")
    return read_weights(path)


def _agreed(config: Mapping[str, Any], weights: Weights | None, *, trust_silence: bool) -> Activation | None:
    """What config and weights file say of the activation; they must not contradict each other."""
    said: Activation | None = None
    if "quick_gelu" in config or trust_silence:
        said = "quick_gelu" if config.get("quick_gelu") else "gelu"
    recorded = weights.activation if weights else None
    if weights and said and recorded and said != recorded:
        raise RecipeError(
            f"weights = {str(weights.path)!r}: trained with {recorded!r}, but the model config says {said!r}"
        )
    return recorded or said
