"""JSON from anywhere: nothing in it is so deep, or so long a number, that what follows gives up."""

import json
from typing import Any

#: Lists and objects inside each other; what reads values goes down in them by recursion.
DEEPEST = 100
#: Digits of a whole number; a longer one is read as text, which is what a column of such numbers would be.
_MOST_DIGITS = 300


def read_json(text: str | bytes) -> Any:
    """The value; `ValueError` for what is no JSON, or is nested deeper than `DEEPEST`."""
    try:
        value = json.loads(text, parse_int=_integer)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    begins = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(text.count(begin) for begin in begins) > DEEPEST and _is_deeper(value, DEEPEST):  # type: ignore[arg-type]
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return value


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MOST_DIGITS else digits


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
