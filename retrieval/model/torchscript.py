"""The tensors of a TorchScript archive, without running the code that it carries.

`torch.jit.load` runs the archive's own code, so a weights file from a stranger could do anything. The tensors
lie
beside the code: `data.pkl` describes the module tree, `data/0, data/1, …` hold the storages. The pickle is
read with
a list of what it may name: modules become plain attribute holders, and nothing else can be called.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: TorchScript names storages by these classes.
_DTYPES = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class NotTorchScript(ValueError):
    """An archive whose pickle names something that no module tree of tensors needs, or that is damaged."""


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, as the original CLIP release is, and not a plain pickle."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def code_of(path: Path) -> bytes:
    """The archive's source text; it is only ever looked at."""
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".py"))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the module tree by its dotted name: what `torch.jit.load(path).state_dict()` gives."""
    with zipfile.ZipFile(path) as archive:
        described = [
            name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")
        ]
        if len(described) != 1:
            raise NotTorchScript("holds no data.pkl")
        try:
            root = _Reader(archive, described[0].removesuffix(".pkl")).load()
        except (pickle.UnpicklingError, zipfile.BadZipFile, KeyError, EOFError, TypeError) as error:
            raise NotTorchScript(f"cannot be read: {error}") from None
    return dict(_tensors(root, ""))


class _Module:
    """One module of the tree: its attributes, and no behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, storages: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{storages}.pkl")))
        self._archive, self._storages = archive, storages

    def find_class(self, module_name: str, global_name: str) -> Any:
        if module_name.startswith("__torch__"):
            return _Module
        if module_name == "torch._utils" and global_name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _view if global_name == "_rebuild_tensor_v2" else _first
        if module_name == "torch" and global_name in _DTYPES:
            return _DTYPES[global_name]
        if module_name == "torch.jit._pickle":  # typed lists, and a tag that restores a list's type
            return _first
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise NotTorchScript(f"names {module_name}.{global_name}, which no module of tensors needs")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage":
            raise NotTorchScript(f"refers to {kind!r}, which is no storage")
        if not count:
            return torch.empty(0, dtype=dtype)
        content = self._archive.read(f"{self._storages}/{key}")
        if len(content) != count * dtype.itemsize:
            raise NotTorchScript(f"storage {key} has {len(content)} bytes for {count} numbers of {dtype}")
        return torch.frombuffer(bytearray(content), dtype=dtype)


def _view(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _first(value: Any, *_: Any) -> Any:
    return value


def _tensors(module: _Module, prefix: str) -> list[tuple[str, Tensor]]:
    found: list[tuple[str, Tensor]] = []
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            found.append((f"{prefix}{name}", value))
        elif isinstance(value, _Module):
            found += _tensors(value, f"{prefix}{name}.")
    return found
