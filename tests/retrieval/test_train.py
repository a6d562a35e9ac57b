"""The loop: it learns, resumes bit for bit, does not depend on workers, and stops on what is no number."""

import dataclasses
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from retrieval import checkpoint, runs
from retrieval.batch import Batch
from retrieval.distributed import Group
from retrieval.errors import NotFinite
from retrieval.model import Retriever, assemble
from retrieval.optimizer import rate_factor
from retrieval.recipe import TrainRecipe, TrainSpec, recipe_from_table
from retrieval.train import OnStep, train
from tests.support.tiny import TinyData, TinyTowers

CPU = torch.device("cpu")
RATES = ("learning_rate", "encoder_learning_rate", "prior_learning_rate")


def recipe(**changes: dict) -> TrainRecipe:
    """A run of 3 epochs of 4 steps, one or more of its tables changed."""
    table = {
        "model": {"name": "tiny", "random_weights": True},
        "interaction": {"width": 16, "heads": 2, "layers": 1},
        "data": {},
        "train": {
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 3e-3,
            "encoder_learning_rate": 3e-3,
            "warmup_steps": 2,
            "log_every": 1,
            "log_to": "none",
        },
        "eval": {"select_on": "none"},
    }
    return recipe_from_table(
        {name: table.get(name, {}) | changes.get(name, {}) for name in {*table, *changes}}
    )


def build(of: TrainRecipe) -> Retriever:
    with torch.random.fork_rng():
        torch.manual_seed(of.seed)
        return assemble(TinyTowers(), of.model, of.interaction)


def run(of: TrainRecipe, out: Path, *, data=None, evaluate=None, **options: Any) -> Retriever:
    """The model after training, its raw weights."""
    model = build(of)
    train(of, model, data or TinyData(), out=out, evaluate=evaluate, device=CPU, **options)
    return model


def curve(out: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


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


def test_resuming_with_another_recipe_names_the_key(tmp_path):
    run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match=r"train\.clip_norm: 1\.0 -> 2\.0"):
        run(recipe(train={"clip_norm": 2.0}), tmp_path / "run", resume=True)


def test_a_run_is_not_written_over_another(tmp_path):
    run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run already"):
        run(recipe(), tmp_path / "run")
    with pytest.raises(ValueError, match="holds no run to resume"):
        run(recipe(), tmp_path / "other", resume=True)


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


class Poisoned(TinyData):
    """One clip's frames are not numbers, in all epochs but the first `healthy`."""

    healthy = 0

    def batches(self, *, epoch: int, batch_size: int, start: int, rank: int, workers: int) -> Iterator[Batch]:
        for batch in super().batches(
            epoch=epoch, batch_size=batch_size, start=start, rank=rank, workers=workers
        ):
            if epoch >= self.healthy and "clip17" in batch.keys:
                batch.frames[batch.keys.index("clip17")] = torch.nan
            yield batch


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


def test_fp16_trains(tmp_path):
    run(recipe(train={"precision": "fp16", "epochs": 10}), tmp_path / "run")
    losses = curve(tmp_path / "run")
    assert sum(losses[-4:]) < sum(losses[:4])


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


def test_the_schedule_warms_up_and_falls_to_nothing():
    spec = TrainSpec(warmup_steps=4)
    factors = [rate_factor(step, total_steps=24, spec=spec) for step in range(25)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[14] == pytest.approx(0.5)
    assert factors[24] == 0.0
    assert factors[4:] == sorted(factors[4:], reverse=True)
    flat = TrainSpec(warmup_steps=0, schedule="constant")
    assert {rate_factor(step, total_steps=24, spec=flat) for step in range(24)} == {1.0}


def ray_work(of: TrainRecipe, out: Path, data: TinyData, group: Group, on_step: OnStep) -> None:
    torch.set_num_threads(1)
    train(of, build(of), data, out=out, evaluate=None, device=CPU, group=group, on_step=on_step)


# Ray's own modules warn of their own settings, and leave sockets to the collector.
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::ResourceWarning", "ignore::FutureWarning:ray"
)
def test_ray_workers_give_the_curve_of_one_and_errors_come_through(tmp_path):
    import ray

    from retrieval.workers import run_on_ray

    of = recipe()
    run(of, tmp_path / "one")
    data = Poisoned()
    data.healthy = 2
    steps: list[int] = []
    try:
        with pytest.raises(NotFinite, match=r"step \d+: loss nan"):
            run_on_ray(
                partial(ray_work, of, tmp_path / "two", data),
                workers=2,
                use_gpu=False,
                storage=tmp_path / "ray",
                on_step=lambda report: steps.append(report.step),
            )
    finally:
        ray.shutdown()
    assert len(steps) >= 8
    assert steps == list(range(1, len(steps) + 1))
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one")[: len(steps)], rel=1e-3)
    # Both workers wrote down what they saw.
    assert len(list((tmp_path / "two").glob("not_finite_step*_worker?.json"))) == 2
