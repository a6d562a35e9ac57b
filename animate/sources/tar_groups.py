"""Groups of members of a tar, and the samples that they are by the rule of `animate.sources.tars`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic

from animate.data import Fault
from animate.sources.image_files import IMAGE_SUFFIXES, TEXT_SUFFIXES
from animate.sources.tar_members import JSON_SUFFIX, Content, Member, MemberKind, Unread, cut_name

#: A group of more members than this is never one sample, so that a stream need not hold it.
_MOST_MEMBERS = 100
#: So many links are followed one after the other.
_MOST_LINKS = 40
#: The suffixes of each kind, best first.
_BEST: Mapping[MemberKind, tuple[str, ...]] = {
    "image": IMAGE_SUFFIXES,
    "text": TEXT_SUFFIXES,
    "json": (JSON_SUFFIX,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TarSample(Generic[Content]):
    """The members of one sample; `key` is what their names have in common.

    `suffixes` are those of all of them, also of such as are not used. `unread` says of each kind why its
    member has no bytes, where it is there.
    """

    key: str
    image: Content | None
    text: Content | None
    json: Content | None
    suffixes: tuple[str, ...]
    unread: Mapping[MemberKind, Unread]

    def fault(self, where: str = "") -> Fault | None:
        """What the sample lacks, None if that may be nothing; `where` ends the message."""
        if self.image is None:
            image = self.unread.get("image")
            what = f"its image is {image.what}" if image else "no image"
            status = "too_large" if image and image.too_large else "missing_file"
            return Fault(status, f"{what}: has {', '.join(self.suffixes)}{where}")
        if self.text is None and self.json is None and self.unread:
            return Fault("missing_caption", f"its caption is {next(iter(self.unread.values())).what}{where}")
        return None


class MemberGroup(Generic[Content]):
    """Members whose names are the same up to the first dot, by what follows, no suffix twice.

    A listing keeps one for each sample of a tar, so there is little in it.
    """

    __slots__ = ("_dots_in_names", "key", "members")

    def __init__(self, key: str):
        self.key = key
        self.members: dict[str, Member[Content]] = {}
        self._dots_in_names = False

    def takes(self, suffix: str, member: Member[Content]) -> bool:
        """Whether a member of this key that is no neighbour of the others belongs to them."""
        second = member.kind == "image" and member.stem == self.key and self.key in self._stems(images=True)
        return suffix not in self.members and not second

    def follow_links(self, groups: "Mapping[str, list[MemberGroup[Content]]]") -> None:
        """Gives each member that is a link the content of what it links to; `groups` are all of the tar."""
        for suffix, member in self.members.items():
            if isinstance(member.content, Unread) and member.content.target:
                self.members[suffix] = member._replace(content=_linked(member.content, groups))

    def samples(self) -> Iterator[TarSample[Content]]:
        """The samples that the group is, now that it is whole."""
        images, captions = self._stems(images=True), self._stems(images=False)
        if self._are_dots_in_names() or (self.key not in images | captions and not (images and captions)):
            for members in self._by_stem().values():
                yield _sample(members[0].stem, members)
        elif self.members:
            yield _sample(self.key, list(self.members.values()))

    def finished(self) -> Iterator[TarSample[Content]]:
        """Takes samples out that no neighbour can belong to: all but the last, once dots belong to names."""
        if not self._are_dots_in_names() and len(self.members) <= _MOST_MEMBERS:
            return
        self._dots_in_names = True
        *before, last = self._by_stem().values()
        for members in before:
            yield _sample(members[0].stem, members)
        self.members = {cut_name(member.name)[1]: member for member in last}

    def _are_dots_in_names(self) -> bool:
        if self._dots_in_names:
            return True
        return bool(self._stems(images=True) & self._stems(images=False) - {self.key})

    def _stems(self, *, images: bool) -> set[str]:
        """The stems of the images, or those of all others."""
        return {member.stem for member in self.members.values() if (member.kind == "image") is images}

    def _by_stem(self) -> dict[str, list[Member[Content]]]:
        found: dict[str, list[Member[Content]]] = {}
        for member in self.members.values():
            found.setdefault(member.stem, []).append(member)
        return found


def _sample(key: str, members: list[Member[Content]]) -> TarSample[Content]:
    """The sample that these members are together; those whose stem is the key go before the others."""
    own = [member for member in members if member.stem == key]
    image = _best("image", own, members)
    # Text with more in its name counts only where nothing has less.
    text, json = (_best(kind, own or members) for kind in ("text", "json"))
    chosen: dict[MemberKind, Member[Content] | None] = {"image": image, "text": text, "json": json}
    unread: dict[MemberKind, Unread] = {
        kind: member.content
        for kind, member in chosen.items()
        if member is not None and isinstance(member.content, Unread)
    }
    return TarSample(
        key=key,
        image=_content(image),
        text=_content(text),
        json=_content(json),
        suffixes=tuple(cut_name(member.name)[1] for member in members),
        unread=unread,
    )


def _best(kind: MemberKind, *choices: Iterable[Member[Content]]) -> Member[Content] | None:
    """The best member of this kind among the first of `choices` that have one with bytes, or else any."""
    found = [sorted((m for m in members if m.kind == kind), key=_rank) for members in choices]
    best = [ranked[0] for ranked in found if ranked]
    return next((m for m in best if not isinstance(m.content, Unread)), next(iter(best), None))


def _rank(member: Member[Content]) -> tuple[bool, int]:
    """The lower, the better is this member among those of its kind."""
    known = _BEST[member.kind]
    place = known.index(member.suffix) if member.suffix in known else len(known)
    return isinstance(member.content, Unread), place


def _content(member: Member[Content] | None) -> Content | None:
    return None if member is None or isinstance(member.content, Unread) else member.content


def _linked(link: Unread, groups: "Mapping[str, list[MemberGroup[Content]]]") -> Content | Unread:
    """What lies at the end of a link, over others; the link, with what is wrong, if that is nothing."""
    target = link.target
    for _ in range(_MOST_LINKS):
        key, suffix = cut_name(target)
        found = next((g.members[suffix] for g in groups.get(key, ()) if suffix in g.members), None)
        if found is None:
            break
        if not isinstance(found.content, Unread):
            return found.content
        target = found.content.target
    return Unread(f"{link.what}, which is no image or text of this tar")
