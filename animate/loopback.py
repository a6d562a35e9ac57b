"""A small web server for the browser of whoever runs a command: for this machine alone, and to read only.

Who may ask. The server is bound to 127.0.0.1, so no other machine reaches it. Web pages that are open in the
same browser do, and are kept out three times: a request whose Host is none of this server's is refused (a
foreign name that was made to point to 127.0.0.1), one that a browser marks as sent by another site is
refused, and no answer may be read by, embedded in or framed by another origin.

What may be asked for. A path is plain words between slashes, `/strip/12`: the first names a route, the rest
is handed to it. Routes look words up in tables of their own; none is ever joined to a path of a file system.
A path with anything else in it (`%`, `..`, a backslash) names no route. Free text comes in the query.
"""

import base64
import errno
import hashlib
import logging
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl

from animate.errors import UserError

log = logging.getLogger(__name__)

#: The only address that is listened on.
HOST = "127.0.0.1"
#: What a page may load and run: what this server answers. `with_inline` adds what stands in the page itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: A word of a path. `.` stands in names of files and may not begin one.
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
#: A connection over which nothing comes for so many seconds is closed.
_IDLE_SECONDS = 60
#: Longest query, in characters: a sentence to search for is far shorter.
_LONGEST_QUERY = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a route: the `words` of the path after its name, and the `query` by name, the last of
    each."""

    words: tuple[str, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a request: `body` is of `content_type`. `keep` lets the browser ask for it only once."""

    body: bytes
    content_type: str
    status: int = HTTPStatus.OK
    keep: bool = False


#: What answers a request. It is called on a thread of its own, maybe several times at once.
Route = Callable[[Request], Reply]


class NotFound(LookupError):
    """Raised by a route that has nothing of that name; the message is the answer's text."""


class PortTaken(UserError):
    """A server may not listen where it was told to."""


def text_reply(text: str, status: int = HTTPStatus.OK) -> Reply:
    """`text` as plain text."""
    return Reply(body=text.encode(), content_type="text/plain; charset=utf-8", status=status)


def with_inline(policy: str, *, scripts: tuple[str, ...] = (), styles: tuple[str, ...] = ()) -> str:
    """`policy`, which then allows exactly these texts of `<script>` and `<style>` elements, too."""
    for directive, texts in (("script-src", scripts), ("style-src", styles)):
        hashes = "".join(f" {_hash(text)}" for text in texts)
        policy = policy.replace(f"{directive} 'self'", f"{directive} 'self'{hashes}")
    return policy


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Loopback:
    """A server of `routes` (name -> route; `""` answers `/`) on 127.0.0.1, listening when this returns.

    `port` 0 takes a free one. Every answer carries `policy` as its Content-Security-Policy. Raises
    `PortTaken` where the port cannot be had.
    """

    def __init__(self, routes: Mapping[str, Route], *, port: int = 0, policy: str = POLICY):
        try:
            self._server = _Server((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            raise PortTaken(f"port = {port}: {_port_fault(error)}; 0 takes a free one") from None
        self._server.routes = routes
        self._server.policy = policy

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{HOST}:{self.port}/"

    def serve(self) -> None:
        """Answers until `stop` is called on another thread or `KeyboardInterrupt` is raised in this one."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """`serve` returns."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()


def _port_fault(error: OSError | OverflowError) -> str:
    if isinstance(error, OverflowError):
        return "must be from 0 to 65535"
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return error.strerror or str(error)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A port that was just given up may be taken again, one in use may not.
    allow_reuse_address = sys.platform != "win32"
    routes: Mapping[str, Route]
    policy: str

    def server_bind(self) -> None:
        # http.server's own asks the resolver for this machine's name, which may take seconds.
        socket_name: tuple[str, int] = self.server_address  # type: ignore[assignment]
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(socket_name)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle of an answer is no error; anything else is."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            log.exception("a request ended in an error")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: _Server
    #: Neither release nor system are anybody's business.
    server_version, sys_version = "animate", ""
    #: What cannot be read as a request is answered without markup.
    error_content_type, error_message_format = "text/plain; charset=utf-8", "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_HEAD(self) -> None:
        self._send(self._answer())

    def _answer(self) -> Reply:
        refusal = self._refusal()
        if refusal:
            return text_reply(refusal, HTTPStatus.FORBIDDEN)
        path, _, query = self.path.partition("?")
        if not path.startswith("/"):  # `GET http://elsewhere/ HTTP/1.1`, as a proxy is asked
            return text_reply("this is no proxy", HTTPStatus.BAD_REQUEST)
        if len(query) > _LONGEST_QUERY:
            return text_reply("the query is too long", HTTPStatus.REQUEST_URI_TOO_LONG)
        name, *words = path[1:].split("/")
        plain = path == "/" or all(map(_WORD.fullmatch, (name, *words)))
        route = self.server.routes.get(name) if plain else None
        if route is None:
            return text_reply("there is nothing of that name", HTTPStatus.NOT_FOUND)
        asked = Request(words=tuple(words), query=dict(parse_qsl(query, keep_blank_values=True)))
        try:
            return route(asked)
        except NotFound as error:
            return text_reply(str(error), HTTPStatus.NOT_FOUND)
        except Exception:  # a bug, or a file that went away: said where the command runs, which goes on
            log.exception("%s could not be answered", path)
            return text_reply(
                "that failed; the terminal of the command says how", HTTPStatus.INTERNAL_SERVER_ERROR
            )

    def _refusal(self) -> str:
        """Why the sender may not ask at all; empty where it may."""
        own = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost", "[::1]")}
        hosts = [host.lower() for host in self.headers.get_all("Host", [])]
        if len(hosts) != 1 or hosts[0] not in own:
            return "this server answers to 127.0.0.1 alone"
        # A link on another site may lead here; its scripts, pictures and frames may not.
        site, mode = (
            self.headers.get("Sec-Fetch-Site", "none"),
            self.headers.get("Sec-Fetch-Mode", "navigate"),
        )
        if site in ("cross-site", "same-site") and mode != "navigate":
            return "other sites may not ask"
        return ""

    def _send(self, reply: Reply) -> None:
        status, body = reply.status, reply.body
        asked = self.headers.get("Range") if status == HTTPStatus.OK else None
        part = None if asked is None else byte_range(asked, len(body))
        headers = {}
        if part is not None and not part:
            status, body = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b""
            headers["Content-Range"] = f"bytes */{len(reply.body)}"
        elif part is not None:
            status, body = HTTPStatus.PARTIAL_CONTENT, body[part.start : part.stop]
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(reply.body)}"
        self.send_response(status)
        headers |= {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(body)),
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, max-age=3600" if reply.keep else "no-store",
            "Content-Security-Policy": self.server.policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a page asks for a hundred pictures."""


def byte_range(asked: str, length: int) -> range | None:
    """What a Range header asks of `length` bytes: an empty range if there are none of these, None if the
    whole may be sent: other units, several ranges, no ranges at all.

    Of 10 bytes:

        bytes=2-4      2, 3, 4            bytes=8-99     8, 9
        bytes=7-       7, 8, 9            bytes=10-      none
        bytes=-3       7, 8, 9            bytes=-0       none
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip(), flags=re.ASCII)
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1][:20], found[2][:20]
    if not first:
        return range(max(0, length - int(last)), length)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else length, length))
