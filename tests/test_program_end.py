"""How a program ends when a library that it loaded would crash the end of the interpreter."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cli.program import new_app, run

ROOT = Path(__file__).parents[1]
#: A program whose one command leaves what crashes at exit, as Ray's threads do now and then.
PROGRAM = """
import atexit, ctypes, logging, sys, types
import typer
from cli.program import new_app, run

app = new_app("animate", "")

@app.command()
def work(code: int):
    sys.modules["ray"] = types.ModuleType("ray")
    atexit.register(ctypes.string_at, 0)
    logging.basicConfig(filename=LOG, force=True)
    print("said", end="")
    print("why", end="", file=sys.stderr)
    logging.warning("logged")
    raise typer.Exit(code)

run(app)
"""


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_crash_at_exit_changes_neither_code_nor_what_was_said(tmp_path, code):
    log = tmp_path / "log"
    run = subprocess.run(
        [sys.executable, "-c", f"LOG = {str(log)!r}\n{PROGRAM}", "work", str(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (code, "said", "why")
    assert "logged" in log.read_text()


#: As above; its command waits in a native call that no signal interrupts.
STUCK = """
import ctypes, sys, types
from cli import watchdog
from cli.program import new_app, run

watchdog.STOP_SECONDS, watchdog.AGAIN_SECONDS = {first}, {again}
app = new_app("animate", "")

@app.command()
def work():
    sys.modules["ray"] = types.ModuleType("ray")
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    print("stuck", flush=True)
    libc.pthread_mutex_lock(mutex)

run(app)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a lock of Linux is what it waits for")
@pytest.mark.parametrize(("first", "again", "signals"), [(1.0, 60.0, 1), (60.0, 1.0, 2)])
def test_a_native_call_that_hears_no_signal_does_not_keep_a_program(first, again, signals):
    code = STUCK.format(first=first, again=again)
    process = subprocess.Popen(
        [sys.executable, "-c", code, "work"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        time.sleep(2)  # until it is, which nothing tells
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "animate: what runs does not answer; ended all the same\n")


#: Its command was stopped and has said so; more signals come when nothing catches them any more.
LATE = """
import atexit, os, signal, sys
import typer
from cli import program
from cli.program import new_app, run

app = new_app("retrieval", "")

@app.command()
def work():
    raise typer.Exit(130)

inside = program._code
def code(app):
    found = inside(app)
    os.kill(os.getpid(), late)
    return found

program._code = code
late = getattr(signal, sys.argv.pop())
atexit.register(os.kill, os.getpid(), late)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, here and in what begins here
run(app)
"""


@pytest.mark.parametrize("late", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_behind_the_last_word_changes_no_exit_code(late):
    command = [sys.executable, "-c", LATE, "work", late]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


def test_a_signal_while_a_class_is_made_stops_the_program_as_any(monkeypatch, capsys):
    """Python makes another error of it there: while modules are loaded, for instance."""
    app = new_app("retrieval", "")

    class Interrupted:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    @app.command()
    def work() -> None:
        type("Made", (), {"part": Interrupted()})

    monkeypatch.setattr(sys, "argv", ["retrieval", "work"])
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(SystemExit) as ended:
            run(app)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""


#: It is stopped while Python runs generated code, as that of a dataclass of a module that is loaded.
GENERATED = """
from cli.program import new_app, run

app = new_app("animate", "")

@app.command()
def work():
    exec("raise KeyboardInterrupt")

run(app)
"""


def test_a_module_that_is_stopped_in_generated_code_ends_with_130_and_by_no_signal(tmp_path):
    (tmp_path / "stopped.py").write_text(GENERATED)
    run = subprocess.run(
        [sys.executable, "-m", "stopped", "work"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


def test_nothing_watches_a_process_behind_its_program(monkeypatch):
    """A signal to whoever called the program as a function ended that caller, 45 seconds later."""
    app = new_app("animate", "")

    @app.command()
    def work() -> None:
        assert "watchdog" in {thread.name for thread in threading.enumerate()}

    monkeypatch.setattr(sys, "argv", ["animate", "work"])
    with pytest.raises(SystemExit) as ended:
        run(app)
    assert ended.value.code == 0
    assert signal.set_wakeup_fd(-1) == -1
    for thread in threading.enumerate():
        if thread.name == "watchdog":
            thread.join(timeout=10)
            assert not thread.is_alive()
