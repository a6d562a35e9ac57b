"""Groups of members of a tar, and the samples that they are by the rule of `animate.sources.tars`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from animate.data import Fault
from animate.sources.image_files import IMAGE_SUFFIXES, TEXT_SUFFIXES
from animate.sources.tar_members import JSON_SUFFIX, Content, Kind, Member, Unread

#: A group of more members than this is never one sample, so that a stream need not hold it.
_MOST_MEMBERS = 100
#: So many links are followed one after the other.
_MOST_LINKS = 40
#: The suffixes of each kind, best first.
_BEST: Mapping[Kind, tuple[str, ...]] = {
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
    unread: Mapping[Kind, str]

    def fault(self, where: str = "") -> Fault | None:
        """What the sample lacks, None if that may be nothing; `where` ends the message."""
        if self.image is None:
            what = f"its image is {self.unread['image']}" if "image" in self.unread else "no image"
            return Fault("missing_file", f"{what}: has {', '.join(self.suffixes)}{where}")
        if self.text is None and self.json is None and self.unread:
            return Fault("missing_caption", f"its caption is {next(iter(self.unread.values()))}{where}")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Generic[Content]):
    """A member by the parts of its name: `key` ends before the first dot, `stem` before its known suffix.

    `suffix` is all behind the key, in lower case.
    """

    key: str
    stem: str
    suffix: str
    member: Member[Content]

    @property
    def rank(self) -> tuple[bool, int]:
        """The lower, the better is this member among those of its kind."""
        known = _BEST[self.member.kind]
        place = known.index(self.member.suffix) if self.member.suffix in known else len(known)
        return isinstance(self.member.content, Unread), place


def cut(member: Member[Content]) -> Named[Content]:
    """`d.1/x.left.jpg` has the key `d.1/x`, the stem `d.1/x.left` and the suffix `left.jpg`."""
    key, suffix = _cut_name(member.name)
    stem = member.name[: len(member.name) - len(member.suffix)]
    return Named(key=key, stem=stem, suffix=suffix, member=member)


class Group(Generic[Content]):
    """Members whose names are the same up to the first dot, by what follows, no suffix twice."""

    def __init__(self, key: str):
        self.key = key
        self.members: dict[str, Named[Content]] = {}
        self._images, self._captions = set[str](), set[str]()  # the stems of either
        self._dots_in_names = False

    def add(self, named: Named[Content]) -> None:
        self.members[named.suffix] = named
        (self._images if named.member.kind == "image" else self._captions).add(named.stem)

    def takes(self, named: Named[Content]) -> bool:
        """Whether a member of this key that is no neighbour of the others belong to them."""
        second = named.member.kind == "image" and named.stem == self.key and self.key in self._images
        return named.suffix not in self.members and not second

    def follow_links(self, groups: "Mapping[str, list[Group[Content]]]") -> None:
        """Gives each member that is a link the content of what it links to; `groups` are all of the tar."""
        for suffix, named in self.members.items():
            if isinstance(named.member.content, Unread) and named.member.content.target:
                self.members[suffix] = replace(
                    named, member=named.member._replace(content=_linked(named.member.content, groups))
                )

    def samples(self) -> Iterator[TarSample[Content]]:
        """The samples that the group is, now that it is whole."""
        stems = self._images | self._captions
        if self._are_dots_in_names() or (self.key not in stems and not (self._images and self._captions)):
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
        self.members, self._images, self._captions = {}, set(), set()
        for named in last:
            self.add(named)

    def _are_dots_in_names(self) -> bool:
        shared = self._images & self._captions
        return self._dots_in_names or len(shared) > (self.key in shared)

    def _by_stem(self) -> dict[str, list[Named[Content]]]:
        found: dict[str, list[Named[Content]]] = {}
        for named in self.members.values():
            found.setdefault(named.stem, []).append(named)
        return found


def _sample(key: str, members: list[Named[Content]]) -> TarSample[Content]:
    """The sample that these members are together; those whose stem is the key go before the others."""
    own = [named for named in members if named.stem == key]
    image = _best("image", own, members)
    # Text with more in its name counts only where nothing has less.
    text, json = (_best(kind, own or members) for kind in ("text", "json"))
    chosen: dict[Kind, Named[Content] | None] = {"image": image, "text": text, "json": json}
    unread: dict[Kind, str] = {
        kind: named.member.content.what
        for kind, named in chosen.items()
        if named is not None and isinstance(named.member.content, Unread)
    }
    return TarSample(
        key=key,
        image=_content(image),
        text=_content(text),
        json=_content(json),
        suffixes=tuple(named.suffix for named in members),
        unread=unread,
    )


def _best(kind: Kind, *choices: Iterable[Named[Content]]) -> Named[Content] | None:
    """The best member of this kind among the first of `choices` that have one with bytes, or else any."""
    found = [sorted((n for n in c if n.member.kind == kind), key=lambda n: n.rank) for c in choices]
    best = [ranked[0] for ranked in found if ranked]
    return next(
        (named for named in best if not isinstance(named.member.content, Unread)), next(iter(best), None)
    )


def _content(named: Named[Content] | None) -> Content | None:
    return None if named is None or isinstance(named.member.content, Unread) else named.member.content


def _linked(link: Unread, groups: "Mapping[str, list[Group[Content]]]") -> Content | Unread:
    """What lies at the end of a link, over others; the link, with what is wrong, if that is nothing."""
    target = link.target
    for _ in range(_MOST_LINKS):
        key, suffix = _cut_name(target)
        found = next((g.members[suffix].member for g in groups.get(key, ()) if suffix in g.members), None)
        if found is None:
            break
        if not isinstance(found.content, Unread):
            return found.content
        target = found.content.target
    return Unread(f"{link.what}, which is no image or text of this tar")


def _cut_name(name: str) -> tuple[str, str]:
    folder, slash, file = name.rpartition("/")
    first, _, suffix = file.partition(".")
    return f"{folder}{slash}{first}", suffix.lower()
