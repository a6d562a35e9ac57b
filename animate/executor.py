"""Run tasks here or on Ray: the only file that imports ray.

A task is a tuple of arguments for one function; its answer is a small value (a `ShardRecord`): bytes
are written where they were made and never travel. Three kinds of failure stay apart. Bad data never
gets here (it is part of the answer). A bug is an exception: the task is tried again at the end of the
queue, within a limit, and then listed. A lost worker or machine is Ray's own retry.
"""

import contextlib
import ctypes
import logging
import math
import os
import signal
import site
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from animate import tally
from animate.errors import UserError

log = logging.getLogger(__name__)

#: Told how far running tasks are: their index to (clips, rejected) so far.
OnCount = Callable[[Mapping[int, tuple[int, int]]], None]

#: How often Ray starts a task again after its worker or its machine was lost.
LOST_WORKER_RETRIES = 5
#: Seconds that running tasks get to clear up after Ctrl-C before their processes are ended.
GRACE_SECONDS = 10.0
#: Native libraries on one thread: the parallelism is over shards. OpenCV ignores these: `prepare_process`.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
#: Plasma holds only task arguments and small records.
OBJECT_STORE_BYTES = 100 * 2**20


class ClusterNotFound(UserError):
    """No Ray cluster answers at the address that was given."""


class NoGpu(UserError):
    """Tasks that want a GPU have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Task number `task` raised (or lost its machine) `attempts` times.

    `message` is one line, `details` the last traceback.
    """

    task: int
    attempts: int
    message: str
    details: str


def run_tasks(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    workers: int,
    on_done: Callable[[int, Any], None],
    on_count: OnCount | None = None,
    address: str | None = None,
    retries: int = 2,
    time_limit: float | None = None,
    on_gpus: bool = False,
) -> list[Failure]:
    """Call `function(*task)` for every task and `on_done(index, answer)` as each ends; return the failures.

    `workers` = 0 runs in this process, one task after the other. Otherwise that many tasks are in flight
    on Ray: on a cluster of this machine that lives as long as the call or, with `address`, on a running
    one, where 0 means as many as the cluster has CPUs. A task that raises is tried `retries` times more.
    After `time_limit` seconds no task starts; those that run are finished. Ctrl-C stops the running tasks,
    lets them clear up, and goes on as KeyboardInterrupt. `on_count` hears now and then how far
    the running tasks are. `on_gpus` gives every task on Ray a GPU, or its share of one where there are
    more workers than GPUs; raises `NoGpu` if the cluster has none.
    """
    queue = _Queue(
        tasks=deque((index, 1) for index in range(len(tasks))), retries=retries, ends=_end(time_limit)
    )
    if workers == 0 and address is None:
        _run_here(function, tasks, queue, on_done, on_count)
    else:
        with _ray_cluster(workers, address):
            _run_on_ray(function, tasks, queue, on_done, on_count, workers, on_gpus)
    return sorted(queue.failures, key=lambda failure: failure.task)


def available_cpus() -> int:
    """CPUs that this process may use: the machine's, less what affinity or a container's quota takes away."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, math.ceil(int(quota) / int(period))))
    return count


def prepare_process() -> None:
    """Make this process a good worker: one thread for OpenCV and torch, freed memory kept for reuse."""
    import cv2

    cv2.setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _keep_freed_memory()


@dataclass(slots=True, kw_only=True)
class _Queue:
    """Tasks still to start as (index, attempt), and those given up."""

    tasks: deque[tuple[int, int]]
    retries: int
    ends: float
    failures: list[Failure] = field(default_factory=list)

    def next(self) -> tuple[int, int] | None:
        """The next task to start; None if there is none or the time is up."""
        return self.tasks.popleft() if self.tasks and time.monotonic() < self.ends else None

    def raised(self, index: int, attempt: int, message: str, details: str) -> None:
        log.warning("task %d, attempt %d: %s", index, attempt, message)
        if attempt <= self.retries:
            self.tasks.append((index, attempt + 1))
        else:
            self.failures.append(Failure(task=index, attempts=attempt, message=message, details=details))


def _end(time_limit: float | None) -> float:
    return math.inf if time_limit is None else time.monotonic() + time_limit


def _run_here(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    queue: _Queue,
    on_done: Callable[[int, Any], None],
    on_count: OnCount | None,
) -> None:
    with _own_threads_restored():
        while (started := queue.next()) is not None:
            index, attempt = started
            try:
                with _counted_here(index, on_count):
                    answer = function(*tasks[index])
            except Exception as error:  # the one place where a bug, whatever it is, becomes a listed failure
                queue.raised(index, attempt, _one_line(error), traceback.format_exc())
            else:
                on_done(index, answer)


def _run_on_ray(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    queue: _Queue,
    on_done: Callable[[int, Any], None],
    on_count: OnCount | None,
    workers: int,
    on_gpus: bool,
) -> None:
    import ray
    import ray.exceptions

    gpus = _gpus_a_task(ray.cluster_resources(), workers) if on_gpus else 0
    remote = ray.remote(_on_worker).options(num_cpus=1, num_gpus=gpus, max_retries=LOST_WORKER_RETRIES)
    # An actor gathers the counts: it costs a process, so only where somebody wants to know.
    counts: Any = ray.remote(_Counts).options(num_cpus=0).remote() if on_count else None
    running: dict[Any, tuple[int, int]] = {}
    try:
        while True:
            # Asked anew each time: machines join and leave a cluster.
            width = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < width and (started := queue.next()) is not None:
                running[remote.remote(function, tasks[started[0]], started, counts)] = started
            if not running:
                return
            ready, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
            for reference in ready:
                index, attempt = running.pop(reference)
                try:
                    answer = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    queue.raised(index, attempt, _one_line(error.cause), str(error))
                except ray.exceptions.RayError as error:  # lost more often than Ray tries again
                    queue.raised(index, attempt, _one_line(error), str(error))
                else:
                    on_done(index, answer)
            if on_count is not None:
                with contextlib.suppress(ray.exceptions.RayError):  # only a progress bar waits for it
                    heard: Any = ray.get(counts.of.remote(list(running.values())), timeout=5.0)
                    on_count(heard)
    finally:  # `running` is empty unless Ctrl-C, or an error of the caller's, broke in
        for reference in running:
            ray.cancel(reference, force=False)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=GRACE_SECONDS)


def _gpus_a_task(resources: Mapping[str, float], workers: int) -> float:
    """A whole GPU, or a share: as many tasks on each as it takes for all workers to work."""
    gpus = int(resources.get("GPU", 0))
    if not gpus:
        raise NoGpu("no machine of the Ray cluster has a GPU")
    width = workers or max(1, int(resources.get("CPU", 1)))
    return 1 / max(1, math.ceil(width / gpus))


def _on_worker(
    function: Callable[..., Any], task: tuple[Any, ...], started: tuple[int, int], counts: Any
) -> Any:
    prepare_process()
    if counts is None:
        return function(*task)
    with tally.heard(lambda clips, rejected: counts.put.remote(started, (clips, rejected))):
        return function(*task)


class _Counts:
    """A Ray actor that knows how far each (task, attempt) is."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], tuple[int, int]] = {}

    def put(self, started: tuple[int, int], count: tuple[int, int]) -> None:
        self._counts[started] = count

    def of(self, running: list[tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """By task, for those that run; the others are forgotten."""
        self._counts = {started: self._counts[started] for started in running if started in self._counts}
        return {index: count for (index, _), count in self._counts.items()}


@contextlib.contextmanager
def _counted_here(index: int, on_count: OnCount | None) -> Iterator[None]:
    if on_count is None:
        yield
        return
    with tally.heard(lambda clips, rejected: on_count({index: (clips, rejected)})):
        yield


@contextlib.contextmanager
def _ray_cluster(workers: int, address: str | None) -> Iterator[None]:
    """Ray is up inside the block: the caller's if it is up already, a running cluster, or one of our own."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read on import: a build reports to nobody
    import ray

    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with _sigterm_kept():
        if address is not None:
            package = str(Path(__file__).resolve().parent)
            environment = {"py_modules": [package], "env_vars": {**ONE_THREAD}}
            try:
                ray.init(address=address, runtime_env=environment, **quiet)
            except ConnectionError as error:
                hint = "is one running there? a cluster with a token wants RAY_AUTH_MODE=token"
                raise ClusterNotFound(f"address = {address!r}: {_one_line(error)} ({hint})") from None
        else:
            with _environment(_local_environment()):  # the processes of the cluster inherit it
                ray.init(
                    address="local",
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    **quiet,
                )
    try:
        yield
    finally:
        ray.shutdown()


def _local_environment() -> Mapping[str, str]:
    environment = {**ONE_THREAD, "RAY_worker_niceness": "0"}  # Ray's 15 starves builds beside anything else
    root = str(_code_root())
    if root not in (*site.getsitepackages(), site.getusersitepackages()):  # run from a checkout
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return environment


def _code_root() -> Path:
    """The folder that workers must have on their path to import the code that runs here."""
    return Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Undo what `ray.init` does to SIGTERM: the program that calls us decides how it stops."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _own_threads_restored() -> Iterator[None]:
    """`prepare_process` inside the block; the caller's own thread counts after it."""
    import cv2

    torch = sys.modules.get("torch")
    opencv_threads, torch_threads = cv2.getNumThreads(), torch.get_num_threads() if torch else 0
    prepare_process()
    try:
        yield
    finally:
        cv2.setNumThreads(opencv_threads)
        if torch:
            torch.set_num_threads(torch_threads)


def _keep_freed_memory() -> None:
    """Tell glibc to keep freed megabytes: giving them back costs page faults, half of a worker's time."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library (macOS, musl, Windows): nothing to tune
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    mallopt(trim_threshold, 2**30)
    mallopt(mmap_threshold, 32 * 2**20)  # the most that glibc takes


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:500]
