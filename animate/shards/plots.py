"""What a shard set holds, drawn: bars for counts and histograms for measures, as PNG or as SVG."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from animate.codec import encode_png
from animate.shards.stats import ShardStats

#: Sides of one plot, and where its bars begin, in pixels.
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 300, 220, 40
_INK, _BAR, _PAPER = (40, 40, 40), (70, 120, 180), 255
#: OpenCV's letters of scale 1 are about so many pixels high.
_LETTER = 22


def plot_png(found: ShardStats) -> bytes:
    """All plots, two beside each other, as a PNG."""
    drawing = _draw(found)
    sheet = np.full((drawing.height, drawing.width, 3), _PAPER, np.uint8)
    for left, top, right, bottom, color in drawing.boxes:
        cv2.rectangle(sheet, (left, top), (right, bottom), color, -1)
    for text, left, bottom, scale in drawing.texts:
        cv2.putText(sheet, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, _INK, 1, cv2.LINE_AA)
    return encode_png(sheet)


def plot_svg(found: ShardStats) -> bytes:
    """The same as an SVG, whose text can be searched."""
    drawing = _draw(found)
    size = f'width="{drawing.width}" height="{drawing.height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="rgb{_INK}">']
    lines.append('<rect width="100%" height="100%" fill="white"/>')
    for left, top, right, bottom, color in drawing.boxes:
        sides = f'x="{left}" y="{top}" width="{right - left + 1}" height="{bottom - top + 1}"'
        lines.append(f'<rect {sides} fill="rgb{color}"/>')
    for text, left, bottom, scale in drawing.texts:
        place = f'x="{left}" y="{bottom}" font-size="{scale * _LETTER:.0f}"'
        lines.append(f"<text {place}>{html.escape(text)}</text>")
    return "\n".join([*lines, "</svg>\n"]).encode()


@dataclass(slots=True, kw_only=True)
class _Drawing:
    """Boxes as (left, top, right, bottom, colour) and texts as (text, left, bottom, scale), in pixels."""

    width: int
    height: int
    boxes: list[tuple[int, int, int, int, tuple[int, int, int]]] = field(default_factory=list)
    texts: list[tuple[str, int, int, float]] = field(default_factory=list)


def _draw(found: ShardStats) -> _Drawing:
    plots = 2 + len(found.measures)
    drawing = _Drawing(width=2 * _WIDTH, height=-(-plots // 2) * _HEIGHT)
    places = [(i % 2 * _WIDTH, i // 2 * _HEIGHT) for i in range(plots)]
    _bars(drawing, *places[0], "status", found.statuses)
    _bars(drawing, *places[1], "component", found.components)
    for place, (name, values) in zip(places[2:], found.measures.items(), strict=True):
        _histogram(drawing, *place, name, values)
    return drawing


def _bars(drawing: _Drawing, x: int, y: int, title: str, counts: Mapping[str, int]) -> None:
    drawing.texts.append((title, x + 10, y + 26, 0.6))
    shown = list(counts.items())[:12]
    most = max((count for _, count in shown), default=1)
    for i, (name, count) in enumerate(shown):
        top = y + _TOP + 10 + i * 20
        right = x + _LEFT + int((_WIDTH - _LEFT - 90) * count / most)
        drawing.boxes.append((x + _LEFT, top, right, top + 14, _BAR))
        drawing.texts += [(name, x + 10, top + 12, 0.42), (f"{count:,}", right + 6, top + 12, 0.42)]


def _histogram(drawing: _Drawing, x: int, y: int, title: str, values: Sequence[float]) -> None:
    drawing.texts.append((f"{title} ({len(values):,})", x + 10, y + 26, 0.6))
    if not values:
        return
    counts, edges = np.histogram(values, bins=40)
    left, right, bottom = x + 40, x + _WIDTH - 30, y + _HEIGHT - 40
    for i, count in enumerate(counts):
        x0, x1 = (left + (right - left) * j // len(counts) for j in (i, i + 1))
        height = int((_HEIGHT - 90) * count / counts.max())
        drawing.boxes.append((x0, bottom - height, x1 - 2, bottom, _BAR))
    drawing.boxes.append((left, bottom + 1, right, bottom + 1, _INK))
    for share in (0.0, 0.5, 1.0):
        value = edges[0] + share * (edges[-1] - edges[0])
        drawing.texts.append((f"{value:.4g}", int(left + share * (right - left - 30)), bottom + 22, 0.42))
