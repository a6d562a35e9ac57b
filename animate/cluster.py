"""Ray is started and ended: with `animate.executor` the only file that imports it."""

import contextlib
import logging
import os
import platform
import shutil
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from animate.errors import UserError, one_line
from animate.threads import ONE_THREAD

log = logging.getLogger(__name__)

#: Plasma holds only task arguments and small records.
OBJECT_STORE_BYTES = 100 * 2**20
#: How long a running cluster has to answer.
ANSWER_SECONDS = 20.0
#: In the session folder of a cluster of ours: the process that it belongs to.
_OWNER = "animate-owner"


class ClusterNotFound(UserError):
    """No Ray cluster answers at the address that was given."""


@contextlib.contextmanager
def ray_cluster(workers: int, address: str | None) -> Iterator[bool]:
    """Ray is up inside the block: the caller's if it is up already, a running cluster, or one of our own.

    Tells whether it is ours.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read on import: a build reports to nobody
    import ray

    if ray.is_initialized():
        yield False
        return
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    session: Path | None = None
    try:
        with _sigterm_kept():
            if address is not None:
                log.info("joining the Ray cluster at %r", address)
                _check_answers(address)
                package = str(Path(__file__).resolve().parent)
                environment = {"py_modules": [package], "env_vars": {**ONE_THREAD}}
                try:
                    ray.init(address=address, runtime_env=environment, **quiet)
                except ConnectionError as error:
                    hint = "is one running there? a cluster with a token wants RAY_AUTH_MODE=token"
                    raise ClusterNotFound(f"address = {address!r}: {one_line(error)} ({hint})") from None
            else:
                log.info("starting Ray with %d workers", workers)
                # The processes of the cluster inherit the environment.
                with _environment(_local_environment()), _undisturbed():
                    cluster: Any = ray.init(
                        address="local",
                        num_cpus=workers,
                        include_dashboard=False,
                        object_store_memory=OBJECT_STORE_BYTES,
                        **quiet,
                    )
                    session = Path(cluster.address_info["session_dir"])
                    _remove_sessions_of_the_dead(session.parent)
                    (session / _OWNER).write_text(_owner(os.getpid()))
        yield session is not None
    finally:
        with _undisturbed():
            ray.shutdown()
        if session is not None:
            shutil.rmtree(session, ignore_errors=True)  # logs and sockets of a cluster that is gone


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A signal that stops the program is heard behind the block, as KeyboardInterrupt.

    Cut short, `ray.init` and `ray.shutdown` leave Ray's native half alive, which ends this process with a
    code of its own as soon as it misses the rest.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {n: signal.getsignal(n) for n in numbers}
    for number, handler in before.items():
        if callable(handler):  # what is ignored or left to the system stays so
            signal.signal(number, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


def _check_answers(address: str) -> None:
    """`ClusterNotFound` unless a cluster answers at the address within `ANSWER_SECONDS`.

    `ray.init` asks for ever where a cluster has ended without a word, and no signal gets through: so a
    process that can be ended asks first.
    """
    if "://" in address:  # a Ray client, whose server says at once that it is not there
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check"]
    hint = "is one running there? a cluster with a token wants RAY_AUTH_MODE=token"
    try:
        asked = subprocess.run(
            [*command, "--address", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ClusterNotFound(
            f"address = {address!r}: no Ray cluster answered within {ANSWER_SECONDS:g} seconds ({hint})"
        ) from None
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or ["it does not answer"])[-1]
        raise ClusterNotFound(f"address = {address!r}: {reason} ({hint})")


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


def _remove_sessions_of_the_dead(folder: Path) -> None:
    """What Ray's sessions of builds that were killed have left: logs and sockets, some megabytes each."""
    for mark in folder.glob(f"session_*/{_OWNER}"):
        with contextlib.suppress(OSError, ValueError):  # another build removes it, too
            owner = mark.read_text()
            pid = int(owner.rpartition(" ")[2])
            if owner == _owner(pid) and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                shutil.rmtree(mark.parent, ignore_errors=True)


def _owner(pid: int) -> str:
    """A process of this machine, or of this container, whose numbers are its own."""
    return f"{platform.node()} {pid}"
