"""Plots are well-formed vector graphics whose bars are as tall as what they count, and that can be read."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from animate.inspect.plots import expected_components, histogram, plots_of, round_numbers
from animate.recipe import preset_names, read_preset
from tests.support.shard_sets import build_set


def parsed(plot) -> ElementTree.Element:
    return ElementTree.fromstring(plot.html(3))


def test_every_plot_has_a_title_axes_and_a_sentence(demo_set, catalogue_of):
    plots = list(plots_of(catalogue_of(demo_set("mp4"))))
    titles = [plot.title for plot in plots]
    assert titles[:6] == [
        "Components of the shots", "Speed", "Smallest view", "Shown in all", "Caption length",
        "Size of a clip",
    ]  # fmt: skip
    for plot in plots:
        figure = parsed(plot)
        svg = figure.find("svg")
        assert svg is not None and svg.get("role") == "img"
        named = [svg.find(f"*[@id='{name}']") for name in (svg.get("aria-labelledby") or "").split()]
        assert [element.text for element in named if element is not None] == [plot.title, plot.sentence]
        assert len(svg.findall("text")) > 3
        # Colours are the page's, in either theme.
        assert not re.search(r"#[0-9a-f]{3}|rgb|style=", plot.html(0))


def test_bars_are_as_tall_as_what_they_count():
    values = [1.0] * 5 + [2.0] * 10 + [4.0]
    svg = parsed(histogram("Speed", "m/s", values)).find("svg")
    assert svg is not None
    heights = [float(bar.get("height") or 0) for bar in svg.findall("rect[@class='bar']")]
    assert np.array(heights) / max(heights) == pytest.approx([0.5, 1.0, 0.1], abs=0.002)


@pytest.mark.parametrize(
    ("low", "high", "count", "numbers"),
    [
        (0.142, 0.886, 5, [0.2, 0.4, 0.6, 0.8]),
        (37, 62, 5, [40, 45, 50, 55, 60]),
        (0, 9, 3, [0, 5]),
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 3, [0, 0.5, 1]),
        (24, 24, 5, [24]),
    ],
)
def test_axes_have_round_numbers(low, high, count, numbers):
    assert round_numbers(low, high, count) == pytest.approx(numbers)


def test_values_that_are_all_the_same_are_drawn():
    plot = histogram("Caption length", "characters", [24] * 9)
    assert len(parsed(plot).findall("svg/rect")) == 1 and "(characters): the median is 24," in plot.sentence


def test_what_a_recipe_wants_is_what_its_weights_say():
    shot = read_preset("default")
    total = sum(kind.weight for kind in shot.shots)
    shares = expected_components(shot)
    assert shares["whip_pan"] == pytest.approx(
        sum(kind.weight for kind in shot.shots if "whip_pan" in kind.components) / total
    )
    for name in preset_names():
        assert all(0 < share <= 1 + 1e-9 for share in expected_components(read_preset(name)).values())


def test_a_set_without_a_clip_has_its_mix_alone(tmp_path, catalogue_of):
    folder = build_set(tmp_path / "set", "virtual", "source.min_side=5000")
    assert [plot.title for plot in plots_of(catalogue_of(folder))] == ["Components of the shots"]
