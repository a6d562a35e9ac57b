"""Requests to object stores: which are made again, which end a build, and that no secret is told."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest

from animate import stores
from animate.executor import CannotWrite
from animate.stores import PatientFile, StoreUnavailable, open_store, patiently, required, shown

ROOT = Path(__file__).parents[2]


class Answer(Exception):
    """As botocore has it, without botocore."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(f"{code} {status}")
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


class ClientResponseError(Exception):
    """As aiohttp has it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class HTTPClientError(Exception):
    pass


class EndpointConnectionError(HTTPClientError):
    pass


class NoCredentialsError(Exception):
    pass


def translated(status: int, code: str, kind: type[OSError] = OSError) -> OSError:
    """As s3fs does it: an OSError that was raised from botocore's."""
    error = kind(errno.EIO, code)
    error.__cause__ = Answer(status, code)
    return error


PASSING = [
    translated(503, "SlowDown"),
    translated(500, "InternalError"),
    translated(400, "RequestTimeout"),
    translated(409, "OperationAborted"),
    ClientResponseError(429),
    ClientResponseError(502),
    TimeoutError("too long"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    OSError(errno.EBUSY, "slow down"),
    EndpointConnectionError("Could not connect"),
]
LASTING = [
    translated(403, "AccessDenied", PermissionError),
    translated(404, "NoSuchBucket", FileNotFoundError),
    translated(400, "ExpiredToken"),
    translated(507, "XMinioStorageFull"),
    ClientResponseError(401),
    PermissionError(errno.EACCES, "no"),
    OSError(errno.ENOSPC, "No space left on device"),
    NoCredentialsError("Unable to locate credentials"),
]
OTHER = [
    translated(404, "NoSuchKey", FileNotFoundError),
    translated(412, "PreconditionFailed"),
    FileExistsError("there"),
    ZeroDivisionError("a bug"),
]


class Fails:
    """A request that raises `error` the first `times` times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.made = error, times, 0

    def __call__(self) -> str:
        self.made += 1
        if self.made <= self.times:
            raise self.error
        return "answer"


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    waited = []
    monkeypatch.setattr(stores.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_is_tried_again(error, waits):
    request = Fails(error, stores.TRIES - 1)
    assert required("s3://b/x", request) == "answer"
    assert request.made == stores.TRIES
    bounds = [min(stores.FIRST_WAIT * 2**i, stores.LONGEST_WAIT) for i in range(stores.TRIES - 1)]
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    assert bounds == sorted(bounds) and sum(bounds) <= 91


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_the_tries_are_bounded(error):
    request = Fails(error, 100)
    with pytest.raises(StoreUnavailable, match=rf"^s3://b/x: failed {stores.TRIES} times, the last"):
        required("s3://b/x", request)
    assert request.made == stores.TRIES


def test_waits_differ_from_worker_to_worker(waits):
    for _ in range(2):
        patiently("s3://b/x", Fails(TimeoutError(), stores.TRIES - 1))
    assert waits[: stores.TRIES - 1] != waits[stores.TRIES - 1 :]


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_lasts_ends_the_build_at_once(error, waits):
    request = Fails(error, 100)
    with pytest.raises(CannotWrite, match=r"^s3://b/x: .*: the same command goes on once that is mended$"):
        required("s3://b/x", request)
    assert request.made == 1 and not waits


@pytest.mark.parametrize("error", OTHER, ids=repr)
def test_anything_else_is_raised_as_it_is(error, waits):
    with pytest.raises(type(error)) as raised:
        required("s3://b/x", Fails(error, 100))
    assert raised.value is error and not waits


def test_messages_have_no_credentials():
    url = "s3://me:secret@host/a/b?X-Amz-Signature=secret&x=secret"
    assert shown(url) == "s3://host/a/b"
    told = OSError(errno.ENOSPC, f'Could not connect to "{url}",\n as (http://u:secret@proxy:80) says')
    with pytest.raises(CannotWrite) as raised:
        required(url, Fails(told, 100))
    assert "secret" not in str(raised.value) and '"s3://host/a/b", as (http://proxy:80)' in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    with pytest.raises(StoreUnavailable) as raised:
        required(url, Fails(ConnectionResetError(url), 100))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://me:secret@bucket/x", "gs://me:secret@bucket/x"])
def test_a_bucket_takes_no_password(url):
    with pytest.raises(ValueError, match="takes no password") as raised:
        open_store(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("protocol", "package", "extra"),
    [("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs"), ("https", "aiohttp", "http")],
)
def test_what_a_protocol_needs_is_named(protocol, package, extra):
    how = f"pip install 'animate[{extra}]'"
    code = f"""
import sys
sys.modules[{package!r}] = None  # as if it were not installed
from cli.animate.main import main
sys.argv = ["animate", "build", "--src", "demo", "--out", "{protocol}://me:secret@host/x?sig=secret"]
if {protocol!r} != "https":
    sys.argv[-1] = "{protocol}://host/x"
main()
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.endswith(f"{protocol}:// needs a package that is not installed: {how}")
    assert "secret" not in line


class Breaks(io.BytesIO):
    """A file of which each read fails once, after a piece has come."""

    failed = False

    def read(self, size: int | None = -1) -> bytes:
        self.failed = not self.failed
        if self.failed:
            super().read(1)
            raise ConnectionResetError("cut")
        return super().read(size)


def test_a_read_that_breaks_off_is_made_again_from_its_beginning():
    file = PatientFile(Breaks(b"abcdefgh"), lambda request: patiently("x", request))
    buffer = bytearray(3)
    assert (file.read(2), file.readinto(buffer), bytes(buffer)) == (b"ab", 3, b"cde")
    assert file.seek(-2, io.SEEK_END) == 6
    assert (file.read(), file.tell(), file.read(5)) == (b"gh", 8, b"")
