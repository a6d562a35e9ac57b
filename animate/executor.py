"""Run tasks here or on Ray.

A task is a tuple of arguments for one function; its answer is a small value (a `ShardRecord`): bytes
are written where they were made and never travel. On the way it may report how far it is.

Three kinds of failure stay apart. Bad data never gets here (it is part of the answer). A bug is an exception:
the task is tried again at the end of the queue, within a limit, and then listed. A lost worker or machine is
Ray's own retry.
"""

import contextlib
import dataclasses
import errno
import logging
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from animate.apart import Child, ChildLost, Seldom, TaskRaised, TaskReport
from animate.cluster import ray_cluster
from animate.errors import StopsBuild, UserError, one_line
from animate.threads import available_cpus, own_threads_restored, prepare_process

log = logging.getLogger(__name__)

#: Told how far running tasks are: their index to what each reported last.
OnReport = Callable[[Mapping[int, Any]], None]

#: The task to try in place of one whose worker was lost: that may have been its doing.
AfterLoss = Callable[[tuple[Any, ...]], tuple[Any, ...]]

#: What becomes of an attempt at a task: it starts, it raises, or its worker is lost.
AttemptState = Literal["started", "raised", "lost"]
#: Told the index of a task, the number of the attempt, what became of it, and an error in one line.
OnAttempt = Callable[[int, int, AttemptState, str], None]

#: What every task that writes would raise.
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
#: Workers for each CPU where they wait most of the time.
WAITING_A_CPU = 4
#: How often Ray starts a task again after its worker or its machine was lost.
LOST_WORKER_RETRIES = 5
#: Seconds that running tasks get to clear up after Ctrl-C before their processes are ended.
GRACE_SECONDS = 10.0


class ClusterLost(UserError):
    """The Ray cluster ended while tasks ran, or ours did so time after time."""


class NoGpu(UserError):
    """Tasks that want a GPU have none."""


class CannotWrite(StopsBuild):
    """There is no room where tasks write, or no right to: no other task would fare better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """Who works, and for how long; nothing of it decides what is made.

    `workers` = 0 is this process, n that many Ray workers; None is what suits the machine and the amount of
    work. With `address` they join a running Ray cluster, where 0 and None mean as many as it has CPUs.
    `device` renders frames: "cpu", or whatever torch takes ("cuda"), whose frames differ by rounding.
    After `time_limit` seconds no task is started. With `apart`, what would be done in this process is done
    in a child of it, which may crash (`animate.apart.can_be_apart` says where that works).
    """

    workers: int | None = None
    address: str | None = None
    device: str = "cpu"
    time_limit: float | None = None
    apart: bool = False

    @property
    def on_gpus(self) -> bool:
        return self.device.startswith("cuda")

    def after(self, seconds: float) -> "Workforce":
        """The same, when `seconds` of its time are over."""
        if self.time_limit is None:
            return self
        return dataclasses.replace(self, time_limit=self.time_limit - seconds)

    def sized(self, num_tasks: int, *, small: bool, waiting: bool = False) -> "Workforce":
        """The same with a number of workers; `small` work is done before a cluster has started.

        Workers that spend their time `waiting` for the network leave a CPU to others: there are more of them.
        """
        if self.workers is not None or self.address is not None:
            return dataclasses.replace(self, workers=self.workers or 0)
        useful = min(available_cpus() * (WAITING_A_CPU if waiting else 1), num_tasks)
        return dataclasses.replace(self, workers=0 if small or useful < 2 else useful)


#: This process, without limits.
HERE = Workforce(workers=0)
#: Whatever suits the machine and the amount of work.
AUTOMATIC = Workforce()


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
    workforce: Workforce = HERE,
    *,
    on_done: Callable[[int, Any], None],
    on_report: OnReport | None = None,
    after_loss: AfterLoss | None = None,
    on_attempt: OnAttempt | None = None,
    retries: int = 2,
    names: Sequence[str] = (),
) -> list[Failure]:
    """Call `function(*task)` for every task and `on_done(index, answer)` as each ends; return the failures.

    In this process, or a child of it, one task runs after the other. On Ray as many are in flight as there
    are workers: on a cluster of this machine that lives as long as the call or, with an address, on a running
    one. Where frames are rendered on GPUs every task on Ray has one, or its share of one where there are more
    workers than GPUs; raises `NoGpu` if the cluster has none. A task that raises is tried `retries` times
    more. Raises `CannotWrite` at the first task for which there is no room, and any other `StopsBuild` as it
    is. When the time is up, tasks that run are finished. Ctrl-C stops the running tasks, lets them clear up,
    and goes on as KeyboardInterrupt.

    A worker of Ray that is lost, or its machine, is replaced `LOST_WORKER_RETRIES` times, but with
    `after_loss` the task is another from then on. So is a cluster of our own; raises `ClusterLost` where
    another one ends. A child that is lost counts as a task that raised, and is replaced.

    `on_attempt` hears of each start of a task, and of each that failed; the tries that Ray makes itself go
    unheard. Without it the log has those that failed, by `names`. With `on_report`, `function` gets one more
    argument, a `TaskReport`; now and then `on_report` hears what the running tasks reported last.
    """
    workers = workforce.workers or 0
    limit = workforce.time_limit
    queue = _Queue(
        tasks=deque((index, 1) for index in range(len(tasks))),
        retries=retries,
        on_attempt=on_attempt,
        names=names or [f"task {index}" for index in range(len(tasks))],
        ends=math.inf if limit is None else time.monotonic() + limit,
    )
    todo = list(tasks)
    if workers == 0 and workforce.address is None:
        if workforce.apart:
            _run_apart(function, todo, queue, on_done, on_report, after_loss)
        else:
            _run_here(function, todo, queue, on_done, on_report)
    else:
        for cluster in range(LOST_WORKER_RETRIES + 1):
            try:
                with ray_cluster(workers, workforce.address) as ours:
                    _run_on_ray(function, todo, queue, on_done, on_report, after_loss, workforce, ours)
                break
            except ClusterLost as lost:
                if not ours or cluster == LOST_WORKER_RETRIES:
                    raise
                log.warning("%s; Ray is started again", lost)
    return sorted(queue.failures, key=lambda failure: failure.task)


@dataclass(slots=True, kw_only=True)
class _Queue:
    """Tasks still to start as (index, attempt), and those given up."""

    tasks: deque[tuple[int, int]]
    retries: int
    ends: float
    names: Sequence[str]
    on_attempt: OnAttempt | None = None
    failures: list[Failure] = field(default_factory=list)

    def next(self) -> tuple[int, int] | None:
        """The next task to start; None if there is none or the time is up."""
        if not self.tasks or time.monotonic() >= self.ends:
            return None
        index, attempt = self.tasks.popleft()
        if self.on_attempt is not None:
            self.on_attempt(index, attempt, "started", "")
        return index, attempt

    def put_back(self, running: Iterable[tuple[int, int]], message: str) -> None:
        """These are next: they ended through no doing of theirs."""
        self.tasks.extendleft(sorted(running, reverse=True))
        if self.on_attempt is not None:
            for index, attempt in running:
                self.on_attempt(index, attempt, "lost", message)

    def raised(
        self, index: int, attempt: int, error: BaseException, details: str, how: AttemptState = "raised"
    ) -> None:
        """Tries the task again at the end of the queue, or gives it up; `CannotWrite` where none would do."""
        if isinstance(error, StopsBuild):
            raise error from None
        if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
            where = f" ({error.filename})" if error.filename else ""
            raise CannotWrite(
                f"{error.strerror}{where}: the same command goes on once that is mended"
            ) from None
        message = one_line(error)
        if self.on_attempt is not None:  # it knows the task by name
            self.on_attempt(index, attempt, how, message)
        else:
            log.warning("%s, attempt %d: %s", self.names[index], attempt, message)
        if attempt <= self.retries:
            self.tasks.append((index, attempt + 1))
        else:
            self.failures.append(Failure(task=index, attempts=attempt, message=message, details=details))


def _run_here(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    queue: _Queue,
    on_done: Callable[[int, Any], None],
    on_report: OnReport | None,
) -> None:
    with own_threads_restored():
        while (started := queue.next()) is not None:
            index, attempt = started
            try:
                answer = function(*tasks[index], *_reports_here(index, on_report))
            except Exception as error:  # the one place where a bug, whatever it is, becomes a listed failure
                queue.raised(index, attempt, error, traceback.format_exc())
            else:
                on_done(index, answer)


def _run_apart(
    function: Callable[..., Any],
    tasks: list[tuple[Any, ...]],
    queue: _Queue,
    on_done: Callable[[int, Any], None],
    on_report: OnReport | None,
    after_loss: AfterLoss | None,
) -> None:
    children = contextlib.ExitStack()
    child: Child | None = None
    with children:
        while (started := queue.next()) is not None:
            index, attempt = started
            child = child or children.enter_context(Child(function))
            try:
                answer = child.call(tasks[index], _heard(index, on_report))
            except TaskRaised as raised:
                queue.raised(index, attempt, raised.error, raised.details)
            except ChildLost as lost:
                queue.raised(index, attempt, lost, str(lost), "lost")
                if after_loss is not None:
                    tasks[index] = after_loss(tasks[index])
                children.close()
                child = None
            else:
                on_done(index, answer)


def _run_on_ray(
    function: Callable[..., Any],
    tasks: list[tuple[Any, ...]],
    queue: _Queue,
    on_done: Callable[[int, Any], None],
    on_report: OnReport | None,
    after_loss: AfterLoss | None,
    workforce: Workforce,
    ours: bool,
) -> None:
    """`ours` is a cluster of this machine alone: where its node is lost, it is."""
    import ray
    import ray.exceptions

    workers = workforce.workers or 0
    gpus = _gpus_a_task(ray.cluster_resources(), workers) if workforce.on_gpus else 0
    remote = ray.remote(_on_worker)
    changed: set[int] = set()
    # An actor gathers the reports: it costs a process, so only where somebody wants to know.
    reports: Any = ray.remote(_Reports).options(num_cpus=0).remote() if on_report else None
    running: dict[Any, tuple[int, int]] = {}
    try:
        while True:
            # Asked anew each time: machines join and leave a cluster.
            width = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < width and (started := queue.next()) is not None:
                index = started[0]
                lost = 0 if after_loss is not None and index not in changed else LOST_WORKER_RETRIES
                task = remote.options(num_cpus=1, num_gpus=gpus, max_retries=lost)
                running[task.remote(function, tasks[index], started, reports)] = started
            if not running:
                return
            ready, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
            for reference in ready:
                index, attempt = running.pop(reference)
                try:
                    answer = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    queue.raised(index, attempt, error.cause, str(error))
                except ray.exceptions.RayError as error:  # lost more often than Ray tries again
                    lost_node = ray.exceptions.NodeDiedError if ours else ()
                    if isinstance(error, (ray.exceptions.LocalRayletDiedError, lost_node)):
                        lost_with_it = [(index, attempt), *running.values()]
                        running.clear()
                        if after_loss is not None:
                            for number, _ in lost_with_it:
                                tasks[number] = after_loss(tasks[number])
                        queue.put_back(lost_with_it, one_line(error))
                        raise ClusterLost("the Ray cluster ended; the same command goes on") from None
                    queue.raised(index, attempt, error, str(error), "lost")
                    if after_loss is not None and index not in changed:
                        changed.add(index)
                        tasks[index] = after_loss(tasks[index])
                else:
                    on_done(index, answer)
            if on_report is not None:
                with contextlib.suppress(ray.exceptions.RayError):  # only a progress bar waits for it
                    heard: Any = ray.get(reports.of.remote(list(running.values())), timeout=5.0)
                    on_report(heard)
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
    function: Callable[..., Any], task: tuple[Any, ...], started: tuple[int, int], reports: Any
) -> Any:
    prepare_process()
    if reports is None:
        return function(*task)
    return function(*task, Seldom(lambda *values: reports.put.remote(started, values)))


class _Reports:
    """A Ray actor that knows what each (task, attempt) reported last."""

    def __init__(self) -> None:
        self._last: dict[tuple[int, int], Any] = {}

    def put(self, started: tuple[int, int], values: Any) -> None:
        self._last[started] = values

    def of(self, running: list[tuple[int, int]]) -> dict[int, Any]:
        """By task, for those that run; the others are forgotten."""
        self._last = {started: self._last[started] for started in running if started in self._last}
        return {index: values for (index, _), values in self._last.items()}


def _reports_here(index: int, on_report: OnReport | None) -> tuple[TaskReport, ...]:
    """What a task in this process gets beside its arguments."""
    heard = _heard(index, on_report)
    return () if heard is None else (Seldom(heard),)


def _heard(index: int, on_report: OnReport | None) -> TaskReport | None:
    """Passes on what the one task that runs reports."""
    if on_report is None:
        return None
    return lambda *values: on_report({index: values})
