"""The members of a tar that can belong to a sample: where they lie in a local tar, or their bytes."""

import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Generic, Literal, NamedTuple, TypeVar

import numpy as np

from animate.codec import image_format
from animate.sources.image_files import FIRST_BYTES, IMAGE_SUFFIXES, TEXT_SUFFIXES, may_be_image
from animate.sources.regular import MOST_BYTES, check_regular
from animate.sources.unpacking import open_unpacked
from animate.stores import NO_ANSWER

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
    """A member whose bytes are not used: `what` it is, in words, and of a link the name that it links to."""

    what: str
    target: str = ""
    too_large: bool = False


#: A member of a tar: where it lies, or its bytes.
Content = TypeVar("Content", Extent, bytes)


_TOO_LARGE = Unread(f"of more than {MOST_BYTES // 2**20} MiB", too_large=True)


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
    """The tar ends too early, or parts of it cannot be read; all that can be was given before."""


def located_members(path: str) -> Iterator[Member[Extent]]:
    """The members of a local plain tar; headers are read, and the first bytes where a name tells nothing.

    Behind a header that cannot be read it goes on at the next one that can: what lies between is in the
    `BrokenTar` at the end.
    """
    try:
        check_regular(path)
        file = open(path, "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise BrokenTar(f"cannot be read: {error.strerror}") from None
    with file:
        known, damage, size = _Kinds(), list[str](), os.path.getsize(path)
        for header in _headers_behind_damage(file, lambda: size, damage):
            extent = Extent(header.offset_data, header.size)

            def head(extent: Extent = extent) -> bytes:
                return read_extent(file, extent, FIRST_BYTES)

            kind = known.of(header, head)
            if kind is not None:
                yield _member(header, kind, _TOO_LARGE if header.size > MOST_BYTES else extent)
        if damage:
            raise BrokenTar(_told(damage))


def streamed_members(file: IO[bytes]) -> Iterator[Member[bytes]]:
    """The members of a tar, plain or packed, read from front to back, and on behind damage as those of a
    local one are.

    Of the members of one sample, `MOST_BYTES` at most are held.
    """
    known, key, held, damage = _Kinds(), "", 0, list[str]()
    window: Any = _Window(_unpack(file))
    for header in _headers_behind_damage(window, lambda: window.size, damage):
        extent, holes = Extent(header.offset_data, header.size), header.issparse()
        kind = known.of(header, lambda extent=extent: read_extent(window, extent, FIRST_BYTES))
        if kind is None:
            continue
        before, key = key, cut_name(_plain(header.name))[0]
        held = header.size + (held if key == before else 0)
        if held > MOST_BYTES or holes or not header.isreg():
            held -= header.size
            yield _member(header, kind, _TOO_LARGE)
            continue
        content = read_extent(window, extent)
        if len(content) == header.size:  # else it ends there, which whoever gives the headers sees, too
            yield _member(header, kind, content)
    damage += filter(None, [window.fault])
    if damage:
        raise BrokenTar(_told(damage))


def cut_name(name: str) -> tuple[str, str]:
    """`d.1/x.Left.jpg` as its key `d.1/x`, which ends before the first dot, and its suffix `left.jpg`."""
    folder, slash, file = name.rpartition("/")
    first, _, suffix = file.partition(".")
    return f"{folder}{slash}{first}", suffix.lower()


def read_extent(file: Any, extent: Extent, most: int | None = None) -> bytes:
    """The bytes of `file` in `extent`, or the first of them where only so many are wanted."""
    file.seek(extent.offset)
    return file.read(extent.size if most is None else min(extent.size, most))


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


def _member(header: tarfile.TarInfo, kind: MemberKind, content: Content | Unread) -> Member[Content]:
    name = _plain(header.name)
    if header.issparse():  # its bytes are not what it holds
        return Member(name, kind, known_suffix(name), Unread("a file with holes"))
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


#: Headers that say more of the next one: PAX, and GNU's long names and links.
_OF_ANOTHER = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
#: No file is larger.
_LARGEST = 2**62
#: They are read whole, so long ones are taken for damage.
_LONGEST_HEADER = 2**20
#: So many of them may come in a row: settings for all members, PAX, a long name and a long link, with room.
_MOST_ABOUT_ANOTHER = 16
#: What tarfile raises for headers that are damaged.
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, IndexError)


class _Tar(tarfile.TarFile):
    """A tar that is read on behind its end mark: `cat a.tar b.tar` has one in its middle.

    `ended` is true from the first block of zeros until a header comes. `about_another` counts the headers
    about the next one that came in a row.
    """

    ended = False
    about_another = 0


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
        _check_size(header)
        tar.about_another = tar.about_another + 1 if header.type in _OF_ANOTHER else 0
        if tar.about_another > _MOST_ABOUT_ANOTHER:
            raise errors.InvalidHeaderError("one of many about the same member")
        header = header._proc_member(tar)
        _check_size(header)  # what stands before a header may give it another size
        return header
    except (errors.InvalidHeaderError, errors.TruncatedHeaderError) as error:
        raise tarfile.ReadError(f"no readable header at byte {tar.offset}: {error}") from None


def _check_size(header: tarfile.TarInfo) -> None:
    """A tar with a size below zero leads back to where it came from, and is read for ever; of one that is too
    large no system can tell a place in it."""
    errors: Any = tarfile
    if not 0 <= header.size <= _LARGEST:
        raise errors.InvalidHeaderError(f"a size of {header.size}")
    if header.type in _OF_ANOTHER and header.size > _LONGEST_HEADER:
        raise errors.InvalidHeaderError(f"{header.size} bytes about another member")


def _opened(path: str | None, mode: Any, file: Any) -> tarfile.TarFile:
    try:
        return _Tar.open(path, mode, file, tarinfo=_Header, ignore_zeros=True)
    except NO_ANSWER:
        raise
    except _BROKEN as error:
        raise BrokenTar(f"not a tar: {error}") from None


class _Window:
    """What is read from front to back, with as much of it kept as damage leads back.

    It ends where it cannot be read on; `fault` says why then.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        #: The bytes from `_start` on, and where the next one is read.
        self._kept, self._start, self._position = bytearray(), 0, 0
        self._ended, self.fault = False, ""

    def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    def seek(self, position: int) -> int:
        """The next byte is that at `position`, or the first that is kept."""
        self._position = max(position, self._start)
        return self._position

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end."""
        while len(self._kept) < self._position + size - self._start and not self._ended:
            self._read_on()
        first = self._position - self._start
        content = bytes(memoryview(self._kept)[first : first + size])
        self._position += len(content)
        return content

    @property
    def size(self) -> int:
        """How many bytes there are, once that is known; till then more than any file has."""
        return self._start + len(self._kept) if self._ended else _LARGEST

    def _read_on(self) -> None:
        try:
            block = self._file.read(_BLOCK)
        except tarfile.TarError as error:
            block, self.fault = b"", str(error)
        self._ended = not block
        self._kept += block
        if len(self._kept) > 2 * _KEPT:
            left = min(len(self._kept) - _KEPT, self._position - self._start)
            left -= left % tarfile.BLOCKSIZE
            del self._kept[:left]
            self._start += left


def _unpack(file: IO[bytes]) -> Any:
    try:
        return open_unpacked(file)
    except OSError as error:
        raise BrokenTar(f"cannot be read: {error}") from None


def _headers(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while True:
        try:
            header = tar.next()
        except NO_ANSWER:
            raise
        except _BROKEN as error:
            raise BrokenTar(f"breaks off: {error}") from None
        if header is None:
            return
        yield header
        # tarfile would keep every header that it has seen, and memory would grow with the tar.
        tar.members.clear()  # type: ignore[attr-defined]


def _headers_behind_damage(
    file: Any, size: Callable[[], int], damage: list[str]
) -> Iterator[tarfile.TarInfo]:
    """The headers of a tar of `size()` bytes, going on behind what cannot be read; `damage` gets what that
    was. A member that is said to end behind the tar is damaged, too.

    Headers and contents begin at multiples of 512 bytes. With the header at 1024 damaged:

        byte   0       512      1024     1536     2048
        block  header  content  damaged  content  header

    the blocks from 1536 on are looked at until one is a header again: that at 2048. A member that is a tar
    itself would give its own members away, but only if its header is the damaged one.
    """
    position = 0
    while True:
        file.seek(position)
        tar = None
        try:
            tar = _opened(None, "r:", file)
            for header in _headers(tar):
                # A file with holes is larger than its content, and no other kind of file has any.
                whole = header.isreg() and not header.issparse()
                end = header.offset_data + header.size if whole else tar.offset - tarfile.BLOCKSIZE
                position = header.offset
                if end <= size():
                    yield header
                if end > size():  # of a stream it is known behind the end alone how large it is
                    raise BrokenTar(f"ends within {header.name!r}")
            return
        except BrokenTar as error:
            # It may have passed zeros, or been led back by what it read.
            if tar is not None and tar.offset <= size():
                position = max(position, tar.offset)
            found = _next_header(file, position + tarfile.BLOCKSIZE)
            if found is None:
                damage.append(str(error))
                return
            damage.append(f"{str(error).removeprefix('not a tar: ')}; read again from byte {found}")
            position = found


def _told(damage: list[str]) -> str:
    more = f"; and {len(damage) - _MOST_TOLD:,} more" if len(damage) > _MOST_TOLD else ""
    return "; ".join(damage[:_MOST_TOLD]) + more


def _next_header(file: IO[bytes], position: int) -> int | None:
    """Where the first block from `position` on lies that is a header, with the right checksum."""
    size = _SEARCHED_FIRST
    while True:
        position = file.seek(position)
        chunk = file.read(size)
        blocks = np.frombuffer(chunk, np.uint8, len(chunk) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE)
        blocks = blocks.reshape(-1, tarfile.BLOCKSIZE)
        # The checksum is octal, in bytes 148 to 155: of other data, next to no block passes.
        for number in np.flatnonzero(_IS_OCTAL[blocks[:, 148:156]].all(axis=1)).tolist():
            try:
                header = tarfile.TarInfo.frombuf(blocks[number].tobytes(), "utf-8", "surrogateescape")
            except tarfile.HeaderError:
                continue
            if header.size >= 0:
                return position + number * tarfile.BLOCKSIZE
        if len(chunk) < size:
            return None
        position, size = position + size, min(2 * size, _SEARCHED_AT_ONCE)


#: Bytes that are searched for a header at a time: few at first, for damage is mostly small, then more.
_SEARCHED_FIRST, _SEARCHED_AT_ONCE = 2**13, 2**22
#: Of a stream so many bytes are read at a time, and kept for a search that leads back; then it begins later.
_BLOCK, _KEPT = 2**18, 2 * _SEARCHED_AT_ONCE
#: So many damages of one tar are told.
_MOST_TOLD = 5
#: Which bytes stand in octal numbers.
_IS_OCTAL = np.isin(np.arange(256), list(b"01234567 \0"))
