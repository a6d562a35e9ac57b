"""What a command's MODEL means, and names that mean nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from open_clip import CLIP, list_models

from retrieval.recipe import ModelSpec
from retrieval.reference import check_model, find_model, open_clip_names
from tests.support.commands import retrieval
from tests.support.judged import CONFIG, recipe_of, save_run, write_table


def test_the_list_of_names_is_open_clips_own():
    assert open_clip_names() == sorted(list_models())


@pytest.mark.parametrize(
    "reference", ["ViT-B-32:openai", "ViT-B-32::openai", "ViT-B-32/openai", "ViT-B-32,openai"]
)
def test_a_name_and_a_tag_in_every_way_that_people_write_them(reference):
    model = find_model(reference).table["model"]
    assert (model["name"], model["weights"]) == ("ViT-B-32", "openai")


def test_a_run_comes_with_its_recipe_and_a_bare_model_with_none(tmp_path, weights):
    save_run(tmp_path / "run", recipe_of({"name": "table"}))
    run = find_model(str(tmp_path / "run"), ["frames.num_frames=2"])
    assert run.checkpoint is not None and run.table["frames"]["num_frames"] == 2
    assert find_model(run.reference).checkpoint == run.checkpoint
    bare = find_model(str(weights))
    assert bare.checkpoint is None and bare.table["interaction"] == {"head": "none"}
    assert find_model("hf-hub:org/name").table["model"] == {"name": "hf-hub:org/name"}


def test_a_training_recipe_may_name_a_weights_file_alone(weights):
    check_model(ModelSpec(name=str(weights)))


def test_without_training_a_model_is_judged_indexes_and_is_searched(weights, tmp_path, monkeypatch):
    """What most people try first, and every paper's zero-shot row."""
    monkeypatch.chdir(tmp_path)
    table = write_table(tmp_path / "videos", 4)
    frames = ("--set", "frames.num_frames=2")
    printed = retrieval("eval", weights, "--data", "table", "--set", f"data.held_out_table={table}", *frames)
    assert "chance within K" not in printed  # there is no fine stage
    stored = json.loads((tmp_path / "eval_tiny.pt_table_test.json").read_text())
    assert stored["model"]["checkpoint"] == "tiny.pt"
    assert stored["model"]["trained_on"] is None
    assert stored["protocol"]["frames"].startswith("uniform_segments middle 2, shorter side 32")
    retrieval("index", weights, tmp_path / "videos", "--out", tmp_path / "gallery", *frames)
    found = json.loads(retrieval("search", tmp_path / "gallery", "a dog", "--json"))
    coarse = stored["results"]["text_to_video"]["coarse"]["expected"]
    assert (coarse["num_gallery"], len(found["hits"])) == (4, 4)


def test_the_gallery_remembers_what_was_said_of_its_model(tmp_path):
    """Here: an activation that no file records."""
    path = tmp_path / "x.pt"
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "width": 64, "heads": 1}}
    torch.save(CLIP(**config).state_dict(), path)
    write_table(tmp_path / "videos", 2)
    said = ("--set", "model.activation=gelu", "--set", "frames.num_frames=2")
    retrieval("index", path, tmp_path / "videos", "--out", tmp_path / "gallery", *said)
    assert len(json.loads(retrieval("search", tmp_path / "gallery", "a dog", "--json"))["hits"]) == 2


REFUSED = [
    ("nowhere.pt", "model 'nowhere.pt': is not there"),
    ("nowhere/at/all", "model 'nowhere/at/all': is not there"),
    ("ViT-B-32", "needs a tag, as in ViT-B-32:openai"),
    ("ViT-B-33:openai", "is not there"),
    (".", "is a folder, but holds no run and no model"),
    ("local-dir:nowhere", "no open_clip_config.json and no config.json in that folder"),
]


@pytest.mark.parametrize(("reference", "message"), REFUSED)
def test_what_is_no_model_is_refused(reference, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        find_model(reference)


def recipe_file(folder: Path, **tables: dict) -> str:
    path = folder / "recipe.toml"
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


SHARDS = {"name": "shards", "shards": ["nowhere.tar"]}


@pytest.mark.parametrize(
    ("arguments", "tables", "message"),
    [
        (("train", "nowhere.toml"), {}, "no such file"),
        (("train", "RECIPE"), {"model": {"nam": "x"}, "data": {}}, "unknown key 'nam'"),
        (
            ("train", "RECIPE"),
            {"model": {"name": "ViT-B-33"}, "data": SHARDS},
            "must be a model of open_clip",
        ),
        (
            ("train", "RECIPE"),
            {"model": {"name": "ViT-B-32", "weights": "x.pt"}, "data": SHARDS},
            "no such file",
        ),
        (
            ("train", "RECIPE"),
            {"model": {"name": "ViT-B-32", "weights": "openai"}, "data": SHARDS},
            "is not there",
        ),
        (
            ("train", "RECIPE"),
            {"model": {"name": "RN50", "start_from": "runs/x"}, "data": SHARDS},
            "neither a run",
        ),
        (
            ("check", "RECIPE"),
            {"model": {"name": "RN50"}, "data": SHARDS},
            "shard 'nowhere.tar' is not there",
        ),
        (("eval", "nowhere"), {}, "is not there"),
        (("eval", "ViT-B-32:openai"), {}, "name what to judge it on"),
        (("eval", "ViT-B-32:openai", "--data", "msrvtt"), {}, "is not there"),
        (("eval", "ViT-B-32:openai", "--part", "train"), {}, "must be one of validation, test"),
        (("index", "nowhere.pt", ".", "--out", "gallery"), {}, "is not there"),
        (("index", "ViT-B-32:openai", "nowhere", "--out", "gallery"), {}, "no such"),
        (("search", "nowhere", "a dog"), {}, "no gallery there"),
    ],
)
def test_wrong_keys_and_missing_files_are_refused_before_torch_is_loaded(
    arguments, tables, message, tmp_path
):
    """Torch alone takes longer to load than an answer may."""
    path = recipe_file(tmp_path, **tables) if tables else ""
    script = (
        "import sys\nfrom cli.retrieval.main import main\n"
        "try:\n    main()\nfinally:\n"
        "    slow = {'torch', 'open_clip', 'faiss', 'ray', 'torchvision'} & set(sys.modules)\n"
        "    print('LOADED', *sorted(slow))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *(path if a == "RECIPE" else a for a in arguments)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"
