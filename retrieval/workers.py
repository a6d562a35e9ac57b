"""Several workers of one run through Ray Train: the only file that imports ray."""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any

import ray
import ray.train
from ray.exceptions import RayTaskError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.queue import Queue

from animate.strict_toml import RecipeError
from retrieval.distributed import Group
from retrieval.train import OnStep, StepReport

#: What a worker does; called once on each.
Work = Callable[[Group, OnStep], None]

#: How often the parent looks for news of its workers, seconds.
POLL_SECONDS = 0.2


def run_on_ray(work: Work, *, workers: int, use_gpu: bool, storage: Path, on_step: OnStep) -> None:
    """Call `work` on each of `workers` Ray Train workers, joined by gloo, or by nccl with a GPU each.

    The first worker's reports reach `on_step` here. What a worker raises is raised here. They run on the
    cluster of the environment's RAY_ADDRESS, else on this machine; `storage` is where Ray Train keeps its
    own notes.
    """
    if not ray.is_initialized():
        _start(workers)
    kind = "GPU" if use_gpu else "CPU"
    there = int(ray.cluster_resources().get(kind, 0))
    if workers > there:
        raise RecipeError(f"workers = {workers}: must be at most {there}, the {kind}s that Ray has")
    reports = Queue(actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _worker,
        train_loop_config={"work": work, "reports": reports, "folder": str(Path.cwd())},
        scaling_config=ray.train.ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
        run_config=ray.train.RunConfig(storage_path=str(storage.resolve())),
    )
    ended = threading.Event()
    listener = threading.Thread(target=_pass_on, args=(reports, on_step, ended), daemon=True)
    listener.start()
    try:
        trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _cause(error) from error
    finally:
        ended.set()
        listener.join()
        reports.shutdown()


def _start(workers: int) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address := os.environ.get("RAY_ADDRESS"):
        ray.init(address=address, **quiet)
    else:
        # Said, because Ray would else look for a cluster that ran here once, and wait for it.
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **quiet)


def _worker(settings: dict[str, Any]) -> None:
    # Ray Train moves its workers to a folder of its own; a recipe's relative paths mean the user's.
    os.chdir(settings["folder"])
    context = ray.train.get_context()
    group = Group(rank=context.get_world_rank(), size=context.get_world_size())
    settings["work"](group, partial(_put, settings["reports"], group))


def _put(reports: Queue, group: Group, report: StepReport) -> None:
    if group.rank == 0:
        reports.put(report)


def _pass_on(reports: Queue, on_step: OnStep, ended: threading.Event) -> None:
    """Hand on what the workers report until they have ended and nothing is left."""
    while True:
        last_look = ended.is_set()
        try:
            on_step(reports.get(timeout=POLL_SECONDS))
        except Empty:
            if last_look:
                return


def _cause(error: Exception) -> Exception:
    """What the first failed worker raised, where Ray Train says; else its own error."""
    if not isinstance(error, ray.train.WorkerGroupError):
        return error
    first: Any = error.worker_failures[min(error.worker_failures)]
    return first.cause if isinstance(first, RayTaskError) else first
