"""Weight files of encoders: what they are, which activation they record, and putting them into a model."""

import zipfile
from pathlib import Path

import open_clip
import torch
from open_clip.model import convert_to_custom_text_state_dict
from safetensors import safe_open
from torch import Tensor, nn

from animate.strict_toml import RecipeError
from retrieval.recipe import Activation

# Buffers that TorchScript archives of CLIP keep beside the weights: settings, and a mask that is made anew.
ARCHIVE_BUFFERS = ("input_resolution", "context_length", "vocab_size", "attn_mask")


def is_torchscript(path: Path) -> bool:
    """Whether a `.pt` file is a TorchScript archive, as the original CLIP release is, and not a pickle."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def recorded_activation(path: Path) -> Activation | None:
    """The activation that a weights file records, or None where it records none.

    A TorchScript archive carries its code, which says; a safetensors file may say in its metadata.
    """
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            recorded = (file.metadata() or {}).get("activation")
        if recorded not in (None, "gelu", "quick_gelu"):
            raise RecipeError(f"{path}: records the activation {recorded!r}; known are gelu and quick_gelu")
        return recorded
    if is_torchscript(path):
        with zipfile.ZipFile(path) as archive:
            code = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".py"))
        # The archive's code keeps the names of the classes that were traced.
        if b"QuickGELU" in code:
            return "quick_gelu"
        return "gelu" if b"GELU" in code else None
    return None


def load_encoder_weights(clip: nn.Module, path: Path) -> None:
    """Put the weights of a `.pt`, TorchScript or `.safetensors` file into an open_clip model, strictly."""
    try:
        if is_torchscript(path):
            clip.load_state_dict(_torchscript_state(clip, path), strict=True)
        else:
            open_clip.load_checkpoint(clip, str(path), strict=True)  # pyright: ignore[reportArgumentType]
    except RuntimeError as error:
        raise RecipeError(f"weights = {str(path)!r}: do not fit the model: {error}") from error


def _torchscript_state(clip: nn.Module, path: Path) -> dict[str, Tensor]:
    state = torch.jit.load(path, map_location="cpu").state_dict()
    state = {name: value.float() for name, value in state.items() if name not in ARCHIVE_BUFFERS}
    if not hasattr(clip, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    if "logit_scale" in state:
        state["logit_scale"] = state["logit_scale"].reshape(clip.get_parameter("logit_scale").shape)
    return state
