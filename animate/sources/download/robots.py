"""robots.txt, as RFC 9309 defines it: asked for once a site, remembered for the latest sites."""

import collections
import http.client
import threading
import time
import urllib.error
from collections.abc import Callable
from urllib.parse import urlsplit

from protego import Protego

#: Sites whose rules are remembered.
_REMEMBERED = 10_000
#: Bytes of a robots.txt that are read; RFC 9309 asks for 500 KiB at least.
MAX_BYTES = 1 << 19
#: Seconds after which a site that gave no rules is asked again: at first, and, doubled each time, at most.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0


class Robots:
    """Whether the robot called `token` may fetch a URL; `read` gives the first `MAX_BYTES` of a robots.txt.

    A site that answers 4xx, as for a file that it does not have, allows everything. One that answers 5xx or
    429, or cannot be reached, allows nothing for now: `ConnectionError` is raised, as its images would do.
    It is asked again: after a second at first, after a minute at most.
    """

    def __init__(self, token: str, read: Callable[[str], bytes]):
        self._token, self._read = token, read
        self._sites: collections.OrderedDict[str, _Site] = collections.OrderedDict()
        self._lock = threading.Lock()

    def allow(self, url: str) -> bool:
        """Whether `url` may be fetched; may be called from many threads."""
        parts = urlsplit(url)
        name = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            site = self._sites.setdefault(name, _Site())
            self._sites.move_to_end(name)
            if len(self._sites) > _REMEMBERED:
                self._sites.popitem(last=False)
        # One thread asks the site; others with an address there wait for its answer. The rules put themselves
        # in order when they are first asked, which is for one thread, too.
        with site.lock:
            if site.rules is None and time.monotonic() >= site.ask_at:
                self._ask(site, f"{name}/robots.txt")
            if site.rules is None:
                raise ConnectionError(f"no robots.txt for now: {site.fault}")
            return site.rules.can_fetch(url, self._token)

    def _ask(self, site: "_Site", address: str) -> None:
        try:
            # A byte order mark is no part of the first line; what is not UTF-8 spoils its own line alone.
            site.rules = Protego.parse(self._read(address).decode("utf-8-sig", "replace"))
        except urllib.error.HTTPError as error:
            error.close()
            if 400 <= error.code < 500 and error.code != 429:
                site.rules = Protego.parse("")
                return
            site.fault = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:  # a refusal of the opener, too
            site.fault = str(error)
        site.ask_at = time.monotonic() + site.wait
        site.wait = min(2 * site.wait, _LONGEST_WAIT)


class _Site:
    """A site with its `rules`, or the `fault` because of which there are none until `ask_at` (monotonic).

    If there are none then, they are asked for once more after `wait` seconds.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rules: Protego | None = None
        self.fault = ""
        self.ask_at = 0.0
        self.wait = _FIRST_WAIT
