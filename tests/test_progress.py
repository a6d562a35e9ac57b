"""What `retrieval index` and `search` show."""

import io
import logging
import threading

from rich.console import Console

from cli.progress import CountProgress
from cli.retrieval.search import clock
from cli.waiting import never_silent


def test_progress_is_lines_in_a_log():
    now, log = [0.0], io.StringIO()
    progress = CountProgress("videos", Console(file=log), clock=lambda: now[0])
    for second, done in ((0, 24), (10, 334), (31, 1024), (40, 1100), (62, 20_000)):
        now[0] = second
        progress.show(done, 20_000)
    assert log.getvalue().splitlines() == [
        "24 of 20,000 videos are there already",
        "334 of 20,000 videos, 31.0 a second",
        "1,024 of 20,000 videos, 32.3 a second",
        "20,000 of 20,000 videos, 322.2 a second",
    ]


def test_whoever_waits_for_what_says_nothing_is_told_so_in_a_log():
    log, said = io.StringIO(), threading.Event()

    def line() -> str:
        said.set()
        return "planning [1]"

    with never_silent(Console(file=log), line, seconds=0.01):
        assert said.wait(10)
    assert set(log.getvalue().splitlines()) == {"planning [1]"}


def test_news_and_warnings_of_the_package_are_lines_of_their_own_and_other_news_are_not():
    log = io.StringIO()
    with never_silent(Console(file=log), str):
        logging.getLogger("animate.executor").info("starting Ray with %d workers", 2)
        logging.getLogger("animate.stores").info("try 2")
        logging.getLogger("animate.stores").warning("slow")
    logging.getLogger("animate.executor").info("unheard")
    assert log.getvalue().splitlines() == ["starting Ray with 2 workers", "slow"]


def test_moments_are_shown_in_minutes_and_seconds():
    assert [clock(second) for second in (0.0, 9.96, 62.5, 3599.99)] == [
        "0:00.0",
        "0:10.0",
        "1:02.5",
        "60:00.0",
    ]
