"""What fsspec opens at a URL, object stores above all: what is tried again, what ends a build, what is told.

Messages of stores quote addresses, and an address may hold a password or a signature: none gets out of here.
"""

import errno
import io
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import fsspec

from animate.errors import UserError
from animate.executor import CannotWrite

log = logging.getLogger(__name__)

T = TypeVar("T")

#: The extra of this distribution with what a protocol needs.
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http"}
#: Protocols whose URLs begin with the name of a bucket.
_NO_PASSWORD = ("s3", "s3a", "gs", "gcs")

#: A request that fails for a passing reason is made so often, …
TRIES = 8
#: … with a wait of at most so many seconds before the second time, twice as many before the third, …
FIRST_WAIT = 1.0
#: … and never more than these. Of each wait between a half and all is waited, so that workers that failed
#: together do not come back together: 61 seconds in all on average, 91 at most, beside what the store's own
#: client waits.
LONGEST_WAIT = 30.0

#: Too many requests, too long a request, two at once; and 5xx but for what no wait mends.
_PASSING_STATUSES = frozenset({408, 409, 425, 429})
_LASTING_5XX = frozenset({501, 505, 507})
#: Of status 400, and yet no fault of the request.
_PASSING_CODES = frozenset({"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch"})
_PASSING_ERRNOS = frozenset(
    number
    for name in (
        *("EAGAIN", "EBUSY", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EIO"),
        *("ENETDOWN", "ENETRESET", "ENETUNREACH", "EPIPE", "EREMOTEIO", "ETIMEDOUT"),
    )
    if (number := getattr(errno, name, None)) is not None
)
_LASTING_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT})
#: Classes of botocore, aiohttp, urllib3 and http.client, by name so that none of them need be there.
_PASSING_CLASSES = frozenset(
    {
        *("ClientConnectionError", "ClientPayloadError", "ConnectionError", "HTTPClientError"),
        *("IncompleteRead", "IncompleteReadError", "ProtocolError", "ResponseParserError", "TimeoutError"),
    }
)
_LASTING_CLASSES = frozenset(
    {
        *("CredentialRetrievalError", "DefaultCredentialsError", "InvalidRegionError", "NoCredentialsError"),
        *("ParamValidationError", "PartialCredentialsError", "ProfileNotFound", "RefreshError"),
        *("TokenRetrievalError", "UnauthorizedSSOTokenError"),
    }
)


class UnknownStore(UserError):
    """A URL that nothing here opens: of an unknown protocol, or one whose package is not installed."""


class StoreUnavailable(UserError):
    """A store that has failed `TRIES` times in a row, for reasons that pass."""


#: What says something of the store and nothing of what lies there: never to be taken for damage, as the
#: `ValueError`s are that these are, too.
NO_ANSWER = (StoreUnavailable, CannotWrite)


def open_store(url: str) -> tuple[Any, str]:
    """The file system of a path or URL, and the path in it.

    Raises `UnknownStore` for a protocol that is not known, or whose package is not installed, and for a
    password where none belongs.
    """
    protocol, _, rest = url.partition("://")
    if protocol in _NO_PASSWORD and "@" in rest.partition("/")[0]:
        raise UnknownStore(f"{protocol}:// takes no password in the URL; give it by environment or file")
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        needs = f"{protocol}:// needs a package that is not installed"
        how = f"pip install 'animate[{extra}]'" if extra else str(error)
        raise UnknownStore(f"{needs}: {how}") from None
    except ValueError as error:
        raise UnknownStore(shown(str(error))) from None


def shown(text: str) -> str:
    """`text` in one line, its URLs without user, password and query.

    `s3://me:secret@host/a?X-Amz-Signature=1` is `s3://host/a`.
    """
    text = re.sub(r"(?<=://)[^/\s'\"]*@", "", " ".join(text.split()))
    return re.sub(r"(\w://[^\s'\"?]*)\?[^\s'\"]*", r"\1", text)


def patiently(what: str, request: Callable[[], T]) -> T:
    """What `request` gives; it is made again, after longer and longer waits, while it fails for a passing
    reason (a busy or broken store, a time-out, a lost connection).

    `what` names the object in messages. Raises `StoreUnavailable` after `TRIES` tries, and any other error as
    it is.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return request()
        except Exception as error:
            if is_lasting(error) or not is_passing(error):
                raise
            reason = _reason(error)
        if attempt < TRIES:
            wait = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.5, 1)
            log.info("%s: %s; try %d in %.1f s", shown(what), reason, attempt + 1, wait)
            time.sleep(wait)
    raise StoreUnavailable(
        f"{shown(what)}: failed {TRIES} times, the last time with: {reason}; "
        "the same command goes on once the store answers"
    )


def required(what: str, request: Callable[[], T]) -> T:
    """As `patiently`, for what a build cannot do without.

    Raises `CannotWrite` at once where no other request would fare better: no right, no such bucket, no
    credentials, no room.
    """
    try:
        return patiently(what, request)
    except UserError:
        raise
    except Exception as error:
        if not is_lasting(error):
            raise
        message = f"{shown(what)}: {_reason(error)}: the same command goes on once that is mended"
        raise CannotWrite(message) from None


def is_passing(error: BaseException) -> bool:
    """Whether the same request may do better a little later."""
    for cause in _causes(error):
        status = _status(cause)
        if status is not None:
            return (
                status in _PASSING_STATUSES
                or (status >= 500 and status not in _LASTING_5XX)
                or _code(cause) in _PASSING_CODES
            )
    return not isinstance(error, FileNotFoundError | FileExistsError) and any(
        isinstance(cause, TimeoutError | ConnectionError)
        or (isinstance(cause, OSError) and cause.errno in _PASSING_ERRNOS)
        or _named(cause, _PASSING_CLASSES)
        for cause in _causes(error)
    )


def is_lasting(error: BaseException) -> bool:
    """Whether no request of this build can do better, until somebody mends what is wrong."""
    for cause in _causes(error):
        status = _status(cause)
        if status is not None:
            refused = 300 <= status < 500 and status not in (404, 412, 416, *_PASSING_STATUSES)
            missing = _code(cause) == "NoSuchBucket"
            return missing or status == 507 or (refused and _code(cause) not in _PASSING_CODES)
    return any(
        (isinstance(cause, OSError) and cause.errno in _LASTING_ERRNOS)
        or isinstance(cause, PermissionError)
        or _named(cause, _LASTING_CLASSES)
        for cause in _causes(error)
    )


def exists_already(error: BaseException) -> bool:
    """Whether that is how a store says that it holds what was to be created."""
    return any(isinstance(cause, FileExistsError) or _status(cause) == 412 for cause in _causes(error))


class PatientFile(io.RawIOBase):
    """A file of a store; `ask` makes each read, as `patiently` does."""

    def __init__(self, file: Any, ask: Callable[[Callable[[], bytes]], bytes]) -> None:
        super().__init__()
        self._file, self._ask = file, ask

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def read(self, size: int | None = -1) -> bytes:
        place = self._file.tell()

        def again() -> bytes:
            if self._file.tell() != place:  # a piece had come when the connection broke
                self._file.seek(place)
            return self._file.read(-1 if size is None else size)

        return self._ask(again)

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        return self.read()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of botocore, aiohttp or gcsfs carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(error, "status", None) or getattr(error, "code", None)
    try:
        return int(status)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _code(error: BaseException) -> str:
    """The word that a store of S3's kind gives for an error."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""


def _named(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _reason(error: BaseException) -> str:
    """What the store said, in a few words."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shown(said)[:300] or type(error).__name__
