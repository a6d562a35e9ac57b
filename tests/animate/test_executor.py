"""Laws of the executor: here and on Ray alike, every task is answered or listed."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from animate import cluster, executor
from animate.cluster import ClusterNotFound
from animate.executor import CannotWrite, Failure, Workforce, run_tasks
from animate.threads import available_cpus

ROOT = Path(__file__).parents[2]


def run(function, tasks, workers, **settings) -> tuple[dict, list[Failure]]:
    answers = {}
    limits = {"time_limit": settings.pop("time_limit")} if "time_limit" in settings else {}
    workforce = Workforce(workers=workers, **limits)
    failures = run_tasks(function, tasks, workforce, on_done=answers.__setitem__, **settings)
    return answers, failures


# First those with a Ray of their own: the module's, once started, stays to the end.


def test_a_cluster_that_has_ended_without_a_word_is_waited_for_a_while_only(monkeypatch, capfd):
    """Its port is still taken, and nobody answers."""
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 3.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ClusterNotFound, match=rf"{address}.*no Ray cluster answered within 3 seconds"):
            run_tasks(abs, [(1,)], Workforce(address=address), on_done=lambda index, answer: None)
    assert time.monotonic() - began < 15
    assert "rpc_client" not in capfd.readouterr().err


def test_a_lost_worker_is_replaced(tmp_path):
    import ray

    def die_once(folder):
        if not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    answers, failures = run(die_once, [(tmp_path,)], 1)
    assert failures == []
    assert answers[0] != os.getpid()
    assert not ray.is_initialized()  # a cluster of our own ends with the call


def test_a_cluster_of_our_own_that_ends_is_started_again(tmp_path):
    """Its raylet is what the kernel ends when memory runs out, as often as not."""
    import ray

    def end_the_raylet_once(folder, index):
        if index == 1 and not (folder / "ended").exists():
            (folder / "ended").touch()
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    answers, failures = run(end_the_raylet_once, [(tmp_path, i) for i in range(4)], 2)
    assert (tmp_path / "ended").exists()
    assert failures == []
    assert answers == {i: i for i in range(4)}
    assert not ray.is_initialized()


def test_a_cluster_of_our_own_that_keeps_ending_is_given_up(monkeypatch):
    monkeypatch.setattr(executor, "LOST_WORKER_RETRIES", 1)  # Ray needs 18 s to see that it is gone

    def end_the_raylet():
        os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(executor.ClusterLost, match="the Ray cluster ended; the same command goes on"):
        run(end_the_raylet, [()], 1)


def test_our_own_ray_workers_run_at_our_priority_and_import_our_code():
    def facts():
        import animate.executor

        return os.nice(0), animate.executor.__file__, os.environ["OMP_NUM_THREADS"]

    handler, environment = signal.getsignal(signal.SIGTERM), dict(os.environ)
    answers, failures = run(facts, [()], 1)
    assert failures == []
    assert answers[0] == (os.nice(0), str(ROOT / "animate" / "executor.py"), "1")
    assert signal.getsignal(signal.SIGTERM) == handler
    # Ray sets variables of its own for good.
    for name in ("OMP_NUM_THREADS", "PYTHONPATH", "RAY_worker_niceness"):
        assert os.environ.get(name) == environment.get(name)


def test_a_full_disk_stops_the_other_tasks_on_ray_too(tmp_path):
    def no_room(index):
        if index == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        (tmp_path / str(index)).touch()

    with pytest.raises(CannotWrite, match="No space left"):
        run(no_room, [(index,) for index in range(50)], 1)
    assert len(list(tmp_path.iterdir())) < 3


def test_ray_leaves_no_folder_behind():
    # Ray names a session after the process that began it; others on this machine have theirs.
    def sessions():
        return set(Path("/tmp/ray").glob(f"session_*_{os.getpid()}"))

    before = sessions()
    run(abs, [(1,), (2,)], 2)
    assert sessions() <= before


INTERRUPTED = """
import pathlib, sys, time
from animate.executor import Workforce, run_tasks

def work(folder, index):
    path = pathlib.Path(folder, f"{index}.part")
    path.touch()
    try:
        for _ in range(6000):  # Ray interrupts Python code, not a long sleep
            time.sleep(0.01)
    finally:
        path.unlink()

try:
    run_tasks(work, [(sys.argv[1], i) for i in range(4)], Workforce(workers=int(sys.argv[2])), on_done=print)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("workers", [0, 2], ids=["here", "ray"])
def test_ctrl_c_lets_running_tasks_clear_up(workers, tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(workers)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            wait_until(lambda: len(list(tmp_path.iterdir())) == max(1, workers), process)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=40) == 130
        finally:
            process.kill()  # nothing if it has ended
    assert list(tmp_path.iterdir()) == []


def wait_until(condition, process, seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process ended early"
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module", params=[0, 2], ids=["here", "ray"])
def workers(request):
    """Both executors; one Ray for the whole module, because starting it costs seconds."""
    if request.param == 0:
        yield 0
        return
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield request.param
    ray.shutdown()


def test_every_task_is_answered_under_its_own_index(workers):
    def divide(a, b):
        return a / b

    answers, failures = run(divide, [(i, 2) for i in range(7)], workers)
    assert answers == {i: i / 2 for i in range(7)}
    assert failures == []


def test_a_task_that_keeps_raising_is_tried_again_within_the_limit_and_listed(workers, tmp_path):
    def odd_ones_raise(index, folder):
        with open(f"{folder}/{index}", "a") as file:
            file.write("x")
        if index % 2:
            raise KeyError(f"no luck with {index}")
        return index

    answers, failures = run(odd_ones_raise, [(i, tmp_path) for i in range(4)], workers, retries=2)
    assert answers == {0: 0, 2: 2}
    assert [(failure.task, failure.attempts) for failure in failures] == [(1, 3), (3, 3)]
    assert failures[0].message == "KeyError: 'no luck with 1'"
    assert "odd_ones_raise" in failures[0].details
    assert [len((tmp_path / str(i)).read_text()) for i in range(4)] == [1, 3, 1, 3]


def test_a_task_that_raises_once_is_answered_in_the_end(workers, tmp_path):
    def second_time_lucky(folder):
        if not (folder / "tried").exists():
            (folder / "tried").touch()
            raise OSError("first time")
        return "done"

    assert run(second_time_lucky, [(tmp_path,)], workers) == ({0: "done"}, [])


def test_the_caller_hears_how_far_running_tasks_are(workers, tmp_path):
    def count_until_heard(report):
        for i in range(1, 2000):
            time.sleep(0.05)
            report(i, 2 * i)
            if (tmp_path / "heard").exists():
                return

    heard: list[dict] = []

    def hear(reports):
        heard.append(dict(reports))
        if reports:
            (tmp_path / "heard").touch()

    assert run(count_until_heard, [(), ()], workers, on_report=hear)[1] == []
    reached = [values for reports in heard for values in reports.values()]
    assert reached
    assert all(0 < once < 2000 and twice == 2 * once for once, twice in reached)
    assert {task for reports in heard for task in reports} <= {0, 1}


def test_no_task_starts_after_the_time_limit(workers):
    assert run(abs, [(1,), (2,)], workers, time_limit=0.0) == ({}, [])


def test_an_error_of_the_caller_is_not_taken_for_one_of_the_task(workers):
    def on_done(index, answer):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tasks(abs, [(1,), (2,)], Workforce(workers=workers), on_done=on_done)


def test_workers_compute_on_one_thread(workers):
    def threads():
        import cv2

        return cv2.getNumThreads()

    before = cv2.getNumThreads()
    assert run(threads, [()], workers) == ({0: 1}, [])
    assert cv2.getNumThreads() == before


def test_there_is_at_least_one_cpu_and_no_more_than_the_machine_has():
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)


def test_gpus_are_shared_out_so_that_every_worker_works():
    assert executor._gpus_a_task({"GPU": 2.0, "CPU": 16.0}, 2) == 1
    assert executor._gpus_a_task({"GPU": 2.0, "CPU": 16.0}, 3) == 1 / 2
    assert executor._gpus_a_task({"GPU": 1.0, "CPU": 4.0}, 0) == 1 / 4
    with pytest.raises(executor.NoGpu):
        executor._gpus_a_task({"CPU": 16.0}, 2)


def test_workers_follow_the_machine_and_the_amount_of_work(monkeypatch):
    monkeypatch.setattr(executor, "available_cpus", lambda: 8)

    def sized(shards: int, *, small: bool = False, waiting: bool = False, **asked) -> int | None:
        return Workforce(**asked).sized(shards, small=small, waiting=waiting).workers

    assert sized(100) == 8
    assert sized(100, waiting=True) == 32
    assert sized(5, waiting=True) == 5
    assert sized(3) == 3
    assert sized(1) == 0  # one shard is one worker's work: no need for Ray
    assert sized(4, small=True) == 0  # done before Ray is up
    assert sized(4, small=True, workers=2) == 2
    assert sized(100, workers=0) == 0
    assert sized(1, small=True, address="auto") == 0  # all that the cluster has
