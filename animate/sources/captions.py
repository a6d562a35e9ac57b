"""Captions: finding them in whatever a corpus has, cleaning them, and what is wrong with unusable ones."""

import functools
import html
import html.entities
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from animate.data import Fault
from animate.sources.json_text import read_json
from animate.text import printable


def caption_texts(value: Any) -> tuple[str, ...]:
    """The non-blank texts in a cell: a string, a number, a list of these or of objects, JSON of a list.

    Texts are stripped, and repeated ones are kept once.
    """
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            return caption_texts(_json_list(text)) or (text,)
        return (text,) if text else ()
    if isinstance(value, bytes):
        return caption_texts(value.decode("utf-8", "surrogateescape"))
    if isinstance(value, dict):
        return next((caption_texts(value[name]) for name in _TEXT_KEYS if name in value), ())
    if isinstance(value, float):
        return (str(value),) if math.isfinite(value) else ()
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, Iterable):
        return unique(text for item in value for text in caption_texts(item))
    return ()


def clean(text: str) -> str:
    """`text` in Unicode's NFC, with HTML entities decoded, no control characters, and single spaces only.

    Entities are decoded twice, because lists made from web pages are full of `&amp;quot;`.
    """
    if text.isascii() and text.isprintable() and "&" not in text and "  " not in text:
        return text.strip()
    text = unicodedata.normalize("NFC", _unescaped(_unescaped(text)))
    return _SPACES.sub(" ", _CONTROLS.sub(" ", text)).strip()


def _unescaped(text: str) -> str:
    """`text` with its entities decoded. Browsers take `Joel&ethan` for one, too; here one ends in `;`."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]) if _is_entity(found[1]) else found[0], text)


def _is_entity(name: str) -> bool:
    return name.startswith("#") or f"{name};" in html.entities.html5


def share_of_scripts(text: str, scripts: frozenset[str]) -> float:
    """The share of the text's letters that are in one of `scripts` (lower case); 1 if it has no letters."""
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return 1.0
    return sum(_script(character) in scripts for character in letters) / len(letters)


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts in order, each once."""
    return tuple(dict.fromkeys(texts))


def caption_fault(captions: Iterable[str]) -> Fault | None:
    """What is wrong with the captions of one image, taken together; None if nothing is."""
    captions = tuple(captions)
    if captions and "".join(captions).isascii():
        return None
    if not captions:
        return Fault("missing_caption", "no caption, or nothing but white space")
    for caption in captions:
        try:
            caption.encode("utf-8")
        except UnicodeEncodeError as error:
            where = f"at character {error.start} of {printable(caption)[:80]!r}"
            return Fault("caption_not_utf8", f"not UTF-8 {where}")
    return None


#: An HTML entity, or what looks like one.
_ENTITY = re.compile(r"&(#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
_SPACES = re.compile(r"\s+")
#: Control and format characters and non-characters, but not the joiners that some scripts need in words.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")


@functools.lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    """The first word of the letter's Unicode name, which names its script."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0].lower()


#: Where an object has its caption, best first.
_TEXT_KEYS = ("caption", "raw", "text", "sentence")


def _json_list(text: str) -> list[str]:
    """The strings of a JSON list; none if it is something else: a caption may well begin with a bracket."""
    try:
        value = read_json(text)
    except ValueError:
        return []
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return []
