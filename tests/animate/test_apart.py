"""Tasks in a child of this process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from animate import apart
from animate.apart import Child, ChildLost, TaskRaised, can_be_apart
from animate.executor import Workforce, run_tasks

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not can_be_apart("cpu"), reason="only on Linux")


def test_it_answers_from_a_process_of_its_own():
    with Child(lambda x: (os.getpid(), x)) as child:
        first, second = child.call((1,)), child.call((2,))
    assert (first[1], second[1]) == (1, 2)
    assert first[0] == second[0] != os.getpid()


def test_reports_come_before_the_answer(monkeypatch):
    monkeypatch.setattr(apart, "SECONDS_BETWEEN", 0.0)

    def work(x, report):
        report(x, 1)
        report(x, 2)
        return x

    heard = []
    with Child(work) as child:
        assert child.call((7,), lambda *values: heard.append(values)) == 7
    assert heard == [(7, 1), (7, 2)]


class Awkward(Exception):
    """Cannot be unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def test_what_a_task_raises_comes_back_and_the_child_goes_on():
    def work(error):
        if error:
            raise error
        return "done"

    with Child(work) as child:
        with pytest.raises(TaskRaised) as raised:
            child.call((OSError(28, "No space left", "x.tar"),))
        assert isinstance(raised.value.error, OSError)
        assert (raised.value.error.errno, raised.value.error.filename) == (28, "x.tar")
        assert "in work" in raised.value.details
        assert child.call((None,)) == "done"


def test_an_error_that_does_not_survive_the_way_is_its_words():
    def work():
        raise Awkward(1, 2)

    with Child(work) as child, pytest.raises(TaskRaised) as raised:
        child.call(())
    assert str(raised.value.error) == "Awkward: 1 and 2"


def test_a_child_that_is_lost_is_replaced_and_its_task_is_another():
    def work(number):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return number, os.getpid()

    answers, attempts = {}, []
    failures = run_tasks(
        work,
        [(0,), (1,), (2,)],
        Workforce(workers=0, apart=True),
        on_done=lambda index, answer: answers.update({index: answer}),
        after_loss=lambda task: (task[0] + 100,),
        on_attempt=lambda *attempt: attempts.append(attempt),
    )
    assert failures == []
    assert {index: number for index, (number, _) in answers.items()} == {0: 0, 1: 101, 2: 2}
    assert answers[0][1] != answers[2][1] == answers[1][1]
    assert (1, 1, "lost", "ChildLost: its process was ended by SIGKILL") in attempts


def test_a_task_that_keeps_ending_its_child_is_listed():
    def work(number):
        os._exit(3)

    tasks = [(0,)]
    failures = run_tasks(work, tasks, Workforce(workers=0, apart=True), on_done=lambda *done: None, retries=1)
    assert [(failure.attempts, failure.message) for failure in failures] == [
        (2, "ChildLost: its process ended with 3")
    ]


def test_libraries_that_had_threads_work_in_the_child():
    """OpenCV would wait for ever for threads that did not come along."""
    image = np.zeros((2000, 2000, 3), np.uint8)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        cv2.GaussianBlur(image, (0, 0), 3)
        with Child(lambda: (cv2.GaussianBlur(image, (0, 0), 3).shape, cv2.getNumThreads())) as child:
            assert child.call(()) == ((2000, 2000, 3), 1)
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(threads)


#: Its task says that it began and how it was cleared up; what stops the program comes to the whole group.
STOPPED = """
import sys, time
from pathlib import Path
from animate.executor import Workforce, run_tasks

def work(folder):
    Path(folder, "began").touch()
    try:
        time.sleep(60)
    finally:
        time.sleep(0.5)
        with Path(folder, "cleared").open("a") as file:
            file.write("once ")

try:
    run_tasks(work, [(sys.argv[1],)], Workforce(workers=0, apart=True), on_done=print)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("whom", ["group", "program"])
def test_ctrl_c_lets_the_task_clear_up_once(tmp_path, whom):
    with started(tmp_path) as process:
        if whom == "group":  # as a terminal does
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    assert (tmp_path / "cleared").read_text() == "once "


def test_the_child_ends_with_a_program_that_is_killed(tmp_path):
    with started(tmp_path) as process:
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    for _ in range(100):
        if not running(child):
            break
        time.sleep(0.1)
    assert not running(child)


#: Its task is in native code that no signal but SIGKILL gets it out of.
STUCK = STOPPED.replace(
    "time.sleep(60)",
    "import ctypes; mutex = ctypes.create_string_buffer(64); lock = ctypes.CDLL(None).pthread_mutex_lock; "
    "lock(mutex); lock(mutex)",
)


def test_a_second_ctrl_c_does_not_wait_for_a_task_that_is_stuck(tmp_path):
    with started(tmp_path, STUCK) as process:
        [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=5) == 130
        finally:
            process.kill()
    assert not running(child)


def test_a_child_that_ends_within_a_long_answer_is_lost(monkeypatch):
    def work():
        os.write(apart_end[0], (100_000).to_bytes(4, "big") + b"the beginning")
        os._exit(3)

    apart_end = []
    serve = apart._serve
    monkeypatch.setattr(apart, "_serve", lambda *given: (apart_end.append(given[1].fileno()), serve(*given)))
    with Child(work) as child, pytest.raises(ChildLost, match="its process ended with 3"):
        child.call(())


def test_an_error_of_who_hears_the_reports_is_no_loss_of_the_child(monkeypatch):
    monkeypatch.setattr(apart, "SECONDS_BETWEEN", 0.0)

    def hear(number):
        raise BrokenPipeError

    with Child(lambda report: report(1)) as child, pytest.raises(BrokenPipeError):
        child.call((), hear)


def running(process: str) -> bool:
    """Whether there is such a process, and it is no zombie that waits for somebody to ask for its end."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def started(folder: Path, program: str = STOPPED) -> "subprocess.Popen[bytes]":
    """The program, when its task has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=ROOT,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        if (folder / "began").exists():
            return process
        time.sleep(0.1)
    process.kill()
    raise AssertionError("it did not begin")
