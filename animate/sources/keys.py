"""Keys that can name a tar member, samples by key, and the faults of keys and images that came before."""

import hashlib
import re
from urllib.parse import quote

from animate.data import Fault

#: Key, "_", take number and suffix are the name of a clip's member, for which USTAR has 100 bytes.
MAX_KEY_BYTES = 87

#: Keys that need no encoding.
_SAFE = re.compile(r"[A-Za-z0-9_~-]+")


def safe_key(text: str) -> str:
    """`text` with everything but ASCII letters, digits, `_`, `~` and `-` percent-encoded (as UTF-8).

    Different texts give different keys. A byte that is not UTF-8 (a surrogate escape) is encoded as itself.
    """
    if _SAFE.fullmatch(text):
        return text
    return quote(text, safe="", errors="surrogateescape").replace(".", "%2E")


def in_sample(key: str, share: float) -> bool:
    """Whether a key is in the sample of this share; the sample of a larger share contains it too."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "little") < share * 2**64


def key_fault(key: str) -> Fault | None:
    """What is wrong with the length of a tar-safe key; None if nothing is."""
    if 1 <= len(key) <= MAX_KEY_BYTES:
        return None
    return Fault("bad_key", f"{len(key)} bytes, allowed are 1 to {MAX_KEY_BYTES}: {key[:200]!r}")


def same_key(key: str) -> Fault:
    """The fault of an input whose key an earlier one has."""
    return Fault("duplicate_key", f"an earlier input has the key {key!r} too")


def same_image(identity: str) -> Fault:
    """The fault of an input whose image an earlier one has; `identity` is what the two share."""
    return Fault("duplicate_image", f"an earlier input has the same image ({identity})")
