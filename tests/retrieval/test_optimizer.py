"""What turns gradients into steps: freezing, rates, schedule, moving average."""

import pytest
import torch

from retrieval import checkpoint, runs
from retrieval.optimizer import rate_factor
from retrieval.recipe import TrainSpec
from retrieval.train import train
from tests.support.tiny import TinyData
from tests.support.training import CPU, build, recipe, run


def test_frozen_names_stay_and_the_others_move(tmp_path):
    of = recipe(train={"freeze": ["towers.frames.*", "towers.words.*"]})
    before, after = build(of), run(of, tmp_path / "run")
    for name, value in before.state_dict().items():
        frozen = name.startswith(("towers.frames.", "towers.words."))
        assert torch.equal(value, after.state_dict()[name]) == frozen, name


def test_a_freeze_that_matches_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"freeze = 'tower\.\*': matches no parameter"):
        run(recipe(train={"freeze": ["tower.*"]}), tmp_path / "run")


def test_encoders_have_their_own_rate(tmp_path):
    of = recipe(train={"encoder_learning_rate": 0.0, "weight_decay": 0.0})
    before, after = build(of), run(of, tmp_path / "run")
    for name, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]) == name.startswith("towers."), name


def test_the_moving_average_is_what_checkpoints_hold(tmp_path):
    of = recipe(train={"ema_decay": 0.5, "checkpoint_every": 1, "keep": 12})
    raw: list[dict[str, torch.Tensor]] = []
    model = build(of)

    def remember(report) -> None:
        raw.append({name: value.clone() for name, value in model.state_dict().items()})

    start = {name: value.clone() for name, value in model.state_dict().items()}
    train(of, model, TinyData(), out=tmp_path, evaluate=None, device=CPU, on_step=remember)
    expected = start
    for step, weights in enumerate(raw, start=1):
        decay = min(0.5, (1 + step) / (10 + step))  # warms up: 2/11, 3/12, … to its value
        expected = {name: decay * expected[name] + (1 - decay) * weights[name] for name in weights}
        stored = build(of)
        checkpoint.load_weights(stored, runs.checkpoint_folder(tmp_path, step))
        for name, value in stored.state_dict().items():
            torch.testing.assert_close(value, expected[name])


def test_the_schedule_warms_up_and_falls_to_nothing():
    spec = TrainSpec(warmup_steps=4)
    factors = [rate_factor(step, total_steps=24, spec=spec) for step in range(25)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[14] == pytest.approx(0.5)
    assert factors[24] == 0.0
    assert factors[4:] == sorted(factors[4:], reverse=True)
    flat = TrainSpec(warmup_steps=0, schedule="constant")
    assert {rate_factor(step, total_steps=24, spec=flat) for step in range(24)} == {1.0}
