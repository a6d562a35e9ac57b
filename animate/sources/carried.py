"""What samples carry along: under names that are free in a clip's record, with one type a column."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from animate.data import Scalar
from animate.record import DROPPED, RENAMED, Columns, ColumnType
from animate.sources.captions import printable

#: Columns of other programs' bookkeeping.
_OTHERS_BOOKKEEPING = frozenset(("__key__", "__index_level_0__"))

#: What a column of these kinds of values is; a column of any other mixture is text.
_TYPE_OF_KINDS: Mapping[frozenset[type], ColumnType] = {
    frozenset((bool,)): "bool",
    frozenset((int,)): "int64",
    frozenset((float,)): "double",
    frozenset((int, float)): "double",
}

_KIND_OF_TYPE: Mapping[ColumnType, tuple[type, ...]] = {
    "bool": (bool,),
    "int64": (int,),
    "double": (float, int),
    "string": (str,),
}


def carried(columns: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Columns of a source under names free in a clip's record, without captions and bookkeeping."""
    return {
        f"source_{name}" if name in RENAMED else name: value
        for name, value in columns
        if name not in DROPPED and name not in _OTHERS_BOOKKEEPING and not isinstance(value, bytes)
    }


class CarriedTypes:
    """Learns, from what samples carry, which columns a corpus has and of what type each is."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {}

    def see(self, meta: Mapping[str, Any]) -> None:
        """One sample carries `meta`."""
        for name, value in meta.items():
            kinds = self._kinds.get(name)
            if kinds is None:
                kinds = self._kinds[name] = set()
            kind = _kind(value)
            if kind is not None:
                kinds.add(kind)

    def see_types(self, types: Mapping[str, type | None]) -> None:
        """Every sample of a table carries columns of these kinds; None where nothing is known."""
        for name, kind in types.items():
            self._kinds.setdefault(name, set()).update(() if kind is None else (kind,))

    @property
    def names(self) -> list[str]:
        """The columns seen so far, in the order in which they came."""
        return list(self._kinds)

    def columns(self, *texts: str) -> dict[str, ColumnType]:
        """Every column and its type, with `texts` after them; one of which nothing is known is text."""
        found: dict[str, ColumnType] = {
            name: _TYPE_OF_KINDS.get(frozenset(kinds), "string") for name, kinds in self._kinds.items()
        }
        for name in texts:
            found[name] = "string"
        return found


def fit(meta: Mapping[str, Any], columns: Columns) -> dict[str, Scalar]:
    """`meta` with the keys of `columns` and no others: values as their column has them, None where they
    do not fit it."""
    return {name: _as_type(scalar(meta.get(name)), kind) for name, kind in columns.items()}


def unfit(meta: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """What of `meta` its columns cannot hold."""

    def fits(name: str, value: Scalar) -> bool:
        return value is None or (name in columns and _as_type(value, columns[name]) is not None)

    return {name: value for name, value in meta.items() if not fits(name, scalar(value))}


def scalar(value: Any) -> Scalar:
    """`value` as meta carries it: scalars as they are, bytes left out, anything nested as JSON text."""
    if isinstance(value, str):
        return value if value.isascii() else printable(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, bytes):
        return None
    return json.dumps(value, ensure_ascii=False, default=str)


def _kind(value: Any) -> type | None:
    """The kind of a value's scalar, None of a missing one; a whole number that no column can hold is text."""
    kind = type(value)
    if kind is str or kind is bool:
        return kind
    if kind is int:
        return int if -(2**63) <= value < 2**63 else str
    if kind is float:
        return float if value == value and abs(value) != float("inf") else None
    return None if value is None or kind is bytes else str


def _as_type(value: Scalar, column: ColumnType) -> Scalar:
    if value is None or (type(value) is str and column == "string"):
        return value
    if column == "string":
        return str(value)
    if _kind(value) not in _KIND_OF_TYPE[column]:
        return None
    return float(value) if column == "double" else value
