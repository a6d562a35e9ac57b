"""The size that a JPEG XL states. Its reader for Pillow decodes all pixels before it says how many."""

from animate.codec.errors import UndecodableImage
from animate.codec.exif import swaps_sides

#: Widths as shares of the height, by the number in the header; for 0 the width is written out.
_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
#: How many bits a side has, less 1, by the number in front of it.
_SIDE_BITS = (9, 13, 18, 30)


class _Bits:
    """Reads numbers off bytes, the lowest bit of each first."""

    def __init__(self, data: bytes) -> None:
        self.rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self.rest & (2**count - 1)
        self.rest >>= count
        return value


def jxl_size(data: bytes) -> tuple[int, int]:
    """(width, height) of the upright picture (ISO/IEC 18181-1, SizeHeader and the first of ImageMetadata)."""
    start = _codestream(data)
    if start is None or len(data) < start + 4:
        raise UndecodableImage("truncated", "JPEG XL: it ends inside its header")
    bits = _Bits(data[start + 2 : start + 18])
    is_small = bits.take(1)
    height = _side(bits, is_small)
    ratio = bits.take(3)
    width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1] if ratio else _side(bits, is_small)
    is_default = bits.take(1)
    orientation = 1 + bits.take(3) if not is_default and bits.take(1) else 1
    return (height, width) if swaps_sides(orientation) else (width, height)


def _side(bits: _Bits, is_small: int) -> int:
    return 8 * (1 + bits.take(5)) if is_small else 1 + bits.take(_SIDE_BITS[bits.take(2)])


def _codestream(data: bytes) -> int | None:
    """Where the coded picture begins: at the front, or in the first box that holds it or a part of it."""
    if data.startswith(b"\xff\x0a"):
        return 0
    position = 0
    while position + 8 <= len(data):
        length, head = int.from_bytes(data[position : position + 4], "big"), 8
        name = data[position + 4 : position + 8]
        if length == 1:  # the length is behind the name, in 8 bytes
            length, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if name in (b"jxlc", b"jxlp"):
            return position + head + (4 if name == b"jxlp" else 0)
        if length < head:
            return None
        position += length
    return None
