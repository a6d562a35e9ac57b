"""The samples of a tar: which of its members make one, read from headers or from a stream.

WebDataset's rule cuts a name at the first dot of its file: members whose names are the same up to there
belong together. But people also put dots into names, so the rule here is:

    1. Members with the same name up to the first dot are a *group*. A name without the suffix that tells
       what it is (`.jpg`, `.txt`, …) is its *stem*; an image known by its bytes alone has its whole name.
    2. If an image and a caption (text or json) of the group share a stem that goes beyond the first dot, dots
       belong to names: each stem is a sample. So they do where every stem goes beyond the first dot and there
       are no images, or no captions, to put together.
    3. Else the group is one sample.

    members                                       samples
    a.jpg a.txt a.cls                             a
    22.05.jpg 22.05.txt 22.06.jpg                 22.05 and 22.06, which has no caption    (2)
    22.jpg 22.txt 22.05.jpg 22.05.txt             22 and 22.05                             (2)
    x.left.jpg x.right.jpg                        x.left and x.right, without captions     (2)
    x.left.jpg x.right.jpg x.txt                  x                                        (3)
    x.input.jpg x.prompt.txt                      x                                        (3)
    v1.0/x.jpg v1.0/x.mask.png v1.0/x.txt         v1.0/x                                   (3)

The image of a sample with several is one with no dot before its suffix, and of those the best by
`IMAGE_SUFFIXES`: of the two samples x above it is x.left.jpg (the first) and x.input.jpg. The others are
taken for views of the same sample (a mask, a thumbnail, the other eye) and give no row. Text and json count
with no dot before their suffix (x.meta.json is not x's), unless nothing in the group is like that.

A member that is a link is the member that it links to where the tar can be read from the middle.
"""

from collections.abc import Iterator
from typing import IO

from animate.data import TAR
from animate.sources.tar_groups import MemberGroup, TarSample, cut_name
from animate.sources.tar_members import BrokenTar, Extent, located_members, read_extent, streamed_members

__all__ = [
    "PLAIN_TARS", "TAR_SUFFIXES", "BrokenTar", "Extent", "TarSample", "read_extent", "scan", "stream",
    "tar_stem",
]  # fmt: skip

#: Suffixes of tars that can be read from the middle, unless they are packed after all.
PLAIN_TARS = (TAR,)
#: Suffixes of compressed tars, which are read from front to back.
PACKED_TARS = (*(".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst"),)
TAR_SUFFIXES = PLAIN_TARS + PACKED_TARS


def tar_stem(path: str) -> str:
    """The path of a tar without its suffix."""
    return path[: -len(next(suffix for suffix in TAR_SUFFIXES if path.lower().endswith(suffix)))]


def scan(path: str) -> Iterator[TarSample[Extent]]:
    """The samples of a local plain tar with where their members lie, in the order of their first members.

    The members of a group need not be neighbours. One that the group has already, or a second image that is
    no neighbour, begins another group with the same key, which is refused later:

        a.jpg b.jpg a.txt b.txt     a and b, whole
        a.jpg a.txt b.jpg a.png     a, b without caption, and another a without caption

    Memory grows with the members of the tar. Where it is damaged it is read on from the next header. Raises
    `BrokenTar` after the last sample, with all that could not be read.
    """
    groups: dict[str, list[MemberGroup[Extent]]] = {}
    order: list[MemberGroup[Extent]] = []
    current, broken = None, None
    try:
        for member in located_members(path):
            key, suffix = cut_name(member.name)
            if current is None or current.key != key or suffix in current.members:
                first = groups.setdefault(key, [])[:1]
                current = next((group for group in first if group.takes(suffix, member)), None)
                if current is None:
                    current = MemberGroup(key)
                    groups[key].append(current)
                    order.append(current)
            current.members[suffix] = member
    except BrokenTar as error:
        broken = error
    for group in order:
        group.follow_links(groups)
        yield from group.samples()
    if broken is not None:
        raise broken


def stream(file: IO[bytes]) -> Iterator[TarSample[bytes]]:
    """The samples of a tar, plain or packed, read from front to back, with the bytes of their members.

    Only neighbours are put together, and links are not followed. Raises `BrokenTar` after the last sample
    that is whole.
    """
    group, broken = None, None
    try:
        for member in streamed_members(file):
            key, suffix = cut_name(member.name)
            if group is None or group.key != key or suffix in group.members:
                if group is not None:
                    yield from group.samples()
                group = MemberGroup[bytes](key)
            group.members[suffix] = member
            yield from group.finished()
    except BrokenTar as error:
        broken = error
    if group is not None:
        yield from group.samples()
    if broken is not None:
        raise broken
