"""One build at a time in one place: the kernel's lock on a folder, a lease in an object store.

The kernel's lock ends with its process. A lease is an object that says who builds: created only if there is
none (one request, of which a store lets one of two succeed), written anew while the build runs, deleted at
its end. A build that was killed leaves it. Another takes it over at once where it sees that the process is
gone, which it can on the same machine, and elsewhere `STALE_SECONDS` after its last word. Clocks of machines
that build into one place must agree to within a minute or two.

Where a store has no such request, two builds that begin in the same moment may both write a lease: each looks
again `SETTLING_SECONDS` later, and one stops. Where a store does as if it had that request and ignores its
condition, one of the two stops when it renews the lease.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from animate.shards.place import LEASE, OURS, BuildRefused, Place
from animate.stores import NO_ANSWER

if os.name == "posix":
    import fcntl

#: A lease is written anew so often, …
RENEWAL_SECONDS = 60.0
#: … and counts for nothing when it was not for so long.
STALE_SECONDS = 300.0
#: Until what was written at the same moment is there, where a store cannot create.
SETTLING_SECONDS = 2.0
#: How often a lease is taken that another takes at the same time.
_TRIES = 3

#: Raises `BuildRefused` when the place is no longer this build's.
StillOurs = Callable[[], None]


@contextlib.contextmanager
def locked(place: Place) -> Iterator[StillOurs]:
    """Inside the block no other build works at `place`; `BuildRefused` if one does already.

    Of a folder of this machine other machines are not kept out, and network file systems without locks keep
    out nobody: there two builds of one recipe write equal files.
    """
    with _locked_folder(place) if place.local is not None else _leased(place) as still_ours:
        yield still_ours


@contextlib.contextmanager
def _locked_folder(place: Place) -> Iterator[StillOurs]:
    assert place.local is not None
    folder = place.local / OURS
    folder.mkdir(parents=True, exist_ok=True)
    with locked_folder(folder, BuildRefused(f"{place.root}: another build is writing there")):
        yield _always


@contextlib.contextmanager
def locked_folder(folder: Path, refusal: Exception) -> Iterator[None]:
    """The kernel's lock on a folder, which ends with its process; raises `refusal` where another has it.

    Where there is no such lock, as on some network file systems, nothing is locked.
    """
    if os.name != "posix":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        except OSError:  # a network file system without locks
            pass
        yield
    finally:
        os.close(descriptor)


def _always() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    """Who builds: `holder` is drawn for each build, `machine` tells systems (and containers) apart.

    `began` and `renewed` are seconds since 1970, by the holder's clock.
    """

    holder: str
    host: str
    machine: str
    pid: int
    began: float
    renewed: float

    @classmethod
    def new(cls) -> Self:
        now = time.time()
        return cls(
            holder=secrets.token_hex(8),
            host=socket.gethostname(),
            machine=_machine(),
            pid=os.getpid(),
            began=now,
            renewed=now,
        )

    def text(self) -> str:
        """The content of the object, renewed now."""
        return json.dumps({**asdict(self), "renewed": time.time()}, indent=1) + "\n"

    def is_stale(self) -> bool:
        gone = self.machine == _machine() and not _runs(self.pid)
        return gone or time.time() - self.renewed > STALE_SECONDS


@contextlib.contextmanager
def _leased(place: Place) -> Iterator[StillOurs]:
    mine = _Lease.new()
    _take(place, mine)
    ended, lost = threading.Event(), threading.Event()
    renewal = threading.Thread(target=_renew, args=(place, mine, ended, lost), daemon=True)
    renewal.start()

    def still_ours() -> None:
        if lost.is_set():
            raise BuildRefused(
                f"{place.shown(LEASE)}: another build has taken over, or the lease could not be renewed for "
                f"{STALE_SECONDS:.0f} seconds; this one stops, and the same command goes on later"
            )

    try:
        yield still_ours
    finally:
        ended.set()
        renewal.join(timeout=10.0)
        # What is left after a failure here is stale soon.
        with contextlib.suppress(*NO_ANSWER):
            found = _read(place)
            if found is not None and found.holder == mine.holder:
                place.remove(LEASE)


def _take(place: Place, mine: _Lease) -> None:
    """The lease at `place` is `mine`; raises `BuildRefused` where it is another's."""
    for _ in range(_TRIES):
        found = _read(place)
        if found is not None:
            if not found.is_stale():
                raise BuildRefused(
                    f"{place.shown('')}: another build is writing there (host {found.host}, process "
                    f"{found.pid}, last heard of {max(0.0, time.time() - found.renewed):.0f} seconds ago); "
                    f"if it was killed, its lease ends {STALE_SECONDS:.0f} seconds after that"
                )
            place.remove(LEASE)
        try:
            created, alone = place.create(LEASE, mine.text()), found is None
        except NotImplementedError:
            created, alone = True, False
            place.write_text(LEASE, mine.text())
        if created and not alone:  # two may have removed the same stale lease, one of them a new one with it
            time.sleep(SETTLING_SECONDS)
        # What was there already is ours if a request was carried out whose answer was lost.
        found = _read(place)
        if found is not None and found.holder == mine.holder:
            return
    raise BuildRefused(f"{place.shown('')}: another build is beginning there")


def _renew(place: Place, mine: _Lease, ended: threading.Event, lost: threading.Event) -> None:
    """Writes the lease anew until the build has `ended`, or sets `lost`."""
    renewed = time.monotonic()
    while not ended.wait(RENEWAL_SECONDS):
        try:
            found = _read(place)
            if found is None or found.holder != mine.holder:
                lost.set()
                return
            place.write_text(LEASE, mine.text())
            renewed = time.monotonic()
        except Exception:  # of whatever kind: it counts when it lasts
            if time.monotonic() - renewed > STALE_SECONDS:
                lost.set()
                return


def _read(place: Place) -> _Lease | None:
    """Who holds `place`; of a lease that cannot be read only its age is known."""
    try:
        text = place.read_text(LEASE)
        return None if text is None else _Lease(**json.loads(text))
    except NO_ANSWER:
        raise
    except (ValueError, TypeError):
        written = place.modified(LEASE) or 0.0
        return _Lease(holder="", host="unknown", machine="", pid=0, began=written, renewed=written)


def _machine() -> str:
    """Tells this system, since it was started, and this container from others."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
