"""What stands beside every number, and numbers that are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from retrieval.ahead import refuse_overlap
from retrieval.checkpoint import load_checkpoint
from retrieval.datasets import open_dataset
from retrieval.errors import DataError
from retrieval.evaluate import evaluate
from retrieval.protocol import write_result
from tests.support.evaluating import CPU, split_of
from tests.support.judged import recipe_of, save_run


def test_a_result_names_the_processor(table, tmp_path):
    checkpoint = load_checkpoint(
        save_run(tmp_path, recipe_of({"name": "table", "held_out_table": str(table)}))
    )
    dataset = open_dataset(checkpoint.recipe.data)
    device = evaluate(checkpoint, dataset, "test", top_k=3, device=CPU)["protocol"]["device"]
    name, threads = device.rsplit(", ", 1)
    assert threads == f"{torch.get_num_threads()} threads"
    assert name not in ("", "cpu")
    if Path("/proc/cpuinfo").is_file() and "model name" in Path("/proc/cpuinfo").read_text():
        assert name in Path("/proc/cpuinfo").read_text()


def test_a_result_says_how_it_was_measured(result, table):
    protocol = result["protocol"]
    assert protocol["split_hash"] == split_of(table).digest()
    assert protocol["frames"] == "uniform_segments middle 3, shorter side 32 and centre crop, pyav"
    assert protocol["token_limit"] == 16
    assert protocol["candidates_re_ranked"] == 3
    assert protocol["post_processing"] == ["dual-softmax", "query-bank"]
    assert protocol["selected_on"] == "none"
    assert protocol["selection_looked_at_test"] is False
    assert protocol["split_is_official"] is False
    assert set(protocol["versions"]) >= {"torch", "open_clip_torch", "python"}
    assert result["videos_by_status"] == {"ok": 9, "missing": 1}
    assert len(result["model"]["digest"]) == 64


def test_a_result_is_written_as_json(result, tmp_path):
    write_result(tmp_path / "new" / "result.json", result)
    assert json.loads((tmp_path / "new" / "result.json").read_text()) == json.loads(json.dumps(result))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path / "nan.json", {"R@1": float("nan")})
    assert not (tmp_path / "nan.json").exists()


def test_a_checkpoint_that_began_with_one_selected_on_test_says_so(table, tmp_path):
    recipe = recipe_of({"name": "table", "held_out_table": str(table)})
    before = {"name": "table", "looked_at_test": True}
    checkpoint = load_checkpoint(save_run(tmp_path, recipe, {"name": "table", "before": before}))
    result = evaluate(checkpoint, open_dataset(recipe.data), "test", top_k=3, device=CPU)
    assert result["protocol"]["selected_on"] == "none"
    assert result["protocol"]["selection_looked_at_test"] is True


def test_a_checkpoint_selected_on_test_says_so(table, tmp_path):
    data = {"name": "table", "held_out_table": str(table)}
    recipe = recipe_of(data)
    recipe = replace(recipe, eval=replace(recipe.eval, select_on="test"))
    checkpoint = load_checkpoint(save_run(tmp_path, recipe))
    result = evaluate(checkpoint, open_dataset(recipe.data), "test", top_k=3, device=CPU)
    assert result["protocol"]["selection_looked_at_test"] is True


def test_a_model_of_the_9k_list_is_refused_on_the_full_test(table):
    nine = {"name": "msrvtt", "split": "9k", "videos": "ce586ac32b3021aa2b1a0300e70f05e4"}
    seven = {"name": "msrvtt", "split": "7k", "videos": "eccdf5d79b61a0013b27ffbfccdbb4a9"}
    full, one_k = (replace(split_of(table), name=name) for name in ("msrvtt full test", "msrvtt 1k-A test"))
    for trained_on in (nine, {"name": "table", "before": {"name": "shards", "before": nine}}):
        with pytest.raises(DataError, match="msrvtt 9k, which shares 1,990 videos with msrvtt full test"):
            refuse_overlap(trained_on, full)
        refuse_overlap(trained_on, one_k)
    for other in (seven, None, {}):
        refuse_overlap(other, full)
