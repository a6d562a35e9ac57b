"""A TIFF directory: the list of tagged values that TIFF files and EXIF blocks begin with."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

#: First bytes -> (byte order for `struct`, whether counts and positions have 8 bytes: BigTIFF).
_HEADERS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
#: TIFF's number for a type -> its `struct` letter; a fraction (5, 10) is two of them.
_LETTERS = {
    1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I",
    16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_FRACTIONS = (5, 10)
_SHORT, _LONG = 3, 4
#: No directory of a picture is as long; a damaged one may say so.
_MOST_ENTRIES = 512
#: Nor does anything that is asked for here have as many values.
_MOST_VALUES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TagEntry:
    """One tagged value: its position in the block, TIFF's number for its type, how many, where they are."""

    position: int
    kind: int
    count: int
    values_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The first directory of `block`; `order` is `<` or `>`, `big` that of a BigTIFF."""

    block: bytes
    order: str
    big: bool
    entries: Mapping[int, TagEntry]

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The values of `tag`; none if it is not there, is no number, or lies outside the block."""
        entry = self.entries.get(tag)
        letters = _LETTERS.get(entry.kind) if entry else None
        if entry is None or letters is None:
            return ()
        count = min(max(entry.count, 1), _MOST_VALUES)
        layout = f"{self.order}{len(letters) * count}{letters[0]}"
        try:
            values = struct.unpack_from(layout, self.block, entry.values_at)
        except (struct.error, OverflowError):
            return ()
        if entry.kind in _FRACTIONS:
            return tuple(a / b if b else 0.0 for a, b in zip(values[::2], values[1::2], strict=True))
        return values

    def integers(self, tag: int) -> tuple[int, ...]:
        """The values of `tag` if they are whole numbers."""
        values = self.numbers(tag)
        return tuple(int(value) for value in values) if all(isinstance(v, int) for v in values) else ()

    def integer(self, tag: int, default: int) -> int:
        """The first value of `tag`; `default` if there is none."""
        return next(iter(self.integers(tag)), default)

    def rewritten(self, values: Mapping[int, int], names: Mapping[int, int]) -> bytes:
        """The block with each of `values` in place of what a tag had, and tags renamed by `names`.

        Only tags that are there change, so nothing moves, and nothing is added to a file that is cut short.
        """
        changed = {*values, *names} & set(self.entries)
        if not changed:
            return self.block
        block = bytearray(self.block)
        for tag in changed:
            value = values.get(tag, 0)
            kind, letter = (_SHORT, "H") if value < 2**16 else (_LONG, "I")
            layout = f"{self.order}HH{'Q' if self.big else 'I'}"
            stored = struct.pack(f"{self.order}{letter}", value).ljust(8 if self.big else 4, b"\0")
            head = struct.pack(layout, names.get(tag, tag), kind, 1)
            at = self.entries[tag].position
            block[at : at + len(head + stored)] = head + stored
        return bytes(block)


def read_directory(block: bytes) -> Directory | None:
    """The first directory of `block`, as far as it goes; None if the block begins with none."""
    order, big = _HEADERS.get(block[:4], ("", False))
    if not order:
        return None
    entries = {}
    size, room, offset = (20, 8, "Q") if big else (12, 4, "I")
    try:
        (start,) = struct.unpack_from(order + offset, block, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), block, start)
        start += 8 if big else 2
        for position in range(start, start + size * min(count, _MOST_ENTRIES), size):
            tag, kind, number = struct.unpack_from(f"{order}HH{offset}", block, position)
            (elsewhere,) = struct.unpack_from(order + offset, block, position + size - room)
            letters = _LETTERS.get(kind, "B")
            inside = struct.calcsize("<" + letters) * number <= room
            values_at = position + size - room if inside else elsewhere
            entry = TagEntry(position=position, kind=kind, count=number, values_at=values_at)
            entries.setdefault(tag, entry)
    except (struct.error, OverflowError):  # cut short: what was read counts
        pass
    return Directory(block=block, order=order, big=big, entries=entries)
