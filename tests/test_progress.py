"""What `retrieval index` and `search` show."""

import io

from rich.console import Console

from cli.progress import CountProgress
from cli.retrieval.search import clock


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


def test_moments_are_shown_in_minutes_and_seconds():
    assert [clock(second) for second in (0.0, 9.96, 62.5, 3599.99)] == [
        "0:00.0",
        "0:10.0",
        "1:02.5",
        "60:00.0",
    ]
