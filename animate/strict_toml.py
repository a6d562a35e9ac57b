"""TOML tables to frozen dataclasses and back, strictly: an unknown key or a wrong type is an error.

A number may be written as a fraction in quotes, "30000/1001".

Both `animate.recipe` and `retrieval.recipe` describe a run as nested frozen dataclasses whose fields all
have defaults. This file is the one way in (`from_table`) and the one way out (`to_table`, `digest`).
"""

import contextlib
import dataclasses
import difflib
import functools
import hashlib
import json
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from animate.errors import UserError

T = TypeVar("T")


class RecipeError(UserError):
    """A recipe that cannot be meant: names the key, the value and what is allowed."""


class UnknownKey(RecipeError):
    """A recipe has a `key` in the table `where` (dotted; empty for the top level) that has `known` alone.

    `meant` says what was probably meant, as words; without it the nearest of `known` is.
    """

    def __init__(self, *, where: str, key: str, known: Iterable[str], meant: str = "") -> None:
        self.where, self.key, self.known = where, key, sorted(known)
        self.guessed = meant or nearest(key, self.known)
        place = f"[{where}]" if where else "the top level"
        listed = ", ".join(self.known)
        super().__init__(f"unknown key {key!r} in {place}{self.guessed}; known keys there: {listed}")


def nearest(name: str, known: Iterable[str]) -> str:
    """What was probably meant, as words for a message; empty where nothing is near."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


@contextlib.contextmanager
def named_in(path: str | Path | None) -> Iterator[None]:
    """An unknown key is told with the file and the line that have it, where they do."""
    try:
        yield
    except UnknownKey as error:
        line = None if path is None else _line_of(Path(path).read_text(encoding="utf-8"), error)
        if line is None:
            raise
        raise RecipeError(f"{path}, line {line}: {error}") from None


def _line_of(text: str, unknown: UnknownKey) -> int | None:
    """The first line that gives the key, alone or as the head of a dotted one, or a table of that name."""
    wanted = re.sub(r"\[\d+\]", "", _join(unknown.where, unknown.key))
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?([^\[\]]+)\]", line)
        given = re.match(r"\s*([\w.\"' -]+?)\s*=", line)
        if header:
            table = key = re.sub(r"[\s\"']", "", header[1])
        elif given:
            key = _join(table, re.sub(r"[\s\"']", "", given[1]))
        else:
            continue
        if f"{key}.".startswith(f"{wanted}."):
            return number
    return None


def read_toml(path: str | Path) -> dict[str, Any]:
    """The table in a TOML file; `RecipeError` names the file when it is missing or is not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"recipe {str(path)!r}: no such file") from None
    except IsADirectoryError:
        raise RecipeError(f"recipe {str(path)!r}: is a folder, not a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {str(path)!r}: not valid TOML: {error}") from None


def apply_overrides(table: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of `table` with each `"a.b=value"` set; the value is read as TOML, or else as plain text."""
    result = _copy(table)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"override {override!r}: write it as table.key=value")
        *parents, leaf = key.strip().split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise RecipeError(f"override {override!r}: {parent!r} is a value, not a table")
        place[leaf] = _toml_value(text.strip())
    return result


def from_table(cls: type[T], table: Mapping[str, Any], where: str = "") -> T:
    """An instance of dataclass `cls` from a TOML table; missing keys take their defaults.

    `where` is the dotted name of the table and appears in every message.
    """
    try:
        return _read(cls, table, where)
    except UnknownKey as error:
        # A key that stands in the wrong table is looked for in all of them.
        elsewhere = [place for place, name in _all_keys(cls, where) if name == error.key]
        if error.guessed or not elsewhere:
            raise
        places = " or ".join(f"[{place}]" if place else "the top level" for place in elsewhere)
        meant = f" (did you mean the one in {places}?)"
        raise UnknownKey(where=error.where, key=error.key, known=error.known, meant=meant) from None


def with_defaults(cls: type, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table that an earlier release wrote, with the keys that it did not know at their defaults.

    What cannot be read any more stays as it is.
    """
    try:
        return to_table(from_table(cls, table))
    except RecipeError:
        return table


def _all_keys(cls: type, where: str) -> Iterator[tuple[str, str]]:
    """Dotted table and key of everything that a table of `cls` may have; lists of tables are left out."""
    for name, kind in _fields(cls).items():
        yield where, name
        if dataclasses.is_dataclass(kind):
            yield from _all_keys(typing.cast(type, kind), _join(where, name))


def _read(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where or 'recipe'}: expected a table, got {table!r}")
    fields = _fields(cls)
    for key in table:
        if key not in fields:
            raise UnknownKey(where=where, key=key, known=fields)
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]
        no_default = field.default is field.default_factory is dataclasses.MISSING
        if no_default and field.name not in table:
            raise RecipeError(f"{where or 'recipe'}: {field.name} is missing")
    values = {key: _convert(fields[key], value, _join(where, key)) for key, value in table.items()}
    try:
        return cls(**values)
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(f"[{where}] {error}" if where else str(error)) from None


def to_table(recipe: Any) -> dict[str, Any]:
    """The plain table of a recipe: TOML and JSON types only, every key present but those that are None."""
    return {
        field.name: _plain(getattr(recipe, field.name))
        for field in dataclasses.fields(recipe)
        if getattr(recipe, field.name) is not None
    }


def digest(recipe: Any) -> str:
    """32 hex digits that change when, and only when, a value of the recipe does."""
    canonical = json.dumps(to_table(recipe), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any], where: str = "") -> list[str]:
    """One line for each key whose value differs between two tables: `"video.size: 224 -> 256"`."""
    lines: list[str] = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, _join(where, key))
        elif before != after:
            lines.append(f"{_join(where, key)}: {_change(before, after)}")
    return lines


def _change(before: Any, after: Any) -> str:
    """Old and new value; digests, which tell nobody anything, are called another one."""
    if any(isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32,}", value) for value in (before, after)):
        return "is another"
    return f"{_show(before)} -> {_show(after)}"


def _show(value: Any) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _copy(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in table.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_table(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


@functools.cache
def _fields(cls: type) -> dict[str, Any]:
    """Field name to resolved type."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _convert(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotated `kind`: scalars, Literal, X | None, tuple[X, ...], dict[str, X], dataclass."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise RecipeError(f"{where} = {_show(value)}: must be one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where} = {_show(value)}: must be a table")
        return {key: _convert(arguments[1], item, _join(where, key)) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return _read(typing.cast(type, kind), value, where)
    if kind is Any:
        return value
    return _convert_scalar(kind, value, where)


def _convert_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    errors = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _convert(kind, value, where)
        except RecipeError as error:
            errors.append(str(error))
    raise RecipeError(errors[-1])


def _convert_tuple(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, tuple | list):
        raise RecipeError(f"{where} = {_show(value)}: must be a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise RecipeError(f"{where} = {_show(list(value))}: must have {len(kinds)} values")
    return tuple(
        _convert(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _convert_scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str) and re.fullmatch(r"\d+/[1-9]\d*", value):
        return float(Fraction(value))
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        if kind is float and value != value:
            raise RecipeError(f"{where}: must be a number, not NaN")
        return value
    names = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}
    raise RecipeError(f"{where} = {_show(value)}: must be {names.get(kind, kind.__name__)}")
