"""What is recorded of a clip: its JSON, and all that follows from which keys that has.

One field of `ClipRecord` is one JSON key, so a new key is written down here alone: the columns of the
parquet, the names that a corpus may not carry and what `animate verify` looks for are read off the fields.
What a corpus carries along (a licence, a similarity) stands before them in the JSON and has a `ColumnType` of
its own, the same in every shard of a set.
"""

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: Status of an input that became a clip, in JSON and parquet, as img2dataset writes it.
SUCCESS = "success"

#: Types of columns, as pyarrow calls them.
ColumnType = Literal["string", "int64", "double", "bool"]

#: What a corpus carries: name to type, in the order of the JSON.
Columns = Mapping[str, ColumnType]

#: Roles of a key, where it has another than most. Of a corpus' own value of this name: it is the clip's, …
_KEPT = {"corpus": "kept"}
#: … or it is bookkeeping, or was read already.
_DROPPED = {"corpus": "dropped"}
#: The key says how the camera filmed the still: its column comes after those that say what the clip is.
_CAMERA = {"camera": True}
_NO_COLUMN = {"camera": True, "column": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """The JSON of a clip, but for what its corpus carries.

    `key` names the clip, `source_key` its still, `source_keys` all stills of a montage; it is filming `take`
    of the still. `captions` are the still's; `caption` is the first of them, which `camera_caption` follows
    where the recipe has that appended. `sha256` is that of the still's file. `width`, `height`, `num_frames`,
    `fps` and `duration` (seconds) are the clip's, `original_width` and `original_height` the upright still's;
    `fps` is an integer where it is whole.
    `camera` is its label in plain English, `camera_caption` says the same in sentences; it is empty where the
    recipe wants none, and where an earlier release wrote none.

    `homographies` has nine numbers a frame, row by row: they map view to still in unit coordinates. `shot` is
    the edit as JSON text, `shot_starts` the first frame of each shot. `view_areas` is the share of the still
    that each frame shows, `view_area_min` the smallest, `union_area` what the clip shows in all. `quality`
    and `background` (red, green, blue) say how the still was decoded and sampled.
    """

    key: str = field(metadata=_DROPPED)
    source_key: str
    source_keys: list[str]
    take: int
    status: str = field(metadata=_DROPPED)
    error_message: str = field(metadata=_DROPPED)
    caption: str = field(metadata=_DROPPED)
    captions: list[str] = field(metadata=_DROPPED)
    url: str = field(metadata=_KEPT)
    sha256: str = field(metadata=_KEPT)
    width: int
    height: int
    original_width: int
    original_height: int
    num_frames: int
    fps: int | float
    duration: float
    camera: str
    camera_caption: str = ""
    homographies: list[list[float]] = field(metadata=_CAMERA)
    shot: str = field(metadata=_NO_COLUMN)
    shot_starts: list[int] = field(metadata=_CAMERA)
    view_areas: list[float] = field(metadata=_CAMERA)
    view_area_min: float = field(metadata=_CAMERA)
    union_area: float = field(metadata=_CAMERA)
    quality: str = field(metadata=_CAMERA)
    background: list[int] = field(metadata=_CAMERA)

    def table(self) -> dict[str, Any]:
        """The record as plain values, by JSON key."""
        return {name: getattr(self, name) for name in KEYS}


_FIELDS = dataclasses.fields(ClipRecord)
#: Keys without which a table is no clip's: all but those that an earlier release did not write.
_NEEDED = [one.name for one in _FIELDS if one.default is dataclasses.MISSING]

#: Each JSON key that every clip has, to the type of its value.
KEYS: Mapping[str, Any] = {one.name: one.type for one in _FIELDS}

_COLUMN_TYPES: Mapping[Any, ColumnType] = {
    str: "string", int: "int64", float: "double", int | float: "double", bool: "bool"
}  # fmt: skip


def _columns(*, camera: bool) -> dict[str, ColumnType]:
    """Columns of the keys that hold one value, of one of the two groups."""
    return {
        one.name: _COLUMN_TYPES[one.type]
        for one in _FIELDS
        if one.type in _COLUMN_TYPES
        and one.metadata.get("column", True)
        and one.metadata.get("camera", False) == camera
    }


#: The columns that come first in every parquet.
COLUMNS: Columns = _columns(camera=False)
#: Those that follow, sorted by name among the columns that the corpus carries.
CAMERA_COLUMNS: Columns = _columns(camera=True)


def _names(corpus: str) -> frozenset[str]:
    return frozenset(one.name for one in _FIELDS if one.metadata.get("corpus", "renamed") == corpus)


#: What a source carries under one of these names goes under `source_` and the name.
RENAMED = _names("renamed")
#: What a source carries under one of these names is the clip's.
KEPT = _names("kept")
#: What a source carries under one of these names is left out.
DROPPED = _names("dropped")


def parquet_columns(carried: Columns, *, whole_fps: bool) -> dict[str, ColumnType]:
    """Every column of a shard's parquet, in order, for a set whose corpus carries `carried`.

    The frames a second are integers in a set whose recipe has them `whole_fps`.
    """
    first: dict[str, ColumnType] = {**COLUMNS, "fps": "int64" if whole_fps else "double"}
    rest: dict[str, ColumnType] = {**CAMERA_COLUMNS, **carried}
    return {**first, **{name: rest[name] for name in sorted(rest.keys() - first.keys())}}


def read_record(table: Mapping[str, Any]) -> tuple[ClipRecord, dict[str, Any]]:
    """A clip's JSON as its record and what the corpus carried; `ValueError` names the keys that it lacks."""
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        raise ValueError(f"not the json of a clip: it lacks {', '.join(missing)}")
    record = ClipRecord(**{name: table[name] for name in KEYS if name in table})
    return record, {name: value for name, value in table.items() if name not in KEYS}


def flat_json(record: ClipRecord, carried: Mapping[str, Any], columns: Columns) -> bytes:
    """A clip's JSON, one line: the keys of `columns`, then the record's.

    A missing text is `""`. A missing number is null, which readers that infer types take for a number.
    """
    given = {name: carried.get(name) for name in columns}
    missing = {name: "" for name, value in given.items() if value is None and columns[name] == "string"}
    table = {**given, **missing, **record.table()}
    return _JSON.encode(table).encode()


#: Made once: `json.dumps` with settings of one's own makes an encoder each time.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def is_of_type(value: Any, kind: Any) -> bool:
    """Whether a JSON value is what a field of `ClipRecord` is declared as."""
    if typing.get_origin(kind) is list:
        (inner,) = typing.get_args(kind)
        return isinstance(value, list) and all(is_of_type(item, inner) for item in value)
    return type(value) in (typing.get_args(kind) or (kind,))
