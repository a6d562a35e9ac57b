"""Weight files of encoders: what they are, which activation they record, and putting them into a model.

Files come from anywhere, so none is run and none is believed: a pickle may hold tensors only, a TorchScript
archive gives its tensors without its code, and what is no weights file at all is named for what it is.
"""

import logging
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from animate.strict_toml import RecipeError
from retrieval.model.torchscript import NotTorchScript, code_of, is_torchscript, read_tensors
from retrieval.recipe import Activation

log = logging.getLogger(__name__)

#: Buffers that OpenAI's files keep beside the weights: settings, and a mask that is made anew.
SETTINGS = ("input_resolution", "context_length", "vocab_size")
MADE_ANEW = ("attn_mask", "text.attn_mask", "text.transformer.embeddings.position_ids")
#: Under these keys training programs store the weights, beside the optimizer and the like ...
_NESTED = ("state_dict", "model_state_dict", "model")
#: ... and these they put before each name: distributed, compiled, or a CLIP inside a larger model.
_PREFIXES = ("module.", "_orig_mod.", "clip.", "model.")
#: Files of big_vision, which open_clip converts itself.
_BIG_VISION = (".npz", ".npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A weights file, read.

    `state` has the tensors by open_clip's names (none for big_vision's files, which open_clip reads itself).
    `activation` is what the file records, None where it records nothing.
    """

    path: Path
    state: dict[str, Tensor]
    activation: Activation | None


def read_weights(path: Path) -> Weights:
    """The tensors of a `.pt`, TorchScript or `.safetensors` file.

    Prefixes and nesting of training programs are taken off. `RecipeError` says what a file is that is none of
    these; weights that are NaN or infinite are refused.
    """
    if path.suffix in _BIG_VISION:
        return Weights(path=path, state={}, activation=None)
    content, recorded = _read(path)
    state = _without_prefix(_tensors_of(content, path), path)
    if recorded is None and any(name in state for name in SETTINGS):
        recorded = "quick_gelu"  # only OpenAI's own files carry these
    state = {name: value for name, value in state.items() if name not in SETTINGS + MADE_ANEW}
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise RecipeError(f"weights = {str(path)!r}: {name} has values that are NaN or infinite")
    return Weights(path=path, state=state, activation=recorded)


def put_weights(clip: Any, weights: Weights) -> None:
    """Put the weights of a file into an open_clip model, all of them and no others.

    Image positions of another grid are interpolated, and said; texts of another length are refused.
    """
    if weights.path.suffix in _BIG_VISION:
        try:
            open_clip.load_checkpoint(clip, str(weights.path), strict=True)  # numpy refuses pickles in it
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise RecipeError(f"weights = {str(weights.path)!r}: cannot be read: {error}") from None
        return
    state = convert_state_dict(clip, dict(weights.state))
    if "positional_embedding" in state and not hasattr(clip, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for name in ("logit_scale", "logit_bias"):
        if name in state and getattr(clip, name, None) is not None:
            state[name] = state[name].reshape(getattr(clip, name).shape)
    if getattr(clip, "logit_bias", None) is not None and "logit_bias" not in state:
        state["logit_bias"] = torch.zeros_like(clip.logit_bias)
    wanted = clip.state_dict()
    for name in ("positional_embedding", "text.positional_embedding"):
        if name in state and name in wanted and len(state[name]) != len(wanted[name]):
            raise RecipeError(
                f"weights = {str(weights.path)!r}: were trained on texts of {len(state[name])} positions, "
                f"the model config has context_length = {len(wanted[name])}; set text_cfg.context_length to "
                "the former, and token_limit to cut captions"
            )
    grid = "visual.positional_embedding"
    if grid in state and grid in wanted and state[grid].shape[:-1] != wanted[grid].shape[:-1]:
        log.warning(
            "%s: %d image positions are interpolated to the %d of this image size",
            weights.path,
            len(state[grid]) - 1,
            len(wanted[grid]) - 1,
        )
        resize_pos_embed(state, clip)
    _load(clip, state, weights.path)


def _load(clip: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    wanted = clip.state_dict()
    wrong = [f"lacks {name}" for name in wanted if name not in state]
    wrong += [f"has {name}, which the model has not" for name in state if name not in wanted]
    wrong += [
        f"{name} is {tuple(value.shape)}, the model's is {tuple(wanted[name].shape)}"
        for name, value in state.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise RecipeError(f"weights = {str(path)!r}: do not fit the model: {'; '.join(wrong[:3])}{more}")
    clip.load_state_dict({name: value.to(wanted[name].dtype) for name, value in state.items()}, strict=True)


def _recorded(path: Path) -> Activation | None:
    what = _what_else(path)
    if what:
        raise RecipeError(f"weights = {str(path)!r}: {what}")
    if _is_safetensors(path):
        with _opened(path) as file:
            recorded = (file.metadata() or {}).get("activation")
        if recorded not in (None, "gelu", "quick_gelu"):
            raise RecipeError(f"{path}: records the activation {recorded!r}; known are gelu and quick_gelu")
        return recorded
    if is_torchscript(path):
        # The archive's code keeps the names of the classes that were traced.
        code = code_of(path)
        if b"QuickGELU" in code:
            return "quick_gelu"
        return "gelu" if b"GELU" in code else None
    return None


def _read(path: Path) -> tuple[Any, Activation | None]:
    recorded = _recorded(path)
    try:
        if _is_safetensors(path):
            return load_file(path), recorded
        if is_torchscript(path):
            return read_tensors(path), recorded
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Detected pickle protocol"
            )  # it is refused or read, without doubt
            return torch.load(path, map_location="cpu", weights_only=True), recorded
    except NotTorchScript as error:
        raise RecipeError(
            f"weights = {str(path)!r}: a TorchScript archive that {error}; its tensors alone are read, "
            "and its code is never run. If it is yours, store its state_dict as .safetensors"
        ) from None
    except SafetensorError as error:
        raise RecipeError(f"weights = {str(path)!r}: is cut off or damaged ({error})") from None
    except pickle.UnpicklingError as error:
        # torch's own message advises to run whatever the pickle holds.
        named = re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error))
        raise RecipeError(
            f"weights = {str(path)!r}: a pickle that holds "
            + (f"{named[1]} objects" if named else "more than tensors")
            + "; it is not read, because a pickle can run code. If it is yours, store its state_dict with "
            "safetensors.torch.save_file, as .safetensors"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or ["no content"])[0]
        raise RecipeError(f"weights = {str(path)!r}: is cut off or damaged ({reason})") from None


def _what_else(path: Path) -> str:
    """What a file is that cannot hold weights; "" for one that may."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "is empty, 0 bytes"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer and not the file itself; `git lfs pull` gets it"
    if head.lstrip().startswith(b"<"):
        return "is a web page and not the file itself; the download went wrong"
    if _is_safetensors(path):
        try:
            with _opened(path):
                return ""
        except SafetensorError as error:
            return f"is cut off or damaged ({error})"
    if head.startswith(b"PK") and not _ends_as_zip(path):
        return "is cut off: it starts as an archive and does not end as one"
    if head[:1] not in (b"P", b"\x80"):
        return f"is no weights file: it starts with {head[:16]!r}"
    return ""


def _ends_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))
        return b"PK\x05\x06" in file.read()


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:] == b"{" and head[5:8] == bytes(3))


def _opened(path: Path) -> Any:
    return safe_open(path, framework="pt")


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        nested = next((key for key in _NESTED if isinstance(content.get(key), Mapping)), None)
        if nested is None:
            break
        content = content[nested]
    if isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
        held = ", ".join(map(str, list(content)[:5])) or "nothing"
        raise RecipeError(f"weights = {str(path)!r}: holds no tensors by name, but {held}")
    raise RecipeError(f"weights = {str(path)!r}: holds a {type(content).__name__} and no tensors by name")


def _without_prefix(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    while True:
        prefix = next((p for p in _PREFIXES if any(name.startswith(p) for name in state)), None)
        if prefix is None:
            return state
        inside = {
            name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
        }
        if len(inside) < len(state):
            log.warning("%s: %d tensors beside %r are not read", path, len(state) - len(inside), prefix)
        state = inside
