"""What an address gives through the guarded opener."""

import urllib.request

from animate.sources.download.guard import GuardedOpener


def opener(**options) -> GuardedOpener:
    given = {
        "user_agent": "t",
        "seconds": 1.0,
        "max_bytes": 10**6,
        "allow_private": True,
        "robots_token": None,
    }
    return GuardedOpener(**{**given, **options})


def get(url: str, **options) -> bytes:
    with opener(**options).open(urllib.request.Request(url), timeout=1) as response:
        return response.read()
