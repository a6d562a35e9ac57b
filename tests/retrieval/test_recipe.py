"""The training recipe: strict, complete, and the same after a round trip."""

from pathlib import Path

import pytest

from animate.strict_toml import RecipeError, to_table
from retrieval.recipe import TrainRecipe, load_recipe, recipe_from_table

RECIPES = Path(__file__).parents[2] / "recipes"
NAMES = ["demo", "msrvtt", "msrvtt_7k", "msvd", "pretrain_cc3m", "vatex"]
SMALLEST = {"model": {"name": "ViT-B-32", "random_weights": True}, "data": {}}


def made(**tables: dict) -> TrainRecipe:
    return recipe_from_table(
        {name: SMALLEST.get(name, {}) | tables.get(name, {}) for name in {*SMALLEST, *tables}}
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_of_the_package_is_found_by_its_name_from_anywhere(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert load_recipe(name) == load_recipe(RECIPES / f"{name}.toml")
    (tmp_path / name).write_text("[data]\n")
    with pytest.raises(RecipeError, match=r"\[model\] is missing"):
        load_recipe(name)  # a file of that name goes before


def test_a_name_that_is_no_recipe_lists_those_that_are():
    with pytest.raises(RecipeError, match="'dmo': no such file, nor one of demo, msrvtt, "):
        load_recipe("dmo")


def test_the_shipped_recipes_are_these():
    assert sorted(path.stem for path in RECIPES.glob("*.toml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_recipe_is_valid_named_as_its_file_and_survives_a_round_trip(name):
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert recipe.name == name
    assert recipe_from_table(to_table(recipe)) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_no_shipped_recipe_selects_on_test(name):
    assert load_recipe(RECIPES / f"{name}.toml").eval.select_on != "test"


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"demo"}))
def test_a_full_recipe_says_what_it_costs(name):
    assert "What it costs" in (RECIPES / f"{name}.toml").read_text()


def test_only_the_demo_starts_from_noise():
    assert [name for name in NAMES if load_recipe(RECIPES / f"{name}.toml").model.random_weights] == ["demo"]


def test_an_override_is_read_as_toml_and_checked():
    recipe = load_recipe(RECIPES / "msrvtt.toml", ["interaction.head=eot", "train.freeze=['towers.*']"])
    assert recipe.interaction.head == "eot"
    assert recipe.train.freeze == ("towers.*",)
    with pytest.raises(
        RecipeError, match=r"interaction.head = .*: must be one of none, mean, eot, tokens, cross"
    ):
        load_recipe(RECIPES / "msrvtt.toml", ["interaction.head=both"])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            {"train": {"epoch": 3}},
            r"'epoch' in \[train\] \(did you mean 'epochs'\?\); known keys there: .*epochs",
        ),
        ({"train": {"epochs": 0}}, r"epochs = 0: must be at least 1"),
        ({"train": {"ema_decay": 1.0}}, r"ema_decay = 1.0: must be at least 0 and below 1"),
        ({"train": {"precision": "fp8"}}, r"must be one of fp32, bf16, fp16"),
        ({"train": {"batch_size": 1}}, r"batch_size = 1: must be at least 2"),
        ({"loss": {"negatives": 0}}, r"negatives = 0: must be at least 1"),
        ({"interaction": {"width": 30, "heads": 4}}, r"width = 30: must be a multiple of heads = 4"),
        ({"interaction": {"max_frames": 4}}, r"max_frames = 4: must be at least frames.num_frames = 12"),
        (
            {"interaction": {"head": "none"}, "data": {"caption_of": "both"}},
            r'"none" with data.caption_of = "both": nothing would learn .* "tokens", or data.camera_for',
        ),
        ({"model": {"config": {"embed_dim": 8}}}, r"give either name or the table config"),
        ({"model": {"weights": "openai"}}, r"random_weights = true: cannot be meant beside weights"),
        ({"eval": {"select_on": "train"}}, r"must be one of none, validation, test"),
        ({"model": {"temperature": 0.0}}, r"temperature = 0.0: must be above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(tables, message):
    with pytest.raises(RecipeError, match=message):
        made(**tables)


@pytest.mark.parametrize("missing", ["model", "data"])
def test_model_and_data_have_no_default(missing):
    table = {name: value for name, value in SMALLEST.items() if name != missing}
    with pytest.raises(RecipeError, match=rf"the table \[{missing}\] is missing"):
        recipe_from_table(table)
