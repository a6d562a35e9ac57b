"""The samples of a WebDataset tar: which members make one, read from headers alone or from a stream."""

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

#: A sample's members by what they give, best first.
IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp")
TEXT_MEMBERS = ("txt", "caption")
JSON_MEMBERS = ("json",)

Place = tuple[int, int]


@dataclass(slots=True)
class Members:
    """What a tar holds of one sample: offset and size, or the bytes, of each member by its suffix."""

    key: str
    places: dict[str, Place] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def first(self, suffixes: Iterable[str]) -> str | None:
        """The first of `suffixes` that the sample has."""
        return next((suffix for suffix in suffixes if suffix in self.places or suffix in self.contents), None)


class BrokenTar(ValueError):
    """The tar ends or turns to rubbish; every sample before that was given."""


def scan(path: str) -> Iterator[Members]:
    """The samples of a local tar with where their members lie, reading headers only.

    Raises `BrokenTar` after the last sample that is whole.
    """
    size = os.path.getsize(path)
    yield from _samples(_places(path, size))


def stream(file: IO[bytes]) -> Iterator[Members]:
    """The samples of a tar read from front to back (also packed), with the bytes of their members."""
    yield from _samples(_contents(file))


def _samples(members: Iterable[tuple[str, Place | bytes]]) -> Iterator[Members]:
    """Neighbouring members with the same name up to the first dot after the last slash are one sample."""
    sample, broken = Members(""), None
    try:
        for name, content in members:
            folder, slash, file = name.rpartition("/")
            stem, _, suffix = file.partition(".")
            key, suffix = f"{folder}{slash}{stem}", suffix.lower()
            if suffix not in _KNOWN or not stem:
                continue
            if key != sample.key or suffix in sample.places or suffix in sample.contents:
                if sample.key:
                    yield sample
                sample = Members(key)
            if isinstance(content, bytes):
                sample.contents[suffix] = content
            else:
                sample.places[suffix] = content
    except BrokenTar as error:
        broken = error
    if sample.key:
        yield sample
    if broken is not None:
        raise broken


_KNOWN = frozenset((*IMAGE_MEMBERS, *TEXT_MEMBERS, *JSON_MEMBERS))


def _places(path: str, size: int) -> Iterator[tuple[str, Place]]:
    with _opened(path, None) as tar:
        for member in _headers(tar):
            if member.offset_data + member.size > size:
                raise BrokenTar(f"ends within {member.name!r}")
            if member.isreg():
                yield _name(member), (member.offset_data, member.size)


def _contents(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with _opened(None, file) as tar:
        for member in _headers(tar):
            if not member.isreg():
                continue
            taken = tar.extractfile(member)
            try:
                content = taken.read() if taken is not None else b""
            except (tarfile.TarError, OSError, EOFError) as error:
                raise BrokenTar(f"ends within {member.name!r}: {error}") from None
            if len(content) < member.size:
                raise BrokenTar(f"ends within {member.name!r}")
            yield _name(member), content


class _StrictInfo(tarfile.TarInfo):
    """A header that says when it cannot be read, where tarfile itself would take it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"no readable header at byte {tarfile_.offset}: {error}") from None
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            raise tarfile.ReadError("no end mark") from None


def _opened(path: str | None, file: IO[bytes] | None) -> tarfile.TarFile:
    try:
        return (
            tarfile.open(path, "r:", tarinfo=_StrictInfo)
            if path is not None
            else tarfile.open(fileobj=file, mode="r|*", tarinfo=_StrictInfo)
        )
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BrokenTar(f"not a tar: {error}") from None


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise BrokenTar(f"breaks off: {error}") from None
        if member is None:
            return
        yield member
        # Else tarfile keeps every header that it has seen.
        tar.members.clear()  # type: ignore[attr-defined]


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./")
