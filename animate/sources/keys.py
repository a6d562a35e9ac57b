"""Keys that can name a tar member, samples by key, and the faults of keys and images that came before."""

import hashlib
import re
import unicodedata
from urllib.parse import unquote

from animate.data import Fault
from animate.text import file_bytes, printable

#: Key, "_", take number and suffix are the name of a clip's member, for which USTAR has 100 bytes.
MAX_KEY_BYTES = 87

#: Keys that need no encoding.
_SAFE = re.compile(r"[A-Za-z0-9_~-]+")
#: ASCII that stands in keys as it is.
_SAFE_ASCII = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~-")
#: The column of what a short form does not tell.
ORIGINAL_KEY = "original_key"
#: Hexadecimal digits of the hash in the short form of a key.
_HASH_DIGITS = 16


def safe_key(text: str) -> str:
    """`text` as a key that can name a member of any tar: at most `MAX_KEY_BYTES` of UTF-8.

    ASCII letters, digits, `_`, `~`, `-` and what other scripts print stay. Anything else (a dot, a slash, a
    space, a byte that is not UTF-8) is percent-encoded. What is too long then becomes a readable head, `~`
    and a hash of the whole. So different texts give different keys, but for unpaired surrogates: these are
    all one.
    """
    if _SAFE.fullmatch(text) and len(text) <= MAX_KEY_BYTES:
        return text
    pieces = [_encoded(character) for character in text]
    if sum(map(_length, pieces)) <= MAX_KEY_BYTES:
        return "".join(pieces)
    digest = hashlib.blake2b(file_bytes(text), digest_size=_HASH_DIGITS // 2).hexdigest()
    room, head = MAX_KEY_BYTES - 1 - _HASH_DIGITS, ""
    for piece in pieces:
        room -= _length(piece)
        if room < 0:
            break
        head += piece
    return f"{head}~{digest}"


def lost_text(key: str, text: str) -> str | None:
    """`text` if its `key` does not tell it, for it is a short form."""
    return None if key == text or unquote(key, errors="surrogateescape") == text else printable(text)


def _encoded(character: str) -> str:
    if character in _SAFE_ASCII:
        return character
    if not character.isascii() and unicodedata.category(character)[0] not in "CZ":  # control, space
        return character
    return "".join(f"%{byte:02X}" for byte in file_bytes(character))


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def in_sample(key: str, share: float) -> bool:
    """Whether a key is in the sample of this share; the sample of a larger share contains it too."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=b"sample").digest()
    return int.from_bytes(digest, "little") < share * 2**64


def key_fault(key: str) -> Fault | None:
    """What is wrong with a key that `safe_key` gave; None if nothing is."""
    return None if key else Fault("bad_key", "it is empty")


def same_key(key: str) -> Fault:
    """The fault of an input whose key an earlier one has."""
    return Fault("duplicate_key", f"an earlier input has the key {key!r} too")


def same_image(identity: str) -> Fault:
    """The fault of an input whose image an earlier one has; `identity` is what the two share."""
    return Fault("duplicate_image", f"an earlier input has the same image ({identity})")
