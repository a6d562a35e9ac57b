"""Addresses of images as lists write them, made into what can be asked for: ASCII, with IDNA host names."""

import ipaddress
import re
from urllib.parse import quote, unquote, urlsplit

import idna

from animate.text import file_bytes, printable

#: An address that is as it must be: most of every list are.
_CLEAN = re.compile(
    r"https?://[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?(?::[0-9]{1,4})?"
    r"(?:[/?#](?:[A-Za-z0-9/:=&?~#+!$,;'@()*\[\]._-]++|%[0-9A-Fa-f]{2})*+)?"
)
#: The beginning of an address of any protocol.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?=.)")
_LINE_ENDS = re.compile(r"[\t\r\n]")
#: White space and control characters around an address.
_AROUND = "".join(map(chr, range(0x21)))
#: ASCII that stands in an address as it is. A `%` does: what is encoded already is not encoded again.
_KEPT = "%/:=&?~#+!$,;'@()*[]"


class BadAddress(ValueError):
    """What stands where an address should, and is none; the message says why not."""


def is_address(text: object) -> bool:
    """Whether this is text that begins like an address on the web."""
    return isinstance(text, str) and text.lstrip()[:8].lower().startswith(("http://", "https://"))


def clean_address(text: str) -> str:
    """`text` in ASCII: bytes and characters that no address has are percent-encoded, its host is in IDNA.

    A byte that is not UTF-8 stands for itself: `caf` and the byte E9 become `caf%E9`. Raises `BadAddress`
    where there is no protocol, no host, or a host or port that cannot be. Which protocols
    are wanted is for whoever connects.
    """
    if _CLEAN.fullmatch(text):
        return text
    # What browsers leave out, too.
    text = _LINE_ENDS.sub("", text).strip(_AROUND)
    if not _SCHEME.match(text):
        raise BadAddress(f"not an address: {printable(text)[:100]!r}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadAddress(f"{printable(text)[:100]!r}: {error}") from None
    if parts.scheme not in ("http", "https"):
        return _quoted(text)
    if not host:
        raise BadAddress(f"no host: {printable(text)[:100]!r}")
    user, at, _ = parts.netloc.rpartition("@")
    place = _quoted(user) + at + ascii_host(host) + (f":{port}" if port is not None else "")
    rest = text.partition("//")[2][len(parts.netloc) :]
    return f"{parts.scheme}://{place}{_quoted(rest)}"


def ascii_host(host: str) -> str:
    """The host in IDNA (UTS 46): `bücher.example` is `xn--bcher-kva.example`; `BadAddress` if it cannot be.

    Names in ASCII are taken as they are, so long as they could be looked up: servers with `_` do answer.
    """
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host.partition('%')[0])}]"
        except ValueError:
            raise BadAddress(f"no host: {printable(host)[:100]!r}") from None
    host = unquote(host, errors="surrogateescape")
    try:
        named = host if host.isascii() else _idna(host)
    except UnicodeError as error:  # idna.IDNAError is one
        raise BadAddress(f"no host name: {printable(host)[:100]!r}: {error}") from None
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?", named):
        raise BadAddress(f"no host name: {printable(host)[:100]!r}")
    return named


def _idna(host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host.encode("idna").decode()  # the rules of 2003, which such names as ☃.net go by


def _quoted(text: str) -> str:
    return quote(file_bytes(text), safe=_KEPT)
