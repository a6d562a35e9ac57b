"""Checkpoints: whole or not there, the same model again, and refusals of what does not belong together."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from animate.strict_toml import RecipeError, to_table
from retrieval import checkpoint, runs
from retrieval.durable import write_json
from retrieval.errors import CheckpointError
from retrieval.model import Retriever
from retrieval.recipe import TrainRecipe, recipe_from_table

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 12, "width": 16, "heads": 2, "layers": 1},
}


def recipe(**changes: dict) -> TrainRecipe:
    table = {
        "model": {"config": CONFIG, "random_weights": True},
        "interaction": {"width": 16, "heads": 2, "layers": 1},
        "data": {},
        "frames": {"size": 32, "num_frames": 2},
    }
    return recipe_from_table(
        {name: table.get(name, {}) | changes.get(name, {}) for name in {*table, *changes}}
    )


def store(run: Path, of: TrainRecipe, step: int = 5) -> Retriever:
    """A model with weights of its own, stored."""
    model = checkpoint.start_model(of)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * step)
    checkpoint.save_checkpoint(
        run,
        step=step,
        model=model,
        recipe=of,
        facts={"epoch": 0.5, "metrics": {}},
        training={"optimizer": {}},
    )
    return model.eval()


@torch.no_grad()
def test_a_stored_model_comes_back_with_all_that_says_what_it_is(tmp_path):
    of = recipe(model={"config": {**CONFIG, "quick_gelu": True}, "token_limit": 8})
    model = store(tmp_path, of)
    loaded = checkpoint.load_checkpoint(tmp_path)
    assert loaded.recipe == of
    assert not loaded.model.training
    ids = model.tokenize(["a dog", "a cat runs"])
    torch.testing.assert_close(
        loaded.model.encode_text(ids).tokens, model.encode_text(ids).tokens, rtol=0, atol=0
    )
    info = loaded.info
    assert (info["activation"], info["context_length"], info["token_limit"]) == ("quick_gelu", 12, 8)
    assert (info["step"], info["epoch"], info["select_on"], info["looked_at_test"]) == (
        5,
        0.5,
        "validation",
        False,
    )


def test_an_interrupted_write_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    store(tmp_path, recipe(), step=1)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        store(tmp_path, recipe(), step=2)
    assert [folder.name for folder in runs.checkpoints(tmp_path)] == ["step_00000001"]
    assert checkpoint.load_checkpoint(tmp_path).info["step"] == 1


def test_the_selected_checkpoint_comes_before_the_newest(tmp_path):
    for step in (1, 2):
        store(tmp_path, recipe(), step=step)
    assert checkpoint.load_checkpoint(tmp_path).info["step"] == 2
    write_json(tmp_path / "selected.json", {"checkpoint": "step_00000001"})
    assert checkpoint.load_checkpoint(tmp_path).info["step"] == 1
    assert checkpoint.load_checkpoint(runs.checkpoint_folder(tmp_path, 2)).info["step"] == 2


def test_no_checkpoint_is_a_message(tmp_path):
    with pytest.raises(CheckpointError, match="neither a run folder with checkpoints nor one of them"):
        checkpoint.load_checkpoint(tmp_path)


def test_another_activation_is_refused_wherever_it_hides(tmp_path):
    store(tmp_path, recipe())
    folder = runs.find_checkpoint(tmp_path)
    # in the JSON alone
    shutil.copytree(folder, tmp_path / "json")
    info = json.loads((folder / "checkpoint.json").read_text())
    info["architecture"]["config"]["quick_gelu"] = True
    (tmp_path / "json" / "checkpoint.json").write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match="was trained with 'gelu', but its config builds 'quick_gelu'"):
        checkpoint.load_checkpoint(tmp_path / "json")
    # in the weights alone
    save_file(
        load_file(folder / "model.safetensors"), folder / "model.safetensors", {"activation": "quick_gelu"}
    )
    with pytest.raises(CheckpointError, match="trained with activation 'quick_gelu', not 'gelu'"):
        checkpoint.load_checkpoint(folder)


def test_a_run_starts_from_another_ones_weights(tmp_path):
    model = store(tmp_path, recipe())
    taken = checkpoint.start_model(recipe(model={"start_from": str(tmp_path)}))
    for name, value in model.state_dict().items():
        assert torch.equal(value, taken.state_dict()[name]), name


def test_a_fine_stage_starts_anew_where_the_checkpoint_has_none(tmp_path):
    model = store(tmp_path, recipe(interaction={"head": "none"}))
    taken = checkpoint.start_model(recipe(model={"start_from": str(tmp_path)}))
    assert taken.interaction is not None
    for name, value in model.state_dict().items():
        assert torch.equal(value, taken.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"activation": "quick_gelu"}}, "was trained with 'gelu'"),
        ({"model": {"config": {**CONFIG, "quick_gelu": True}}}, "made with 'quick_gelu'"),
        ({"model": {"config": {**CONFIG, "embed_dim": 24}}}, "embed_dim: 16 -> 24"),
        ({"interaction": {"width": 32}}, "width: 16 -> 32"),
        ({"interaction": {"head": "eot"}}, 'head: "tokens" -> "eot"'),
    ],
)
def test_starting_from_another_model_is_refused_with_what_differs(tmp_path, changes, message):
    store(tmp_path, recipe())
    model = changes.get("model", {}) | {"start_from": str(tmp_path)}
    with pytest.raises(ValueError, match=message):
        checkpoint.start_model(recipe(**{**changes, "model": model}))


def test_frames_of_a_size_that_the_encoder_does_not_take_are_refused():
    with pytest.raises(RecipeError, match=r"frames.size = 64: this encoder takes \(32, 32\) pixels"):
        checkpoint.start_model(recipe(frames={"size": 64, "num_frames": 2}))


def test_the_seed_decides_random_weights_and_nothing_outside_changes():
    state = torch.get_rng_state()
    first, again = checkpoint.start_model(recipe()), checkpoint.start_model(recipe())
    other = checkpoint.start_model(recipe_from_table({**to_table(recipe()), "seed": 1}))
    assert torch.equal(torch.get_rng_state(), state)
    name = "towers.clip.visual.conv1.weight"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])


def test_equal_weights_are_equal_files(tmp_path):
    for run in ("a", "b"):
        store(tmp_path / run, recipe())
    files = [runs.find_checkpoint(tmp_path / run) / "model.safetensors" for run in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()
    digests = [checkpoint.load_checkpoint(tmp_path / run).info["digest"] for run in ("a", "b")]
    assert digests[0] == digests[1]
