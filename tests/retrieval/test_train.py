"""The loop: it learns, resumes bit for bit, and stops on what is no number."""

import dataclasses
import json
from functools import partial

import pytest
import torch

from retrieval import runs
from retrieval.distributed import Group
from retrieval.errors import NotFinite
from retrieval.train import train
from tests.support.tiny import TinyData
from tests.support.training import CPU, RATES, Poisoned, build, curve, recipe, run


class Killed(Exception):
    """What the test kills a run with."""


def kill_at(step: int, report) -> None:
    if report.step == step:
        raise Killed


def test_it_learns(tmp_path):
    of = recipe(train={"epochs": 20})
    run(of, tmp_path / "run")
    losses = curve(tmp_path / "run")
    assert len(losses) == 80
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])


@pytest.mark.parametrize("extra", [{}, {"ema_decay": 0.9}, {"accumulate": 2}, {"precision": "bf16"}])
@pytest.mark.parametrize("killed_at", [5, 4])
def test_a_killed_run_resumes_bit_for_bit(tmp_path, extra, killed_at):
    of = recipe(train={"checkpoint_every": 3, **extra, "epochs": 3 * extra.get("accumulate", 1)})
    whole = run(of, tmp_path / "whole")
    with pytest.raises(Killed):
        run(of, tmp_path / "killed", on_step=partial(kill_at, killed_at))
    resumed = run(of, tmp_path / "killed", resume=True)
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    last = [runs.find_checkpoint(tmp_path / name) / runs.MODEL for name in ("whole", "killed")]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_accumulated_batches_are_averaged(tmp_path):
    """Frozen weights: the logged loss of one accumulated step is the mean of the single steps' losses."""
    frozen = {"freeze": ["*"], "epochs": 1}
    still = recipe(train=frozen | {**dict.fromkeys(RATES, 0.0), "freeze": []})
    run(still, tmp_path / "single")
    double = dataclasses.replace(still, train=dataclasses.replace(still.train, accumulate=2))
    run(double, tmp_path / "double")
    single = curve(tmp_path / "single")
    assert curve(tmp_path / "double") == pytest.approx([sum(single[:2]) / 2, sum(single[2:]) / 2], rel=1e-5)


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_do_not_change_the_curve(tmp_path, micro_batch):
    run(recipe(), tmp_path / "plain")
    run(recipe(train={"micro_batch": micro_batch}), tmp_path / "micro")
    assert curve(tmp_path / "micro") == pytest.approx(curve(tmp_path / "plain"), rel=1e-3)


def test_a_loss_that_is_no_number_stops_the_run_and_its_keys_are_written_down(tmp_path):
    out = tmp_path / "run"
    before = {name: value.clone() for name, value in build(recipe()).state_dict().items()}
    model = build(recipe())
    with pytest.raises(NotFinite, match=r"not_finite_step(\d+)_worker0\.json"):
        train(recipe(), model, Poisoned(), out=out, evaluate=None, device=CPU)
    (path,) = out.glob("not_finite_step*.json")
    written = json.loads(path.read_text())
    assert "clip17" in written["keys"]
    assert len(written["keys"]) == 8
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert before.keys() == model.state_dict().keys()


def test_fp16_trains(tmp_path):
    run(recipe(train={"precision": "fp16", "epochs": 10}), tmp_path / "run")
    losses = curve(tmp_path / "run")
    assert sum(losses[-4:]) < sum(losses[:4])


def test_data_smaller_than_a_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="batch_size = 64, accumulate = 1: the training data is smaller"):
        run(recipe(train={"batch_size": 64}), tmp_path)


def test_a_batch_that_workers_cannot_share_is_refused(tmp_path):
    with pytest.raises(ValueError, match="batch_size = 8: must be a multiple of the 3 workers"):
        train(
            recipe(),
            build(recipe()),
            TinyData(),
            out=tmp_path,
            evaluate=None,
            device=CPU,
            group=Group(size=3),
        )
