"""Recipes that contradict themselves are refused by every command that would film with them."""

import time

import numpy as np
import pytest

from animate.build import build_shards
from animate.components import COMPONENTS
from animate.estimate import estimate
from animate.executor import HERE
from animate.leeway import check_leeway, check_shots
from animate.preview import preview, shot_list
from animate.recipe import BuildRecipe, ShotKind, ShotRecipe, VideoRecipe, preset_names, read_recipe
from animate.strict_toml import RecipeError
from tests.animate.test_cli import run

ZOOM = 'shot.shots=[{name="still", components={static={}}}, {name="zoom", components={zoom={ratio=[3, 4]}}}]'

WEIGHTLESS = ZOOM.replace('name="zoom"', 'name="zoom", weight=0.0')


@pytest.mark.parametrize("size", ["224", "[320, 180]", "[180, 320]", "512"])
@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_has_room_at_common_sizes(preset, size):
    check_leeway(read_recipe(None, [f"shot.preset={preset}", f"video.size={size}"]))


CONTRADICTIONS = [
    (
        ["shot.min_view_area=0.9", ZOOM],
        ["shot.min_view_area = 0.9", "shot.shots[1] ('zoom')", "components.zoom.ratio = [3, 4]"],
    ),
    (["shot.max_magnification=0.01"], ["shot.max_magnification = 0.01", "source.max_pixels = 100000000"]),
    (["shot.max_speed=0.0001"], ["shot.max_speed = 0.0001", "shot.shots[1] ('push in')"]),
    (
        [
            "shot.min_union_area=0.99",
            ZOOM.replace("zoom={ratio=[3, 4]}", "shot_scale={first='close_up', last='same'}"),
        ],
        ["shot.min_union_area = 0.99", "shot.shots[1] ('zoom')", "components.shot_scale"],
    ),
    (["shot.max_magnification=0.028", ZOOM], ["shot.max_magnification = 0.028", "('zoom')"]),
]


@pytest.mark.parametrize(("overrides", "named"), CONTRADICTIONS)
def test_a_contradiction_is_refused_and_both_sides_are_named(overrides, named):
    with pytest.raises(RecipeError) as error:
        check_leeway(read_recipe(None, overrides))
    message = str(error.value)
    assert all(part in message for part in named), message
    assert "\n" not in message


@pytest.mark.parametrize(
    "overrides",
    [
        ["shot.max_speed=0.0001", "shot.preset=static"],
        ["shot.min_view_area=0.9", WEIGHTLESS],
        ["shot.min_view_area=0.9", 'shot.shots=[{name="zoom", components={zoom={ratio=[1, 4]}}}]'],
        ["video.num_frames=1"],
        ["video.num_frames=2", "video.size=32"],
    ],
)  # fmt: skip
def test_what_has_room_is_let_through(overrides):
    check_leeway(read_recipe(None, overrides))


def test_nothing_is_built_estimated_or_previewed_of_it(tmp_path):
    recipe = read_recipe(None, ["shot.max_speed=0.0001"])
    with pytest.raises(RecipeError, match="max_speed"):
        build_shards(recipe, tmp_path / "out", HERE)
    assert not (tmp_path / "out").exists()
    with pytest.raises(RecipeError, match="max_speed"):
        estimate(recipe)
    zoom = ShotKind(name="zoom", components={"zoom": {"ratio": [3, 4]}})
    with pytest.raises(RecipeError, match="min_view_area"):
        preview(
            [np.zeros((100, 100, 3), np.uint8)],
            ShotRecipe(min_view_area=0.9, shots=(zoom,)),
            VideoRecipe(size=64, num_frames=4),
        )


@pytest.mark.parametrize(
    "command",
    [
        ["build", "--src", "demo", "--out", "OUT"],
        ["estimate", "--src", "demo"],
        ["fetch", "cc3m", "--root", "nowhere", "--out", "OUT"],
    ],
)
def test_every_command_refuses_it_with_one_message(monkeypatch, capsys, tmp_path, command):
    out = str(tmp_path / "out")
    arguments = [out if word == "OUT" else word for word in command]
    code, printed, err = run(monkeypatch, capsys, *arguments, "--set", "shot.max_magnification=0.01")
    assert (code, printed) == (2, "")
    assert err.startswith("animate: shot.max_magnification = 0.01 asks for larger stills")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_has_room_alone(name):
    check_shots(shot_list(name), VideoRecipe(size=224, num_frames=48, fps=16), 100_000_000, 4.0)


def test_checking_the_default_recipe_takes_no_time():
    recipe = BuildRecipe()
    check_leeway(recipe)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        check_leeway(recipe)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.06
