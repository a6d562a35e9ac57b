"""robots.txt, as RFC 9309 defines it: read once for each site, remembered for the latest sites."""

import collections
import http.client
import threading
import urllib.error
import urllib.robotparser
from collections.abc import Callable
from urllib.parse import urlsplit

#: Sites whose rules are remembered.
_REMEMBERED = 10_000
#: The rest of a longer robots.txt is not read; RFC 9309 asks for 500 KiB at least.
_MAX_BYTES = 1 << 19


class Robots:
    """Whether the robot called `token` may fetch a URL; `read` gives the content of a robots.txt.

    A site that answers 4xx, as for a file that it does not have, allows everything; one that answers 5xx
    forbids everything; for one that cannot be reached `ConnectionError` is raised, as its images would do.
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
        # One thread asks the site; others with an address there wait for its answer.
        with site.lock:
            if site.rules is None and site.fault is None:
                self._ask(site, f"{name}/robots.txt")
        if site.rules is None:
            raise ConnectionError(f"cannot ask for robots.txt: {site.fault}")
        return site.rules.can_fetch(self._token, url)

    def _ask(self, site: "_Site", address: str) -> None:
        rules = urllib.robotparser.RobotFileParser()
        try:
            rules.parse(self._read(address)[:_MAX_BYTES].decode("utf-8", "replace").splitlines())
        except urllib.error.HTTPError as error:
            error.close()
            rules.parse([] if 400 <= error.code < 500 else ["User-agent: *", "Disallow: /"])
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            site.fault = str(error)
            return
        site.rules = rules


class _Site:
    """A site with its `rules`, or the `fault` because of which they could not be read; at first neither."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rules: urllib.robotparser.RobotFileParser | None = None
        self.fault: str | None = None
