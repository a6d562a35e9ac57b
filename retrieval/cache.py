"""Arrays kept on disk under a key of what they were made from; a damaged entry is as good as none."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

#: Part of every key: raise it when the same key would now have to give other numbers.
CACHE_FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A folder of entries; several processes may use it at once."""

    folder: Path

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays stored under `key`, or None where there are none, or none that are whole."""
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        checksum, body = content[:16], content[16:]
        if checksum != _checksum(body):
            return None
        try:
            return load(body)
        except SafetensorError:
            return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store `arrays` under `key`: whole or not at all, and never half seen by another process."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_checksum(body) + body)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def key_of(**parts: str | int) -> str:
    """The key of everything that decides a value: content, sampler, size, decoder, model hash."""
    canonical = json.dumps({"format": CACHE_FORMAT, **parts}, sort_keys=True)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def content_hash(source: Path | bytes) -> str:
    """Of a file's bytes, or of the names and bytes of all files in a folder; the place is no part of it."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(source, bytes):
        digest.update(source)
    elif source.is_dir():
        for path in sorted(path for path in source.iterdir() if path.is_file()):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            _add_file(digest, path)
    else:
        _add_file(digest, source)
    return digest.hexdigest()


def _add_file(digest: "hashlib.blake2b", path: Path) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
