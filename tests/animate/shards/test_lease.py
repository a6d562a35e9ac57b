"""One build at a time in an object store: who is kept out, for how long, and by whom."""

import contextlib
import json
import socket
import subprocess
import sys
import time

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from animate.shards import lease
from animate.shards.lease import RENEWAL_SECONDS, STALE_SECONDS, locked
from animate.shards.place import LEASE, BuildRefused, Place
from animate.stores import StoreUnavailable


@pytest.fixture
def place():
    store = fsspec.filesystem("memory")
    yield Place.at("memory://leases/set")
    with contextlib.suppress(FileNotFoundError):
        store.rm("/leases", recursive=True)


def write_lease(place: Place, **changed: object) -> None:
    """The lease of a build on another machine, that was heard of now."""
    found = {
        "holder": "another", "host": "elsewhere", "machine": "m", "pid": 7,
        "began": time.time() - 1000, "renewed": time.time(),
    }  # fmt: skip
    place.write_json(LEASE, {**found, **changed})


def test_a_lease_says_who_builds_and_goes_with_the_build(place):
    with locked(place):
        found = place.read_json(LEASE)
        assert found["host"] == socket.gethostname() and abs(found["renewed"] - time.time()) < 10
    assert place.read_text(LEASE) is None


def test_it_goes_with_a_build_that_fails(place):
    with pytest.raises(ZeroDivisionError), locked(place):
        raise ZeroDivisionError
    assert place.read_text(LEASE) is None


def test_a_second_build_is_told_of_the_first(place):
    with locked(place), pytest.raises(BuildRefused, match="another build is writing there"), locked(place):
        pass
    write_lease(place)
    told = r"set: another build is writing there \(host elsewhere, process 7, last heard of \d seconds ago\)"
    with pytest.raises(BuildRefused, match=told), locked(place):
        pass
    assert place.read_json(LEASE)["holder"] == "another"


def test_a_build_that_was_killed_locks_for_a_stated_time(place, monkeypatch):
    monkeypatch.setattr(lease, "SETTLING_SECONDS", 0)
    write_lease(place, renewed=time.time() - STALE_SECONDS + 30)
    with (
        pytest.raises(BuildRefused, match=f"its lease ends {STALE_SECONDS:.0f} seconds after"),
        locked(place),
    ):
        pass
    write_lease(place, renewed=time.time() - STALE_SECONDS - 1)
    with locked(place):
        assert place.read_json(LEASE)["holder"] != "another"
    assert RENEWAL_SECONDS * 3 < STALE_SECONDS  # a renewal that is late is no end


def test_on_the_same_machine_the_lease_ends_with_the_process(place, monkeypatch):
    monkeypatch.setattr(lease, "SETTLING_SECONDS", 0)
    with locked(place):
        machine = place.read_json(LEASE)["machine"]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    write_lease(place, machine=machine, pid=ended.pid)
    with pytest.raises(BuildRefused), locked(place):  # until it was waited for, it is there
        pass
    ended.wait()
    with locked(place):
        pass


def test_a_lease_that_cannot_be_read_is_as_old_as_its_object(place, monkeypatch):
    monkeypatch.setattr(lease, "SETTLING_SECONDS", 0)
    place.write_text(LEASE, "{")
    with pytest.raises(BuildRefused), locked(place):
        pass
    monkeypatch.setattr(Place, "modified", lambda self, name: time.time() - STALE_SECONDS - 1)
    with locked(place):
        assert json.loads(place.read_text(LEASE) or "")["pid"]


def eventually(holds) -> bool:
    ends = time.monotonic() + 10
    while not holds() and time.monotonic() < ends:
        time.sleep(0.01)
    return holds()


def test_it_is_renewed_while_the_build_runs(place, monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.01)
    with locked(place) as still_ours:
        first = place.read_json(LEASE)
        assert eventually(lambda: place.read_json(LEASE)["renewed"] > first["renewed"])
        assert {**place.read_json(LEASE), "renewed": 0} == {**first, "renewed": 0}
        still_ours()


def is_lost(still_ours) -> bool:
    try:
        still_ours()
    except BuildRefused as error:
        return "another build has taken over" in str(error)
    return False


def test_a_build_whose_lease_another_took_stops_and_leaves_it(place, monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.01)
    with locked(place) as still_ours:
        write_lease(place)
        assert eventually(lambda: is_lost(still_ours))
    assert place.read_json(LEASE)["holder"] == "another"


def test_a_lease_that_cannot_be_renewed_for_long_is_lost(place, monkeypatch):
    monkeypatch.setattr(lease, "RENEWAL_SECONDS", 0.01)
    with locked(place) as still_ours:
        read = Place.read_text

        def fails(self, name):
            raise StoreUnavailable("no answer")

        monkeypatch.setattr(Place, "read_text", fails)
        time.sleep(0.1)
        still_ours()  # for a while that is nothing
        monkeypatch.setattr(lease, "STALE_SECONDS", 0.05)
        assert eventually(lambda: is_lost(still_ours))
        monkeypatch.setattr(Place, "read_text", read)


def other_comes_first(monkeypatch, place: Place, name: str) -> None:
    """Another build writes its lease just before the first call of `name`."""
    called = getattr(Place, name)
    came = []

    def late(self, *arguments):
        if not came:
            came.append(True)
            write_lease(place)
        return called(self, *arguments)

    monkeypatch.setattr(Place, name, late)


def test_of_two_that_begin_at_once_one_builds(place, monkeypatch):
    other_comes_first(monkeypatch, place, "create")
    with pytest.raises(BuildRefused, match="host elsewhere"), locked(place):
        pass
    assert place.read_json(LEASE)["holder"] == "another"


def test_of_two_that_take_over_at_once_one_builds(place, monkeypatch):
    monkeypatch.setattr(lease, "SETTLING_SECONDS", 0)
    write_lease(place, renewed=0)
    take = Place.create

    def taken_from(self, name, text):
        assert take(self, name, text)
        write_lease(place)  # the other had seen the stale one, too: it removed ours, and wrote its own
        return True

    monkeypatch.setattr(Place, "create", taken_from)
    with pytest.raises(BuildRefused, match="host elsewhere"), locked(place):
        pass


def old_pipe_file(self, path, value, **options):
    """As before fsspec could create."""
    with self.open(path, "wb") as file:
        file.write(value)


def test_without_a_request_that_creates_two_look_again(place, monkeypatch):
    waited = []
    monkeypatch.setattr(lease.time, "sleep", waited.append)
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", old_pipe_file)
    with locked(place):
        assert waited == [lease.SETTLING_SECONDS]
        with pytest.raises(BuildRefused), locked(place):
            pass
    # The other writes after us, in the same moment.
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: write_lease(place))
    with pytest.raises(BuildRefused, match="host elsewhere"), locked(place):
        pass


def test_an_answer_that_was_lost_is_no_other_build(place, monkeypatch):
    create = Place.create

    def answers_late(self, name, text):
        assert create(self, name, text)
        return create(self, name, text)  # the request is made again, and there it is

    monkeypatch.setattr(Place, "create", answers_late)
    with locked(place):
        pass
