"""What is counted of a set, as vector graphics that take the colours of the page around them.

Each plot is a figure with a title, axes with their units, and one sentence that says the same to whoever
does not see it. Colours are the page's: `currentColor`, and the classes `bar`, `wish` and `axis`.
"""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from animate.inspect.catalogue import Catalogue
from animate.recipe import ShotRecipe

#: Of a plot, in units of its drawing, which the page scales: its sides, and where its axes lie.
_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 14, 50
#: Height of a line of bars that have names, and where they begin.
_LINE, _NAMES = 22, 138
_BINS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A figure: its `title`, the sentence that stands for it, and the SVG elements between `<svg>` and
    `</svg>`, on a paper of `height`."""

    title: str
    sentence: str
    elements: Sequence[str]
    height: int = _HEIGHT

    def html(self, number: int) -> str:
        """The figure, the `number`-th of its page."""
        name = f"plot-{number}"
        return (
            f'<figure class="plot"><figcaption>{html.escape(self.title)}</figcaption>'
            f'<svg viewBox="0 0 {_WIDTH} {self.height}" role="img" aria-labelledby="{name}-t {name}-d">'
            f'<title id="{name}-t">{html.escape(self.title)}</title>'
            f'<desc id="{name}-d">{html.escape(self.sentence)}</desc>'
            f'{"".join(self.elements)}</svg><p class="said">{html.escape(self.sentence)}</p></figure>'
        )


def plots_of(catalogue: Catalogue) -> Iterator[Plot]:
    """All plots of a set that has the data for them."""
    clips = catalogue.looked_at
    yield _mix(catalogue)
    if not clips:
        return
    for title, unit, values in (
        ("Speed", "% of the still's sides a second", [clip.speed for clip in clips]),
        ("Smallest view", "share of the still", [clip.view_area for clip in clips]),
        ("Shown in all", "share of the still", [clip.union_area for clip in clips]),
        ("Caption length", "characters", [len(clip.caption) for clip in clips]),
        ("Size of a clip", "kB", [clip.size / 1000 for clip in clips]),
    ):
        yield histogram(title, unit, values)
    if len(catalogue.finished) > 1:
        yield _pace(catalogue.finished)


def histogram(title: str, unit: str, values: Sequence[float]) -> Plot:
    """How many clips have what value."""
    counts, edges = np.histogram(values, bins=_BINS)
    low, middle, high = np.percentile(values, [5, 50, 95])
    axes = _Axes(float(edges[0]), float(edges[-1]), float(counts.max()))
    elements = [
        axes.bar(float(edges[i]), float(edges[i + 1]), float(count))
        for i, count in enumerate(counts)
        if count
    ]
    return Plot(
        title=title,
        sentence=f"{title} of {len(values):,} clips ({unit}): the median is {_short(middle)}, and nine of "
        f"ten lie from {_short(low)} to {_short(high)}.",
        elements=[*elements, *axes.drawn(f"{title.lower()}, {unit}", "clips")],
    )


def expected_components(shot: ShotRecipe) -> dict[str, float]:
    """Component -> the share of shots that a recipe's weights give it."""
    total = sum(kind.weight for kind in shot.shots)
    shares: dict[str, float] = {}
    for kind in shot.shots:
        for name in kind.components:
            shares[name] = shares.get(name, 0.0) + kind.weight / total
    return shares


def _mix(catalogue: Catalogue) -> Plot:
    """The share of shots with each component, and, as a mark, that which the recipe's weights give it."""
    wished = expected_components(catalogue.set.recipe.shot)
    found = {name: count / catalogue.shots for name, count in catalogue.components.items()}
    names = sorted({**wished, **found}, key=lambda name: -wished.get(name, 0.0))
    most = max([*wished.values(), *found.values(), 1e-9])
    scale = (_WIDTH - _NAMES - 64) / most
    bottom = len(names) * _LINE + 8
    elements = []
    for i, name in enumerate(names):
        share, wish, y = found.get(name, 0.0), wished.get(name, 0.0), i * _LINE + 6
        elements += [
            _text(_NAMES - 8, y + 12, name, anchor="end"),
            f'<rect class="bar" x="{_NAMES}" y="{y}" width="{share * scale:.1f}" height="16"/>',
            f'<rect class="wish" x="{_NAMES + wish * scale - 1.5:.1f}" y="{y - 2}" width="3" height="20"/>',
            _text(_NAMES + max(share, wish) * scale + 7, y + 12, f"{share:.1%}"),
        ]
    elements.append(
        _text(_WIDTH / 2, bottom + 18, "share of shots; mark: by the recipe's weights", anchor="middle")
    )
    furthest = max(names, key=lambda name: abs(found.get(name, 0.0) - wished.get(name, 0.0)))
    return Plot(
        title="Components of the shots",
        sentence=f"Of {catalogue.shots:,} shots. Furthest from the recipe is {furthest}: "
        f"{found.get(furthest, 0.0):.1%} of shots, {wished.get(furthest, 0.0):.1%} by its weights.",
        elements=elements,
        height=bottom + 30,
    )


def _pace(finished: Sequence[tuple[float, int]]) -> Plot:
    """Clips a second while the set was made: in each of equal spans, the clips of the shards done in it."""
    start, end = finished[0][0], finished[-1][0]
    seconds = max(end - start, 1e-3)
    spans = min(_BINS, len(finished) - 1)
    clips = np.zeros(spans)
    for time, count in finished[1:]:  # those of the first were made before its time
        clips[min(int((time - start) / seconds * spans), spans - 1)] += count
    rates = clips / (seconds / spans)
    unit, size = next((unit, size) for unit, size in _TIMES if seconds >= 2 * size or size == 1)
    axes = _Axes(0.0, seconds / size, float(rates.max()))
    width = seconds / size / spans
    bars = [axes.bar(i * width, (i + 1) * width, float(rate)) for i, rate in enumerate(rates) if rate]
    total = sum(count for _, count in finished[1:])
    return Plot(
        title="Clips a second",
        sentence=f"{_short(total / seconds)} clips a second on average, from the first finished shard to the "
        f"last, over {_short(seconds / size)} {unit}.",
        elements=[*bars, *axes.drawn(f"time since the first finished shard, {unit}", "clips a second")],
    )


#: Units of time and their seconds, longest first.
_TIMES = (("hours", 3600), ("minutes", 60), ("seconds", 1))


@dataclass(frozen=True, slots=True)
class _Axes:
    """Values from `low` to `high` along, from 0 to `most` up."""

    low: float
    high: float
    most: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.low) / ((self.high - self.low) or 1.0) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / (self.most or 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    def bar(self, left: float, right: float, value: float) -> str:
        x, y = self.x(left), self.y(value)
        width, height = self.x(right) - x - 1, _HEIGHT - _BOTTOM - y
        return f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'

    def drawn(self, along: str, up: str) -> list[str]:
        bottom, middle = _HEIGHT - _BOTTOM, _TOP + (_HEIGHT - _TOP - _BOTTOM) / 2
        elements = [
            f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>',
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, along, anchor="middle"),
            f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">'
            f"{html.escape(up)}</text>",
        ]
        for value in round_numbers(self.low, self.high, 5):
            anchor = "end" if self.x(value) > _WIDTH - 2 * _RIGHT else "middle"
            elements.append(_text(self.x(value), bottom + 18, _short(value), anchor=anchor))
        for value in round_numbers(0.0, self.most, 3):
            elements.append(_text(_LEFT - 6, self.y(value) + 4, _short(value), anchor="end"))
        return elements


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """About `count` numbers from `low` to `high`, all multiples of 1, 2 or 5 times a power of ten.

    0.142 to 0.886, 5    0.2 0.4 0.6 0.8
    37 to 62, 5          40 45 50 55 60
    24 to 24, 5          24
    """
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [step * number for number in range(first, last + 1)]


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _short(value: float) -> str:
    """Three digits that matter, without an exponent: 0.423, 12.5, 1,830."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{round(value, 4):.3g}"
