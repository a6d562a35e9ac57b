"""Text that came from anywhere: what of it is no character, and the bytes of file names.

A Python string may hold surrogates, which no file can. Python writes a byte that is not UTF-8 as one of
U+DC80 to U+DCFF (a surrogate escape); JSON may spell half a pair as any of them.
"""

import re

#: Surrogates that stand for no byte.
_UNPAIRED = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def printable(text: str) -> str:
    """`text` with the replacement character for each byte that was not UTF-8 and each unpaired surrogate."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return printable(_UNPAIRED.sub("\N{REPLACEMENT CHARACTER}", text))


def file_bytes(name: str) -> bytes:
    """A file name as the bytes that it has on disk; an unpaired surrogate has none and is replaced."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _UNPAIRED.sub("\N{REPLACEMENT CHARACTER}", name).encode("utf-8", "surrogateescape")
