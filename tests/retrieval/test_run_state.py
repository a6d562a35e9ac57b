"""The folder of a run: begun, gone on with, selected from and pruned."""

import json

import pytest

from retrieval import runs
from retrieval.model import Retriever
from retrieval.recipe import recipe_from_table
from tests.support.training import recipe, run


def test_resuming_with_another_recipe_names_the_key(tmp_path):
    run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match=r"train\.clip_norm: 1\.0 -> 2\.0"):
        run(recipe(train={"clip_norm": 2.0}), tmp_path / "run", resume=True)


def test_a_key_that_an_earlier_release_did_not_know_is_at_its_default(tmp_path):
    run(recipe(), tmp_path / "run")
    path = tmp_path / "run" / "recipe.json"
    table = json.loads(path.read_text())
    del table["data"]["camera_for"], table["train"]["clip_norm"]
    path.write_text(json.dumps(table))
    run(recipe(), tmp_path / "run", resume=True)
    with pytest.raises(ValueError, match=r"train\.clip_norm: 1\.0 -> 2\.0"):
        run(recipe(train={"clip_norm": 2.0}), tmp_path / "run", resume=True)


def test_a_run_is_not_written_over_another(tmp_path):
    run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run already"):
        run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match="holds no run to resume"):
        run(recipe(), tmp_path / "other", resume=True)


@pytest.mark.parametrize(
    ("values", "chosen"), [((0.1, 0.5, 0.3), 8), ((0.5, 0.5, 0.3), 8), ((0.1, 0.2, 0.3), 12)]
)
def test_the_best_checkpoint_is_selected_and_kept(tmp_path, values, chosen):
    answers = iter(values)
    of = recipe(eval={"select_on": "validation"}, train={"keep": 1})
    seen_training: list[bool] = []

    def evaluate(model: Retriever) -> dict[str, float]:
        seen_training.append(model.training)
        return {"mean_R@1": next(answers), "t2v_R@1": 0.0}

    run(of, tmp_path, evaluate=evaluate)
    folder = runs.find_checkpoint(tmp_path)
    info = runs.read_info(folder)
    assert info["step"] == chosen
    assert info["metrics"]["mean_R@1"] == max(values)
    assert not info["looked_at_test"]
    assert seen_training == [False] * 3
    assert {f.name for f in runs.checkpoints(tmp_path)} == {folder.name, "step_00000012"}


def test_selection_on_test_says_so(tmp_path):
    of = recipe(eval={"select_on": "test"})
    run(of, tmp_path, evaluate=lambda model: {"mean_R@1": 1.0})
    assert runs.read_info(runs.find_checkpoint(tmp_path))["looked_at_test"]
    assert json.loads((tmp_path / "selected.json").read_text())["looked_at_test"]


def test_the_resolved_recipe_is_stored(tmp_path):
    of = recipe(train={"clip_norm": 3.0})
    run(of, tmp_path)
    assert recipe_from_table(json.loads((tmp_path / "recipe.json").read_text())) == of
