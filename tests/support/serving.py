"""A web server on this machine for as long as a test needs it."""

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Quiet(http.server.BaseHTTPRequestHandler):
    """A handler that logs nothing; give it a `do_GET`."""

    def log_message(self, *args: object) -> None:
        return


@contextlib.contextmanager
def served(handler: type[Quiet]) -> Iterator[str]:
    """The address of a server that answers with `handler`, without a slash at its end."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{site.server_port}"
    finally:
        site.shutdown()
        site.server_close()
