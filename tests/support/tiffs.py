"""TIFF files and EXIF blocks made tag by tag, of kinds that no library here writes."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

#: Type of a tag's values -> TIFF's number for it.
KINDS = {"B": 1, "H": 3, "I": 4, "f": 11, "d": 12}
Tag = tuple[str, Sequence[float]]


def directory(tags: Mapping[int, Tag], order: str = "<", start: int = 8) -> bytes:
    """A directory of `tags` for position `start`, and behind it the values that do not fit into it."""
    head, tail = struct.pack(order + "H", len(tags)), b""
    end = start + 2 + 12 * len(tags) + 4
    for tag, (letter, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        head += struct.pack(order + "HHI", tag, KINDS[letter], len(values))
        if len(content) <= 4:
            head += content.ljust(4, b"\0")
        else:
            head += struct.pack(order + "I", end + len(tail))
            tail += content + b"\0" * (len(content) % 2)
    return head + bytes(4) + tail


def exif_block(orientation: int, letter: str = "H", order: str = "<") -> bytes:
    """An EXIF block that states an orientation, in values of type `letter`."""
    return header(order) + directory({0x0112: (letter, [orientation])}, order)


def header(order: str, start: int = 8) -> bytes:
    return {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, start)


def tiff(
    rows: bytes, width: int, height: int, bits: int, order: str = "<", more: Mapping[int, Tag] | None = None
) -> bytes:
    """An uncompressed TIFF of one strip of `rows`, black as 0, with `more` tags; its directory is last."""
    tags: dict[int, Tag] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits]),
        259: ("H", [1]),
        262: ("H", [1]),
        273: ("I", [8]),
        277: ("H", [1]),
        278: ("I", [height]),
        279: ("I", [len(rows)]),
        **(more or {}),
    }
    start = 8 + len(rows) + len(rows) % 2
    return header(order, start) + rows.ljust(start - 8, b"\0") + directory(tags, order, start)


def packed(samples: np.ndarray, bits: int) -> bytes:
    """Rows of `samples` of so many bits, the highest bit first, each row filled up to a whole byte."""
    places = np.arange(bits - 1, -1, -1)
    shown = (samples[..., None].astype(np.int64) >> places & 1).astype(np.uint8)
    return np.packbits(shown.reshape(len(samples), -1), axis=1).tobytes()
