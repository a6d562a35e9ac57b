"""Builds that are killed every 20 seconds for an hour, and go on: nothing is lost, nothing grows.

pytest -m soak [--soak-seconds 3600]
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from animate.shards.finished import finished_records
from animate.shards.place import Place
from animate.shards.plan import read_plan
from tests.animate.test_program import ANIMATE, ROOT
from tests.support.shard_sets import all_files

SECONDS_BETWEEN_KILLS = 20.0
#: Of a driver, beside what it has half a minute after its start.
MORE_MB, MORE_DESCRIPTORS = 100, 30
BUILD = (
    *ANIMATE, "build", "--src", "demo", "--workers", "2", "--size", "96", "--frames", "6", "--takes", "1250",
    "--set", "shards.clips_per_shard=500",
)  # fmt: skip
CLIPS = 16 * 1250


class Driver:
    """A running build, and what it holds while it runs."""

    def __init__(self, out: Path, temporary: Path) -> None:
        self.log = out.with_suffix(".log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [*BUILD, "--out", str(out)], cwd=ROOT, env={**os.environ, "TMPDIR": str(temporary)},
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.started = time.monotonic()
        self.first: tuple[int, int] | None = None
        self.last = (0, 0)

    def look(self) -> None:
        """Notes memory in MB and descriptors; the first time after half a minute."""
        if time.monotonic() - self.started < 30 or self.process.poll() is not None:
            return
        folder = Path(f"/proc/{self.process.pid}")
        try:
            pages = int((folder / "statm").read_text().split()[1])
            now = pages * os.sysconf("SC_PAGESIZE") // 2**20, len(list((folder / "fd").iterdir()))
        except OSError:  # it has just ended
            return
        self.first = self.first or now
        self.last = max(self.last, now)

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    def grew(self) -> bool:
        if self.first is None:
            return False
        return self.last[0] > self.first[0] + MORE_MB or self.last[1] > self.first[1] + MORE_DESCRIPTORS

    def workers(self) -> list[int]:
        """Processes that make shards or hear how far they are: all of the cluster that is ours."""
        ours = ("ray::_on_worker", "ray::_Reports")
        return [pid for pid, command in _processes(self.process.pid) if command.startswith(ours)]


def _processes(session: int) -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                # After the name in brackets, which may hold blanks: state, parent, group, session.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if int(fields[3]) == session or str(session) in fields[1]:
                yield int(folder.name), command


@pytest.mark.soak
def test_builds_that_are_killed_for_an_hour_lose_nothing_and_nothing_grows(request, tmp_path):
    rng, ends = random.Random(0), time.monotonic() + request.config.getoption("--soak-seconds")
    temporary = Path(tempfile.mkdtemp(prefix="soak"))  # short: Ray's sockets lie below
    reference: dict[str, bytes] | None = None
    kills = {"driver": 0, "worker": 0}
    builds, sessions_left = 0, []
    while time.monotonic() < ends:
        out = tmp_path / f"shards-{builds}"
        drivers = [Driver(out, temporary)]
        next_kill = time.monotonic() + SECONDS_BETWEEN_KILLS
        while (code := drivers[-1].process.poll()) != 0:
            time.sleep(0.5)
            drivers[-1].look()
            if code is not None:
                assert code == -signal.SIGKILL, drivers[-1].log.read_text()[-4000:]
                drivers.append(Driver(out, temporary))
            elif time.monotonic() >= next_kill:
                next_kill += SECONDS_BETWEEN_KILLS
                workers = drivers[-1].workers()
                victim = "worker" if workers and rng.random() < 0.8 else "driver"
                try:
                    os.kill(rng.choice(workers) if victim == "worker" else drivers[-1].process.pid, 9)
                except ProcessLookupError:
                    continue
                kills[victim] += 1
        place = Place.at(out)
        plan = read_plan(place)
        assert plan is not None
        records = finished_records(plan, place, 1250)
        assert len(records) == len(plan.shards)
        assert sum(record.inputs for record in records.values()) == CLIPS
        assert sum(record.clips for record in records.values()) == CLIPS, "an input was given up"
        found = all_files(out)
        reference = reference or found
        assert found == reference
        assert not [driver for driver in drivers if driver.grew()], list(map(str, drivers))
        if builds:
            for path in out.iterdir():
                if path.is_file():
                    path.unlink()
        builds += 1
        sessions_left.append(len(list(temporary.rglob("session_2*"))))
        longest = max(drivers, key=lambda driver: driver.last)
        print(
            f"{builds} builds, {kills}, {longest} MB and descriptors, {sessions_left[-1]} sessions left",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    assert builds and kills["worker"]
    assert max(sessions_left) <= 1, "what was killed has left its session; the next build removes it"


@pytest.mark.soak
@pytest.mark.parametrize("second", [False, True], ids=["once", "twice"])
def test_ctrl_c_while_ray_runs_ends_as_documented_fifty_times(tmp_path, second):
    """Two of 17 ended in a segmentation fault after the right message."""
    rng, ends = random.Random(1), []
    for trial in range(50):
        with open(tmp_path / "log", "w") as log:
            process = subprocess.Popen(
                [*BUILD, "--out", str(tmp_path / str(trial))], cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        time.sleep(rng.uniform(4, 14))
        process.send_signal(signal.SIGINT)
        if second:
            time.sleep(rng.uniform(0, 2))
            process.send_signal(signal.SIGINT)
        ends.append((process.wait(60), (tmp_path / "log").read_text()[-300:]))
    wrong = [(code, said) for code, said in ends if code != 130 or "Traceback" in said]
    assert not wrong, f"{len(wrong)} of {len(ends)}: {wrong[:3]}"
