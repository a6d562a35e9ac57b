"""Keys that can name a tar member, and what is wrong with those that cannot, or that come twice."""

import re
from urllib.parse import quote

from animate.data import Fault

#: A clip's member name needs the key, "_", a take number and a suffix within USTAR's 100 bytes.
MAX_KEY_BYTES = 87

_SAFE = re.compile(r"[A-Za-z0-9_~-]+")


def safe_key(text: str) -> str:
    """`text` with everything but ASCII letters, digits, `_`, `~` and `-` percent-encoded (as UTF-8).

    Different texts give different keys. Bytes that are not UTF-8 (surrogate escapes) are kept as they are.
    """
    if _SAFE.fullmatch(text):
        return text
    return quote(text, safe="", errors="surrogateescape").replace(".", "%2E")


def key_fault(key: str) -> Fault | None:
    """What is wrong with a tar-safe key."""
    if 1 <= len(key) <= MAX_KEY_BYTES:
        return None
    return Fault("bad_key", f"{len(key)} bytes, allowed are 1 to {MAX_KEY_BYTES}: {key[:200]!r}")


def same_key(key: str) -> Fault:
    """The fault of a second input of the same key."""
    return Fault("duplicate_key", f"an earlier input has the key {key!r} too")


def same_image(mark: str) -> Fault:
    """The fault of a second input of the same image; `mark` is what the two share."""
    return Fault("duplicate_image", f"an earlier input has the same image ({mark})")
