"""Where a shard set lies, a local folder or an fsspec URL, and what its files are called."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from animate.errors import UserError

if os.name == "posix":
    import fcntl

#: Our own files, beside the shards.
OURS = "_animate"
PLAN = f"{OURS}/plan.json"
#: Written last of all.
MANIFEST = f"{OURS}/manifest.json"
#: The number of clips, as open_clip reads it.
LENGTH = "__len__"
#: Attempts in flight; empty after a build.
ATTEMPTS = "_tmp"


class BuildRefused(UserError):
    """A build that may not start where it was told to; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a shard set, which need not exist yet."""

    filesystem: Any
    root: str

    @classmethod
    def at(cls, out: str | Path) -> "Place":
        """The place that a path or URL names; `BuildRefused` if it is a file or its protocol is unknown."""
        try:
            filesystem, root = fsspec.core.url_to_fs(str(out))
        except (ImportError, ValueError) as error:  # a protocol that is not installed, or not known
            raise BuildRefused(f"out = {str(out)!r}: {error}") from None
        filesystem.invalidate_cache()
        if filesystem.isfile(root):
            raise BuildRefused(f"out = {str(out)!r}: is a file; name a folder for the shards")
        return cls(filesystem, root.rstrip("/"))

    @property
    def local(self) -> Path | None:
        """The folder as a path; None if it is not on this machine."""
        return Path(self.root) if isinstance(self.filesystem, LocalFileSystem) else None

    def names(self, folder: str = "") -> set[str]:
        """Names of the files and folders in `folder`; none if it does not exist."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = self.filesystem.ls(self._path(folder), detail=False)
            return {path.rstrip("/").rpartition("/")[2] for path in found}
        return set()

    def has(self, name: str) -> bool:
        """Whether there is a file `name`: of a folder of many files asked much faster than `names`."""
        return self.filesystem.isfile(self._path(name))

    @property
    def location(self) -> str:
        """What to give `Place.at` on another machine."""
        return self.root if self.local is not None else self.filesystem.unstrip_protocol(self.root)

    def open(self, name: str) -> BinaryIO:
        """File `name`, to read."""
        return self.filesystem.open(self._path(name), "rb")

    def read_json(self, name: str) -> Any | None:
        """The content of a JSON file; None if there is no such file."""
        text = self.read_text(name)
        return None if text is None else json.loads(text)

    def read_text(self, name: str) -> str | None:
        """The content of a file of text; None if there is no such file. `ValueError` if it is no text."""
        try:
            return self.filesystem.cat_file(self._path(name)).decode()
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """`name` holds `content`; a crash leaves the old file or the new one, never a piece."""
        self.write_text(name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """`name` holds `text`, all or nothing."""
        if self.local is None:  # object stores show a file when it is whole
            self.filesystem.pipe_file(self._path(name), text.encode())
            return
        attempt = self.local / ATTEMPTS / name.replace("/", "-")
        attempt.parent.mkdir(parents=True, exist_ok=True)
        with open(attempt, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(attempt, target)

    def put(self, source: Path, name: str) -> None:
        """`name` holds what the local file `source` does, all or nothing; on this machine it is moved."""
        if self.local is None:
            self.filesystem.put_file(str(source), self._path(name))
        else:
            os.replace(source, self.local / name)

    def sync(self) -> None:
        """What was put here outlasts a loss of power; object stores promise that for each file."""
        if self.local is None:
            return
        descriptor = os.open(self.local, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def upload(self, folder: Path, name: str) -> None:
        """The files directly in the local `folder` lie in folder `name` too."""
        for path in sorted(folder.iterdir()):
            self.filesystem.put_file(str(path), self._path(f"{name}/{path.name}"))

    def download(self, name: str, target: Path) -> None:
        """File `name` lies at the local path `target` too."""
        self.filesystem.get_file(self._path(name), str(target))

    def modified(self, name: str) -> float | None:
        """When file `name` was last written, in seconds since 1970; None where the storage does not tell."""
        try:
            return self.filesystem.modified(self._path(name)).timestamp()
        except (OSError, NotImplementedError, AttributeError, KeyError):
            return None

    def remove(self, name: str) -> None:
        """There is no file or folder `name` any more."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm(self._path(name), recursive=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Inside the block no other build on this machine works here; `BuildRefused` if one does already.

        The lock is the kernel's and ends with the process, so nothing is left to clear up after a crash.
        """
        if self.local is None or os.name != "posix":
            yield
            return
        folder = self.local / OURS
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BuildRefused(f"{self.root}: another build is writing there") from None
            except OSError:  # network file systems without locks: two builds would write equal files
                pass
            yield
        finally:
            os.close(descriptor)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root
