"""What samples carry besides image and captions, and the one type that each column of it has in a corpus."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from animate.data import Scalar
from animate.record import DROPPED, RENAMED, Columns, ColumnType
from animate.text import printable

#: Columns that other programs add for their own bookkeeping.
_OTHERS_BOOKKEEPING = frozenset(("__key__", "__index_level_0__"))

#: Python types of the values of a column -> the type of the column; any other mixture is text.
_TYPE_OF_VALUES: Mapping[frozenset[type], ColumnType] = {
    frozenset((bool,)): "bool",
    frozenset((int,)): "int64",
    frozenset((float,)): "double",
    frozenset((int, float)): "double",
}

#: Another value of such a type tells nothing new of a column that has one.
_KNOWN_AT_ONCE = frozenset((str, bool, float))

#: The type of a column -> the Python types of values that it can hold.
_VALUES_OF_TYPE: Mapping[ColumnType, tuple[type, ...]] = {
    "bool": (bool,),
    "int64": (int,),
    "double": (float, int),
    "string": (str,),
}


def carried(columns: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Columns of a source under names that a clip's record has free, without captions and bookkeeping."""
    return {
        own: value
        for name, value in columns
        if (own := _own_name(name)) is not None and not isinstance(value, bytes)
    }


@lru_cache(maxsize=1024)
def _own_name(name: str) -> str | None:
    """What a column is called in a clip's record; None if it has no place there."""
    if name in DROPPED or name in _OTHERS_BOOKKEEPING:
        return None
    return f"source_{name}" if name in RENAMED else printable(name)


class CarriedTypes:
    """Learns from samples which columns a corpus has, and the type of each."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {}

    def see(self, meta: Mapping[str, Any]) -> None:
        """Learns from one sample, which carries `meta`."""
        for name, value in meta.items():
            kinds = self._kinds.get(name)
            if kinds is None:
                kinds = self._kinds[name] = set()
            kind = type(value)
            if kind in kinds and kind in _KNOWN_AT_ONCE:  # nearly always
                continue
            kind = _scalar_type(value)
            if kind is not None:
                kinds.add(kind)

    def see_types(self, types: Mapping[str, type | None]) -> None:
        """Learns that samples carry columns with values of these types; None where that is not known."""
        for name, kind in types.items():
            self._kinds.setdefault(name, set()).update(() if kind is None else (kind,))

    @property
    def names(self) -> list[str]:
        """The columns seen so far, in the order in which they were first seen."""
        return list(self._kinds)

    def columns(self, *texts: str) -> dict[str, ColumnType]:
        """Every column and its type, then `texts`, which are text, as is a column without any value."""
        found: dict[str, ColumnType] = {
            name: _TYPE_OF_VALUES.get(frozenset(kinds), "string") for name, kinds in self._kinds.items()
        }
        for name in texts:
            found[name] = "string"
        return found


def fit(meta: Mapping[str, Any], columns: Columns) -> dict[str, Scalar]:
    """`meta` with exactly the keys of `columns`: each value has its column's type, or is None."""
    return {name: _converted(scalar(meta.get(name)), kind) for name, kind in columns.items()}


def unfit(meta: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """The part of `meta` that its columns cannot hold."""

    def fits(name: str, value: Scalar) -> bool:
        return value is None or (name in columns and _converted(value, columns[name]) is not None)

    return {name: value for name, value in meta.items() if not fits(name, scalar(value))}


def scalar(value: Any) -> Scalar:
    """`value` as meta carries it: bytes and infinities as None, anything nested as JSON text."""
    if isinstance(value, str):
        return printable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, bytes):
        return None
    return printable(json.dumps(value, ensure_ascii=False, default=str))


def _scalar_type(value: Any) -> type | None:
    """The type of `scalar(value)`, None if that is None; text for a whole number that int64 cannot hold."""
    kind = type(value)
    if kind is str or kind is bool:
        return kind
    if kind is int:
        return int if -(2**63) <= value < 2**63 else str
    if kind is float:
        return float if value == value and abs(value) != float("inf") else None
    return None if value is None or kind is bytes else str


def _converted(value: Scalar, column: ColumnType) -> Scalar:
    """`value` as a column of this type holds it; None if it cannot."""
    if value is None or (type(value) is str and column == "string"):
        return value
    if column == "string":
        return str(value)
    if _scalar_type(value) not in _VALUES_OF_TYPE[column]:
        return None
    return float(value) if column == "double" else value
