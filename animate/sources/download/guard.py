"""A urllib opener for hostile lists: where it may connect to, how much it reads, and for how long.

It takes http and https only, and public IP addresses only. The very address that is checked is then
connected to, so that neither a redirect nor a second look-up of the name gets around it. Each image has a
limit of bytes and one of seconds, and robots.txt is followed. Proxies of the environment are not used:
behind a proxy nobody could check the address. Every refusal is a `Refused`, whose text begins with the status
of the row in brackets.
"""

import functools
import http.client
import io
import ipaddress
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from animate.sources.addresses import clean_address
from animate.sources.download.robots import MAX_BYTES, Robots

#: Bytes of a body that are read at a time.
_READ_AT_ONCE = 1 << 16
#: The IPv6 addresses in which public translators (NAT64) put IPv4 addresses.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: All that IANA's registry has for special purposes, and multicast.
_NOT_PUBLIC = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        ),
    )
)
#: All that is given out of IPv6: loopback, local and translated addresses and multicast lie elsewhere, …
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
#: … and what in it is for special purposes (protocols and Teredo, and documentation).
_NOT_PUBLIC_6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))


class Refused(ValueError):
    """A download that was not tried, or was stopped. It is no OSError, which urllib would wrap."""

    def __init__(self, status: str, message: str):
        super().__init__(f"[{status}] {message}")


def is_public(address: str) -> bool:
    """Whether an IP address, and any IPv4 address inside it, belongs to the public internet.

    It goes by tables of its own, for what Python calls global differs from version to version.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC)
    inside = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inside is not None:
        return is_public(str(inside))
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_6)


class GuardedOpener(urllib.request.OpenerDirector):
    """Opens one image for one thread at a time, within `seconds` and `max_bytes`, redirects included.

    `robots_token` is the name that robots.txt files are asked about; with None they are not read.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        seconds: float,
        max_bytes: int,
        allow_private: bool,
        robots_token: str | None,
    ):
        super().__init__()
        self.addheaders = []
        self._user_agent, self._seconds, self._max_bytes = user_agent, seconds, max_bytes
        self._allow_private = allow_private
        self._local = threading.local()
        self._robots = Robots(robots_token, self._read_robots) if robots_token else None
        for handler in (
            _Http(functools.partial(_Connection, self)),
            _Https(functools.partial(_SecureConnection, self)),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            self.add_handler(handler)

    def open(self, fullurl: Any, data: Any = None, timeout: Any = None) -> Any:
        """The response to a request or to a redirect of it. Raises `Refused`, and what urllib raises."""
        request = urllib.request.Request(fullurl) if isinstance(fullurl, str) else fullurl
        # Those of lists are clean; a redirect may lead anywhere.
        request.full_url = clean_address(request.full_url)
        if urlsplit(request.full_url).scheme.lower() not in ("http", "https"):
            raise Refused("blocked_address", f"not http or https: {request.full_url[:100]}")
        request.add_header("User-agent", self._user_agent)
        first = getattr(self._local, "deadline", None) is None
        if first:
            self._local.deadline = time.monotonic() + self._seconds
        try:
            ask = self._robots is not None and not getattr(self._local, "reading_robots", False)
            if ask and not self._robots.allow(request.full_url):  # type: ignore[union-attr]
                raise Refused("opted_out", "robots.txt")
            return super().open(request, None, self.seconds_left())
        finally:
            if first:
                # The body is read later, by the response, which has a copy of the deadline.
                self._local.deadline = None

    def seconds_left(self) -> float:
        """Seconds that are left for the current image of this thread; `Refused` if none are."""
        return _left(self._local.deadline)

    def connect(
        self, address: tuple[str, int], timeout: float | None = None, source_address: Any = None
    ) -> socket.socket:
        """A connection to `address`: its name is looked up once, and what was checked is connected to."""
        host, port = address
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        private = [entry[4][0] for entry in found if not is_public(str(entry[4][0]))]
        if private and not self._allow_private:
            raise Refused("blocked_address", f"{host} is at {private[0]}, which is not public")
        error: OSError = OSError(f"no address for {host}")
        for family, kind, protocol, _, place in found:
            left = self.seconds_left()
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(left)
                connection.connect(place)
                return connection
            except OSError as failed:
                connection.close()
                error = failed
        raise error

    def response(self, connection: socket.socket, *args: Any, **options: Any) -> "_Response":
        return _Response(
            connection, *args, deadline=self._local.deadline, max_bytes=self._max_bytes, **options
        )

    def _read_robots(self, url: str) -> bytes:
        """The head of the robots.txt at `url`; its time is part of that of the image that needs it."""
        self._local.reading_robots = True
        try:
            with self.open(url) as response:
                return response.read(MAX_BYTES)
        finally:
            self._local.reading_robots = False


class _Http(urllib.request.HTTPHandler):
    def __init__(self, connection: Callable[..., http.client.HTTPConnection]):
        super().__init__()
        self._connection = connection

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)  # type: ignore[arg-type]


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, connection: Callable[..., http.client.HTTPConnection]):
        super().__init__()
        self._connection = connection

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._connection, req)  # type: ignore[arg-type]


class _Connection(http.client.HTTPConnection):
    def __init__(self, opener: GuardedOpener, host: str, **options: Any):
        super().__init__(host, **options)
        self._create_connection = opener.connect
        self.response_class = opener.response  # type: ignore[assignment]


class _SecureConnection(http.client.HTTPSConnection):
    def __init__(self, opener: GuardedOpener, host: str, **options: Any):
        super().__init__(host, **options)
        self._create_connection = opener.connect
        self.response_class = opener.response  # type: ignore[assignment]


class _Response(http.client.HTTPResponse):
    """A response that must come, headers and body, before the deadline, and whose body is not too long."""

    def __init__(
        self, connection: socket.socket, *args: Any, deadline: float, max_bytes: int, **options: Any
    ):
        super().__init__(connection, *args, **options)
        self._max_bytes = max_bytes
        raw = self.fp.detach()  # type: ignore[attr-defined]
        self.fp = io.BufferedReader(_Timed(raw, connection, deadline))  # type: ignore[assignment]

    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            return super().read(amt)
        if self.length is not None and self.length > self._max_bytes:
            raise Refused("too_many_bytes", f"{self.length} bytes announced, allowed are {self._max_bytes}")
        chunks, total = [], 0
        while chunk := super().read(_READ_AT_ONCE):
            chunks.append(chunk)
            total += len(chunk)
            if total > self._max_bytes:
                raise Refused("too_many_bytes", f"more than {self._max_bytes} bytes")
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        return b"".join(chunks)


class _Timed(io.RawIOBase):
    """The bytes of a socket until the deadline: no read waits longer than the time that is left."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, deadline: float):
        self._raw, self._connection, self._deadline = raw, connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(deadline: float) -> float:
    """Seconds until the deadline; `Refused` when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise Refused("download_timed_out", "the time limit of an image is over")
    return left
