"""Where a shard set lies, a local folder or an fsspec URL, and what its files are called."""

import contextlib
import errno
import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from fsspec.implementations.local import LocalFileSystem

from animate.data import OURS
from animate.data import PLAN as PLAN
from animate.errors import UserError
from animate.stores import PatientFile, UnknownStore, exists_already, open_store, required, shown

T = TypeVar("T")

#: Written last of all.
MANIFEST = f"{OURS}/manifest.json"
#: The number of clips, as open_clip reads it.
LENGTH = "__len__"
#: What the set is, for people: the data card.
CARD = f"{OURS}/card.md"
#: What only a finished set has, in the order in which it goes when a set is finished no more.
ONLY_FINISHED = (MANIFEST, LENGTH, CARD)
#: Attempts in flight: of each a folder or, in an object store, an object; empty after a build.
ATTEMPTS = "_tmp"
#: Who builds there, where that is no folder of this machine.
LEASE = f"{OURS}/lease.json"


class BuildRefused(UserError):
    """A build that may not start where it was told to; the message says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a shard set, which need not exist yet.

    Requests to an object store are made as `animate.stores.required` has it, and raise what that does.
    """

    filesystem: Any
    root: str

    @classmethod
    def at(cls, out: str | Path) -> "Place":
        """The place that a path or URL names; `BuildRefused` if it is a file or its protocol is unknown."""
        try:
            filesystem, root = open_store(str(out))
        except UnknownStore as error:
            raise BuildRefused(f"{shown(str(out))!r}: {error}") from None
        place = cls(filesystem, root.rstrip("/"))
        if place._kind() == "file":
            raise BuildRefused(f"{shown(str(out))!r}: is a file; a shard set is a folder")
        return place

    @property
    def local(self) -> Path | None:
        """The folder as a path; None if it is not on this machine."""
        return Path(self.root) if isinstance(self.filesystem, LocalFileSystem) else None

    def names(self, folder: str = "") -> set[str]:
        """Names of the files and folders in `folder`; none if it does not exist."""
        path = self._path(folder)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = self._ask(folder, lambda: self.filesystem.ls(path, detail=False))
            # An empty folder of S3's kind is an object in itself.
            return {name.rstrip("/").rpartition("/")[2] for name in found if name.rstrip("/") != path}
        return set()

    def has(self, name: str) -> bool:
        """Whether there is a file `name`: of a folder of many files asked much faster than `names`."""
        return self._kind(name) == "file"

    @property
    def location(self) -> str:
        """What to give `Place.at` on another machine."""
        return self.root if self.local is not None else self.filesystem.unstrip_protocol(self.root)

    def shown(self, name: str) -> str:
        """Where file `name` lies, for messages: without credentials."""
        return shown(self.filesystem.unstrip_protocol(self._path(name)))

    def open(self, name: str) -> BinaryIO:
        """File `name`, to read."""
        file = self._ask(name, lambda: self.filesystem.open(self._path(name), "rb"))
        if self.local is not None:
            return file
        return cast(BinaryIO, PatientFile(file, functools.partial(self._ask, name)))

    def read_json(self, name: str) -> Any | None:
        """The content of a JSON file; None if there is no such file."""
        text = self.read_text(name)
        return None if text is None else json.loads(text)

    def read_many(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The content of files by name, of those that are there; requests for them are under way together."""
        found = {}
        if self.local is None and names:
            found = self.filesystem.cat([self._path(name) for name in names], on_error="return")
        for name in names:
            content = found.get(self._path(name))
            if not isinstance(content, bytes):  # not asked for yet, or not answered: with patience
                try:
                    content = self._ask(name, lambda name=name: self.filesystem.cat_file(self._path(name)))
                except FileNotFoundError:
                    continue
            yield name, content

    def read_text(self, name: str) -> str | None:
        """The content of a file of text; None if there is no such file. `ValueError` if it is no text."""
        try:
            return self._ask(name, lambda: self.filesystem.cat_file(self._path(name))).decode()
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """`name` holds `content`; a crash leaves the old file or the new one, never a piece."""
        self.write_text(name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """`name` holds `text`, all or nothing."""
        if self.local is None:  # object stores show a file when it is whole
            self._ask(name, lambda: self.filesystem.pipe_file(self._path(name), text.encode()))
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

    def create(self, name: str, text: str) -> bool:
        """`name` holds `text`, if there was no file of that name: two that try at once do not both succeed.

        Raises `NotImplementedError` where the storage has no request for that.
        """
        pipe = getattr(self.filesystem, "_pipe_file", self.filesystem.pipe_file)
        if "mode" not in inspect.signature(pipe).parameters:
            raise NotImplementedError
        try:
            self._ask(name, lambda: self.filesystem.pipe_file(self._path(name), text.encode(), mode="create"))
        except OSError as error:
            if exists_already(error):
                return False
            if error.errno == errno.ENOSYS:
                raise NotImplementedError from None
            raise
        return True

    def put(self, source: Path, name: str) -> None:
        """`name` holds what the local file `source` does, all or nothing; on this machine it is moved."""
        if self.local is None:
            self._ask(name, lambda: self.filesystem.put_file(str(source), self._path(name)))
        else:
            os.replace(source, self.local / name)

    def sync(self) -> None:
        """What was put here outlasts a loss of power; object stores promise that for each file."""
        if self.local is not None:
            sync(self.local)

    def upload(self, folder: Path, name: str) -> None:
        """The files directly in the local `folder` lie in folder `name` too."""
        for path in sorted(folder.iterdir()):
            target = f"{name}/{path.name}"
            self._ask(target, functools.partial(self.filesystem.put_file, str(path), self._path(target)))

    def download(self, name: str, target: Path) -> None:
        """File `name` lies at the local path `target` too."""
        self._ask(name, lambda: self.filesystem.get_file(self._path(name), str(target)))

    def modified(self, name: str) -> float | None:
        """When file `name` was last written, in seconds since 1970; None where the storage does not tell."""
        try:
            return self._ask(name, lambda: self.filesystem.modified(self._path(name))).timestamp()
        except (OSError, NotImplementedError, AttributeError, KeyError):
            return None

    def remove(self, name: str) -> None:
        """There is no file or folder `name` any more."""
        with contextlib.suppress(FileNotFoundError):
            self._ask(name, lambda: self.filesystem.rm(self._path(name), recursive=True))

    def _kind(self, name: str = "") -> str:
        """What there is: "file", "directory", or "" for nothing yet. `isfile` takes any failure for a no."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return self._ask(name, lambda: self.filesystem.info(self._path(name)))["type"]
        return ""

    def _ask(self, name: str, request: Callable[[], T]) -> T:
        """What `request` gives, about file `name`."""
        if self.local is not None:
            return request()
        self.filesystem.invalidate_cache()  # of what it remembers: others write there, too
        return required(self.shown(name), request)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root


def sync(path: Path) -> None:
    """What was written to this file, or put in this folder, outlasts a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
