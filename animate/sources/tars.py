"""The samples of a WebDataset tar: which members make one, read from headers alone or from a stream."""

import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Generic, NamedTuple, TypeVar

from animate.data import TAR

#: Suffixes of tars that can be read from the middle.
PLAIN_TARS = (TAR,)
#: Suffixes of compressed tars, which are read from front to back.
PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TAR_SUFFIXES = PLAIN_TARS + PACKED_TARS

#: Suffixes of the member that is a sample's image, best first.
IMAGE_MEMBERS = ("jpg", "jpeg", "png", "webp")
#: Suffixes of the member that is a caption and nothing else.
TEXT_MEMBERS = ("txt", "caption")
#: Suffixes of the member with an object of captions and whatever else the sample carries.
JSON_MEMBERS = ("json",)
_KNOWN_MEMBERS = frozenset((*IMAGE_MEMBERS, *TEXT_MEMBERS, *JSON_MEMBERS))


class Extent(NamedTuple):
    """The bytes `offset` to `offset + size` of a file."""

    offset: int
    size: int


#: A member of a tar: where it lies, or its bytes.
Member = TypeVar("Member", Extent, bytes)


@dataclass(frozen=True, slots=True)
class TarSample(Generic[Member]):
    """The `members` of one sample by suffix, in lower case; `key` is what their names have in common."""

    key: str
    members: dict[str, Member] = field(default_factory=dict)

    def first(self, suffixes: Iterable[str]) -> Member | None:
        """The member with the first of `suffixes` that the sample has; None if it has none of them."""
        return next((self.members[suffix] for suffix in suffixes if suffix in self.members), None)


class BrokenTar(ValueError):
    """The tar ends too early or cannot be read any further; every sample before that was given."""


def tar_stem(path: str) -> str:
    """The path of a tar without its suffix."""
    return path[: -len(next(suffix for suffix in TAR_SUFFIXES if path.lower().endswith(suffix)))]


def scan(path: str) -> Iterator[TarSample[Extent]]:
    """The samples of a local plain tar with where their members lie, reading headers only.

    Raises `BrokenTar` after the last sample that is whole.
    """
    yield from _samples(_extents(path, os.path.getsize(path)))


def stream(file: IO[bytes]) -> Iterator[TarSample[bytes]]:
    """The samples of a tar, plain or packed, read from front to back, with the bytes of their members.

    Raises `BrokenTar` after the last sample that is whole.
    """
    yield from _samples(_contents(file))


def read_extent(file: IO[bytes], extent: Extent) -> bytes:
    """The bytes of `file` in `extent`."""
    file.seek(extent.offset)
    return file.read(extent.size)


def _samples(members: Iterable[tuple[str, Member]]) -> Iterator[TarSample[Member]]:
    """Neighbouring members are one sample while their names are the same up to the first dot of the file.

    A suffix that comes again begins another sample; other suffixes than those above are passed over.

        a.jpg a.txt  b.jpg  a.jpg  a.jpg  d.1/c.x.jpg d.1/c.jpg d.1/c.txt
        \\_________/  \\___/  \\___/  \\___/  (suffix x.jpg) \\_________________/
             a         b      a      a                         d.1/c

    The second and third `a` are samples like any other here; their repeated key is refused later.
    """
    sample: TarSample[Member] = TarSample("")
    broken = None
    try:
        for name, member in members:
            folder, slash, file = name.rpartition("/")
            stem, _, suffix = file.partition(".")
            key, suffix = f"{folder}{slash}{stem}", suffix.lower()
            if suffix not in _KNOWN_MEMBERS or not stem:
                continue
            if key != sample.key or suffix in sample.members:
                if sample.key:
                    yield sample
                sample = TarSample(key)
            sample.members[suffix] = member
    except BrokenTar as error:
        broken = error
    if sample.key:
        yield sample
    if broken is not None:
        raise broken


def _extents(path: str, size: int) -> Iterator[tuple[str, Extent]]:
    with _opened(path, None) as tar:
        for member in _headers(tar):
            if member.offset_data + member.size > size:
                raise BrokenTar(f"ends within {member.name!r}")
            if member.isreg():
                yield _member_name(member), Extent(member.offset_data, member.size)


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
            yield _member_name(member), content


class _StrictInfo(tarfile.TarInfo):
    """A header that raises where tarfile itself would take one that it cannot read for the end of the tar."""

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
        # tarfile would keep every header that it has seen, and memory would grow with the tar.
        tar.members.clear()  # type: ignore[attr-defined]


def _member_name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./")
