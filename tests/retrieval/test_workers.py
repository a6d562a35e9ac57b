"""Ray workers give the curve of one, and their errors come through."""

from functools import partial
from pathlib import Path

import pytest
import torch

from retrieval.distributed import Group
from retrieval.errors import NotFinite
from retrieval.recipe import TrainRecipe
from retrieval.train import OnStep, train
from tests.support.tiny import TinyData
from tests.support.training import CPU, Poisoned, build, curve, recipe, run


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
