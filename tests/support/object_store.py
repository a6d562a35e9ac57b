"""An S3 store on this machine for as long as a test needs it, which can be told to fail and to be slow."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"
SECRET = "not-to-be-told"

#: Says for a request (method, path) and how many of that method came before what happens to it: a status
#: with which it fails, "cut" for a connection that ends, or None.
Trouble = Callable[[str, str, int], int | str | None]


@dataclass
class Store:
    """An S3 store; `trouble` and `seconds` (of each request) may be changed at any time.

    `most_at_once` is of GET requests that were under way together.
    """

    url: str = ""
    trouble: Trouble = field(default=lambda method, path, count: None)
    seconds: float = 0.0
    requests: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    under_way: int = 0
    most_at_once: int = 0

    def fails_first(self, times: int, status: int | str = 503) -> None:
        """The first `times` requests of each method fail, from now on."""
        self.counts.clear()
        self.trouble = lambda method, path, count: status if count < times else None

    def recovers(self) -> None:
        self.trouble = lambda method, path, count: None

    def held(self) -> set[str]:
        """What the bucket holds, whatever the trouble."""
        return {name.removeprefix(f"{BUCKET}/") for name in self.filesystem().find(BUCKET)}

    def filesystem(self) -> Any:
        import s3fs

        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.invalidate_cache()
        return files


@dataclass
class _Troubled:
    store: Store
    application: Any
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self.lock:
            count = self.store.counts[method]
            self.store.counts[method] += 1
            self.store.requests.append(f"{method} {path}")
            self.store.under_way += method == "GET"
            self.store.most_at_once = max(self.store.most_at_once, self.store.under_way)
        time.sleep(self.store.seconds)
        with self.lock:
            self.store.under_way -= method == "GET"
        trouble = self.store.trouble(method, path, count)
        if trouble is None:
            return self.application(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if trouble == "cut":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        code = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown"}[int(trouble)]
        start_response(f"{trouble} No", [("Content-Type", "application/xml")])
        told = f"<Error><Code>{code}</Code><Message>{code} for you</Message></Error>"
        return [] if method == "HEAD" else [told.encode()]


class _Quiet(WSGIRequestHandler):
    def log(self, *arguments: Any) -> None:
        return


@contextlib.contextmanager
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with an empty bucket, to which `s3://` leads inside the block, in child processes, too."""
    import s3fs

    store = Store()
    troubled = _Troubled(store, DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, troubled, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "AWS_ENDPOINT_URL": store.url,
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",  # its client's own tries would hide ours
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    reset = urllib.request.Request(f"{store.url}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=30).close()  # stores of one process are one
    store.filesystem().mkdir(BUCKET)
    store.requests.clear()
    try:
        yield store
    finally:
        store.recovers()
        store.seconds = 0.0
        s3fs.S3FileSystem.clear_instance_cache()
        server.shutdown()
        server.server_close()
