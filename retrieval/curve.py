"""The curve over K, the number of candidates re-ranked: its values as they are asked for, and its picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from retrieval.errors import DataError

Point = Mapping[str, Any]

PANEL_WIDTH, PANEL_HEIGHT = 460, 380
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 64, 20, 48, 52
INK, GRID = (40, 40, 40), (222, 222, 222)
COLORS = ((31, 97, 165), (200, 80, 20), (40, 130, 70), (130, 60, 150))


def parse_curve(text: str) -> list[int | None]:
    """`"5,10,all"` as values of K, smallest first and `all` (None) last; `DataError` for anything else."""
    values: set[int] = set()
    everything = False
    for part in (part.strip() for part in text.split(",")):
        if part == "all":
            everything = True
        elif part.isdecimal() and int(part) > 0:
            values.add(int(part))
        else:
            raise DataError(f"curve = {text!r}: {part!r} is neither a number above 0 nor all")
    return [*sorted(values), *([None] if everything else [])]


def draw_curve(points: Sequence[Point], path: Path, title: str) -> None:
    """A PNG with three panels over K: recall, milliseconds a query, pairs a query."""
    ks = [point["K"] for point in points]
    names = {"R@1": "R@1", "R@5": "R@5", "R@10": "R@10", "oracle_recall": "in the top K"}
    recalls = {label: [point[name] for point in points] for name, label in names.items()}
    panels = [
        ("per cent of queries", recalls),
        ("ms a query", {"coarse and fine": [point["ms_per_query"] for point in points]}),
        ("pairs a query", {"fine stage": [point["pairs_per_query"] for point in points]}),
    ]
    image = Image.new("RGB", (PANEL_WIDTH * len(panels), PANEL_HEIGHT + 24), "white")
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN_LEFT, 6), title, fill=INK, font=_font(14))
    for i, (label, lines) in enumerate(panels):
        _draw_panel(draw, (PANEL_WIDTH * i, 24), label, ks, lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="PNG")


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    label: str,
    ks: Sequence[int],
    lines: Mapping[str, Sequence[float]],
) -> None:
    """One chart; the points of K stand at equal distances, whatever their values."""
    left, right = corner[0] + MARGIN_LEFT, corner[0] + PANEL_WIDTH - MARGIN_RIGHT
    top, bottom = corner[1] + MARGIN_TOP, corner[1] + PANEL_HEIGHT - MARGIN_BOTTOM
    highest = max((value for values in lines.values() for value in values), default=0.0) or 1.0
    step = (right - left) / max(1, len(ks) - 1)
    small = _font(12)
    for i in range(5):
        y = bottom - (bottom - top) * i / 4
        draw.line([(left, y), (right, y)], fill=GRID)
        draw.text((left - 6, y), f"{highest * i / 4:.3g}", fill=INK, font=small, anchor="rm")
    for i, k in enumerate(ks):
        draw.text((left + step * i, bottom + 8), str(k), fill=INK, font=small, anchor="mt")
    draw.text(((left + right) / 2, bottom + 28), "K", fill=INK, font=small, anchor="mt")
    draw.text((left, corner[1] + 8), label, fill=INK, font=small)
    for number, (name, values) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        places = [
            (left + step * i, bottom - (bottom - top) * value / highest) for i, value in enumerate(values)
        ]
        draw.line(places, fill=color, width=2)
        for x, y in places:
            draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=color)
        if len(lines) > 1:
            draw.text((left + 92 * number, corner[1] + 26), name, fill=color, font=small)


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
