"""The members of a tar that can belong to a sample: where they lie in a local tar, or their bytes."""

import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Generic, Literal, NamedTuple, TypeVar

from animate.codec import image_format
from animate.sources.image_files import FIRST_BYTES, IMAGE_SUFFIXES, TEXT_SUFFIXES, may_be_image
from animate.sources.unpacking import open_unpacked

#: What a member is for a sample.
MemberKind = Literal["image", "text", "json"]

#: Suffix of the member with an object of captions and whatever else the sample carries.
JSON_SUFFIX = ".json"
#: What a member is that is none of tarfile's regular files.
_SPECIAL = {tarfile.FIFOTYPE: "a fifo", tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device"}


_KNOWN = {suffix: suffix for suffix in (*IMAGE_SUFFIXES, *TEXT_SUFFIXES, JSON_SUFFIX)}


class Extent(NamedTuple):
    """The bytes `offset` to `offset + size` of a file."""

    offset: int
    size: int


class Unread(NamedTuple):
    """A member without bytes of its own: `what` it is, in words, and of a link the name that it links to."""

    what: str
    target: str = ""


#: A member of a tar: where it lies, or its bytes.
Content = TypeVar("Content", Extent, bytes)


class Member(NamedTuple, Generic[Content]):
    """A member that can belong to a sample; `suffix` is its `known_suffix`."""

    name: str
    kind: MemberKind
    suffix: str
    content: Content | Unread

    @property
    def stem(self) -> str:
        """The name without its known suffix."""
        return self.name[: len(self.name) - len(self.suffix)]


class BrokenTar(ValueError):
    """The tar ends too early or cannot be read any further; all before that was given."""


def located_members(path: str) -> Iterator[Member[Extent]]:
    """The members of a local plain tar; headers are read, and the first bytes where a name tells nothing."""
    try:
        size = os.path.getsize(path)
    except OSError as error:
        raise BrokenTar(f"cannot be read: {error.strerror}") from None
    with _opened(path, "r:", None) as tar, open(path, "rb", buffering=0) as file:
        known = _Kinds()
        for header in _headers(tar):
            if header.isreg() and header.offset_data + header.size > size:
                raise BrokenTar(f"ends within {header.name!r}")
            extent = Extent(header.offset_data, header.size)

            def head(extent: Extent = extent) -> bytes:
                return read_extent(file, extent._replace(size=min(extent.size, FIRST_BYTES)))

            kind = known.of(header, head)
            if kind is not None:
                yield _member(header, kind, extent)


def streamed_members(file: IO[bytes]) -> Iterator[Member[bytes]]:
    """The members of a tar, plain or packed, read from front to back."""
    with _opened(None, "r|", _unpack(file)) as tar:
        known = _Kinds()
        for header in _headers(tar):
            content = b""
            if header.isreg():
                taken = tar.extractfile(header)
                try:
                    content = taken.read() if taken is not None else b""
                except (tarfile.TarError, OSError, EOFError) as error:
                    raise BrokenTar(f"ends within {header.name!r}: {error}") from None
                if len(content) < header.size:
                    raise BrokenTar(f"ends within {header.name!r}")
            kind = known.of(header, lambda content=content: content[:FIRST_BYTES])
            if kind is not None:
                yield _member(header, kind, content)


def read_extent(file: IO[bytes], extent: Extent) -> bytes:
    """The bytes of `file` in `extent`."""
    file.seek(extent.offset)
    return file.read(extent.size)


def known_suffix(name: str) -> str:
    """The suffix of a name that tells what the member is, in lower case and with its dot; else empty."""
    suffix = posixpath.splitext(name)[1].lower()
    # The one string for all members, of which a listing keeps many.
    return _KNOWN.get(suffix, "")


class _Kinds:
    """What members are: by their suffix, else by their first bytes; of links, also by what they link to."""

    def __init__(self) -> None:
        self._images_by_bytes: set[str] = set()

    def of(self, header: tarfile.TarInfo, head: Callable[[], bytes]) -> MemberKind | None:
        """The kind of a member, None for what can belong to no sample; `head` gives its first bytes."""
        name = _plain(header.name)
        if header.isdir() or posixpath.basename(name).startswith("."):
            return None
        kind = _named_kind(name)
        if header.isreg():
            if kind is None and may_be_image(name) and image_format(head()) is not None:
                self._images_by_bytes.add(name)
                return "image"
            return kind
        if kind is None and (header.islnk() or header.issym()):
            target = _target(header)
            return "image" if target in self._images_by_bytes else _named_kind(target)
        return kind


def _named_kind(name: str) -> MemberKind | None:
    suffix = known_suffix(name)
    if not suffix:
        return None
    return "image" if suffix in IMAGE_SUFFIXES else "text" if suffix in TEXT_SUFFIXES else "json"


def _member(header: tarfile.TarInfo, kind: MemberKind, content: Content) -> Member[Content]:
    name = _plain(header.name)
    if header.isreg():
        return Member(name, kind, known_suffix(name), content)
    if header.islnk() or header.issym():
        return Member(
            name, kind, known_suffix(name), Unread(f"a link to {header.linkname!r}", _target(header))
        )
    return Member(name, kind, known_suffix(name), Unread(_SPECIAL.get(header.type, "no file")))


def _target(link: tarfile.TarInfo) -> str:
    """The name of the member that a link stands for: of a hard link it is given whole."""
    if link.islnk():
        return _plain(link.linkname)
    return posixpath.normpath(posixpath.join(posixpath.dirname(_plain(link.name)), link.linkname))


def _plain(name: str) -> str:
    return name.removeprefix("./")


class _Tar(tarfile.TarFile):
    """A tar that is read on behind its end mark: `cat a.tar b.tar` has one in its middle.

    `ended` is true from the first block of zeros until a header comes.
    """

    ended = False


class _Header(tarfile.TarInfo):
    """A header that raises where tarfile itself would take one that it cannot read for the end of the tar."""

    @classmethod
    def fromtarfile(cls, tarfile: Any) -> tarfile.TarInfo:
        return _read_header(cls, tarfile)


def _read_header(cls: Any, tar: Any) -> tarfile.TarInfo:
    """The next header. tarfile catches the errors of its own: it passes over an EOF and ends at an Empty."""
    errors: Any = tarfile
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if not block.strip(b"\0"):
        if len(block) == tarfile.BLOCKSIZE:
            tar.ended = True
            raise errors.EOFHeaderError("a block of zeros")
        if not tar.ended:
            raise tarfile.ReadError("no end mark")
        raise errors.EmptyHeaderError("the end of the file")
    tar.ended = False
    try:
        header = cls.frombuf(block, tar.encoding, tar.errors)
        header.offset = tar.fileobj.tell() - tarfile.BLOCKSIZE
        return header._proc_member(tar)
    except (errors.InvalidHeaderError, errors.TruncatedHeaderError) as error:
        raise tarfile.ReadError(f"no readable header at byte {tar.offset}: {error}") from None


def _opened(path: str | None, mode: Any, file: Any) -> tarfile.TarFile:
    try:
        return _Tar.open(path, mode, file, tarinfo=_Header, ignore_zeros=True)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BrokenTar(f"not a tar: {error}") from None


def _unpack(file: IO[bytes]) -> Any:
    try:
        return open_unpacked(file)
    except OSError as error:
        raise BrokenTar(f"cannot be read: {error}") from None


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            header = tar.next()
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise BrokenTar(f"breaks off: {error}") from None
        if header is None:
            return
        yield header
        # tarfile would keep every header that it has seen, and memory would grow with the tar.
        tar.members.clear()  # type: ignore[attr-defined]
